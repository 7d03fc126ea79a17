# An upper-case server over datagrams; it answers to each datagram's source and prints its port.
# Arguments: read size.
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
print("port", server.getsockname()[1])
while True:
    data, address = server.recvfrom(int(sys.argv[1]))
    print("from", address[1], "bytes", len(data))
    server.sendto(data.upper(), address)
