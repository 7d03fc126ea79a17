# Sends texts to an upper-case server in pieces and checks that Python's own upper() comes back.
# Arguments: host, port, charset, bytes a send, then the texts; "exit" must be answered with itself.
import socket
import sys

host, port, charset, piece = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
client = socket.create_connection((host, port))
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for text in sys.argv[5:]:
    data = text.encode(charset)
    expected = data if text == "exit" else text.upper().encode(charset)
    for at in range(0, len(data), piece):
        client.sendall(data[at : at + piece])
    answer = b""
    while len(answer) < len(expected):
        chunk = client.recv(1024)
        if not chunk:
            break
        answer += chunk
    assert answer == expected, (answer, expected)
    print("same", len(answer))
if sys.argv[-1] == "exit":
    assert client.recv(1024) == b"", "the session did not end"
    print("ended")
client.close()
