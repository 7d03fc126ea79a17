# A reply server: every read of at most 512 bytes is answered with "Server received <text>".
import socket

listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listener.bind(("", 0))
listener.listen(8)
print("port", listener.getsockname()[1])
while True:
    connection, address = listener.accept()
    while True:
        data = connection.recv(512)
        if not data:
            break
        connection.send(b"Server received " + data)
    connection.close()
    print("closed", address[0])
