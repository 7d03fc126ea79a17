# Sends each text as one datagram and prints the answer and whether it came from the server's address.
# Arguments: port, own port (0: the system's choice), read size, then the texts.
import socket
import sys

server, own, size = ("127.0.0.1", int(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(60)
if own:
    client.bind(("127.0.0.1", own))
for text in sys.argv[4:]:
    client.sendto(text.encode(), server)
    answer, source = client.recvfrom(size)
    assert source == server, source
    print("answer", answer.decode())
