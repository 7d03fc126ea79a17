# One connection, one request, one answer, close; the welcoming socket stays open.
import socket

welcome = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
welcome.bind(("127.0.0.1", 0))
welcome.listen(1)
print("port", welcome.getsockname()[1])
while True:
    connection, address = welcome.accept()
    sentence = connection.recv(1024)
    connection.send(sentence.upper())
    connection.close()
