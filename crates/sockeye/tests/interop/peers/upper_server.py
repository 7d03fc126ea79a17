# An upper-case server for one client at a time. "exit" is answered and ends that client's session.
# Arguments: charset, read size, backlog.
import socket
import sys

charset, size, backlog = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 0))
listener.listen(backlog)
print("port", listener.getsockname()[1])
while True:
    connection, address = listener.accept()
    print("client", address[0])
    try:
        while True:
            data = connection.recv(size)
            if not data:
                print("left")
                break
            text = data.decode(charset)
            if text == "exit":
                connection.send(data)
                print("exited")
                break
            connection.send(text.upper().encode(charset))
    except ConnectionResetError:
        print("reset")
    connection.close()
