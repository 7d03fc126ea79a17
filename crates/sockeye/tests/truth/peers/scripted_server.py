"""One connection of every kind of call, then datagrams: nothing in it depends on chance."""
import socket
from logged import *

udp = datagrams(5001)
listener = listen(5000)
one = accept(listener)
one.recv(4)
one.recv(1024, socket.MSG_PEEK)
one.recv(1024)
one.read(64)
one.readv([3, 5])
one.recvmsg_into([2, 100])
while one.recv(700):
    pass
one.write_file(b"an answer by write\n")
one.writev([b"and one ", b"by writev\n"])
one.sendmsg([b"the last ", b"by ", b"sendmsg\n"])
one.shutdown(socket.SHUT_WR)
one.close()

# Closed with bytes unread: the peer gets a reset.
two = accept(listener)
two.recv(1)
two.close()
listener.close()

for _ in range(6):
    data, who = udp.recvfrom(1024)
    udp.sendto(data[:9], who)
udp.close()
