# All clients are connected at once; each sends its own text, and they are answered last first.
# Arguments: port, how many.
import socket
import sys

port, count = int(sys.argv[1]), int(sys.argv[2])
clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
for number, client in enumerate(clients):
    client.sendall(f"client {number}".encode())
for number, client in reversed(list(enumerate(clients))):
    expected = f"CLIENT {number}".encode()
    answer = b""
    while len(answer) < len(expected):
        data = client.recv(1024)
        assert data, (number, answer)
        answer += data
    assert answer == expected, answer
print("all", count)
