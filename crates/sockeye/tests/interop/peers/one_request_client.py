# Connects by name, sends one request and reads to the end. Arguments: host, port, text.
import socket
import sys

client = socket.create_connection((sys.argv[1], int(sys.argv[2])))
client.send(sys.argv[3].encode())
answer = b""
while True:
    data = client.recv(1024)
    if not data:
        break
    answer += data
print("answer", answer.decode())
