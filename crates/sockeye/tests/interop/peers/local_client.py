# Sends each text over a Unix socket and prints the answer.
# Arguments: stream | dgram | seqpacket, path (@NAME: abstract), own path (dgram only, else -), texts.
import socket
import sys

kind = {"stream": socket.SOCK_STREAM, "dgram": socket.SOCK_DGRAM, "seqpacket": socket.SOCK_SEQPACKET}[sys.argv[1]]
name = sys.argv[2].replace("@", "\0", 1) if sys.argv[2].startswith("@") else sys.argv[2]
client = socket.socket(socket.AF_UNIX, kind)
client.settimeout(60)
if kind == socket.SOCK_DGRAM:
    client.bind(sys.argv[3])
client.connect(name)
for text in sys.argv[4:]:
    client.send(text.encode())
    print("answer", client.recv(1024).decode())
