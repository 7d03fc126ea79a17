import socket
from logged import *

one = connect(5000)
one.send(b"12345678")
one.write_file(b"by write")
one.writev([b"by ", b"writev"])
one.sendmsg([b"by", b"", b" sendmsg"])
for size in (17, 1, 300, 1, 200, 1, 2000, 70000):
    one.send(bytes([size % 251]) * size)
one.shutdown(socket.SHUT_WR)
while one.recv(11):
    pass
one.close()

two = connect(5000)
two.send(b"more than is read")
try:
    while two.recv(64):
        pass
except ConnectionResetError:
    pass
two.close()

udp = datagrams()
for size in (17, 1, 0, 330, 2000, 5):
    udp.sendto(bytes([size % 251]) * size, ("127.0.0.1", 5001))
    udp.recvfrom(2048)
udp.close()
