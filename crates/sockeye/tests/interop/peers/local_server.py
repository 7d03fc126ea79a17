# An echo server on a Unix socket. Arguments: stream | dgram | seqpacket, path (@NAME: abstract).
import socket
import sys

kind = {"stream": socket.SOCK_STREAM, "dgram": socket.SOCK_DGRAM, "seqpacket": socket.SOCK_SEQPACKET}[sys.argv[1]]
name = sys.argv[2].replace("@", "\0", 1) if sys.argv[2].startswith("@") else sys.argv[2]
server = socket.socket(socket.AF_UNIX, kind)
server.bind(name)
if kind == socket.SOCK_DGRAM:
    print("port 0")
    while True:
        data, address = server.recvfrom(1024)
        print("message", len(data))
        server.sendto(data, address)
server.listen(5)
print("port 0")
while True:
    connection, _ = server.accept()
    while True:
        data = connection.recv(1024)
        if not data:
            break
        print("message", len(data))
        connection.send(data)
    connection.close()
