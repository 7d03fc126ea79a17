# A WebSocket server by hand (RFC 6455) for one client: answers each message in upper case, the
# first one in pieces with a ping between, until the client closes. Argument: how it behaves.
import base64
import hashlib
import socket
import struct
import sys

manner = sys.argv[1] if len(sys.argv) > 1 else "good"
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
client, _ = listener.accept()
client.settimeout(20)
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
reader = client.makefile("rb")


def frame(first, payload):
    if len(payload) < 126:
        return struct.pack("!BB", first, len(payload)) + payload
    return struct.pack("!BBH", first, 126, len(payload)) + payload


def read():
    first, size = reader.read(2)
    assert size & 0x80, "a client has to mask"
    size &= 0x7F
    if size == 126:
        size = struct.unpack("!H", reader.read(2))[0]
    elif size == 127:
        size = struct.unpack("!Q", reader.read(8))[0]
    mask, payload = reader.read(4), reader.read(size)
    return first & 15, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


head = []
while (line := reader.readline().rstrip(b"\r\n").decode()):
    head.append(line)
print(head[0])
headers = dict(line.split(": ", 1) for line in head[1:])
print(headers["Host"] == f"127.0.0.1:{listener.getsockname()[1]}", headers.get("Origin"))
if manner == "refuses":
    client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nno entry\r\n")
    sys.exit()
guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
key = headers["Sec-WebSocket-Key"].encode() if manner != "lies" else b"another"
accept = base64.b64encode(hashlib.sha1(key + guid).digest()).decode()
answer = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n"
          f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode()
# What comes at once behind the answer must not be lost.
client.sendall(answer + (frame(0x81, b"welcome") if manner == "greets" else b""))
first = True
while True:
    try:
        kind, payload = read()
    except (ValueError, ConnectionError):
        print("gone")
        break
    if kind == 8:
        print("close", struct.unpack("!H", payload[:2])[0])
        client.sendall(frame(0x88, payload))
        break
    if kind == 10:
        print("pong", payload)
        continue
    print({1: "text", 2: "binary"}[kind], payload)
    if manner == "closes":
        client.sendall(frame(0x88, struct.pack("!H", 1013) + b"come later"))
        break
    if manner == "masks":
        client.sendall(b"\x81\x82abcd\x00\x00")
        print(read()[1][:2].hex())
        break
    upper = payload.upper()
    if first:
        first = False
        client.sendall(frame(kind, upper[:1]) + frame(0x89, b"ping") + frame(0x80, upper[1:]))
    else:
        client.sendall(frame(0x80 | kind, upper))
client.close()
