# A prompt client: sends each line of its input without the newline and prints the answer.
# "exit" ends it and is not sent. Arguments: host, port, charset.
import socket
import sys

host, port, charset = sys.argv[1], int(sys.argv[2]), sys.argv[3]
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((host, port))
for line in sys.stdin:
    text = line.rstrip("\n")
    if text == "exit":
        break
    client.send(text.encode(charset))
    answer = client.recv(1024)
    if not answer:
        print("the server closed")
        break
    print(answer.decode(charset))
client.close()
