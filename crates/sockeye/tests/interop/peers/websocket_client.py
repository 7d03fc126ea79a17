# A WebSocket client by hand (RFC 6455), which can also break its rules.
# Arguments: port, path, then what to do: words for `scene` below. Prints what came of it.
import base64
import hashlib
import os
import socket
import struct
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FIN, CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x80, 0, 1, 2, 8, 9, 10
NAMES = {TEXT: "text", BINARY: "binary", CLOSE: "close", PONG: "pong"}
port, path = int(sys.argv[1]), sys.argv[2]


def request(*lines):
    key = base64.b64encode(os.urandom(16))
    head = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket",
            "Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Extensions: permessage-deflate", f"Sec-WebSocket-Key: {key.decode()}"]
    return key, ("\r\n".join(head + list(lines)) + "\r\n\r\n").encode()


def connect():
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client, client.makefile("rb")


def head_of(reader):
    lines = []
    while (line := reader.readline().rstrip(b"\r\n")):
        lines.append(line.decode())
    return lines


def upgrade(*lines):
    client, reader = connect()
    key, head = request(*lines)
    client.sendall(head)
    answer = head_of(reader)
    if " 101 " in answer[0]:
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        assert f"Sec-WebSocket-Accept: {accept}" in answer, answer
        assert not any("deflate" in line for line in answer), answer
    return client, reader, answer[0] if answer else ""


def frame(first, payload, masked=True):
    size = len(payload)
    mark = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, mark | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, mark | 126, size)
    else:
        head = struct.pack("!BBQ", first, mark | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    full = (mask * (size // 4 + 1))[:size]
    masked_bytes = int.from_bytes(payload, "big") ^ int.from_bytes(full, "big")
    return head + mask + masked_bytes.to_bytes(size, "big")


def read(reader):
    head = reader.read(2)
    if len(head) < 2:
        return "end", b""
    first, size = head
    assert first & 0x70 == 0 and size < 128, "reserved bits or a mask from the server"
    if size == 126:
        size = struct.unpack("!H", reader.read(2))[0]
    elif size == 127:
        size = struct.unpack("!Q", reader.read(8))[0]
    payload = reader.read(size)
    assert first & FIN, "sockeye sends no fragments"
    return NAMES[first & 15], payload


def show(kind, payload):
    if kind == "close":
        print("close", struct.unpack("!H", payload[:2])[0] if payload else "without a code")
    elif len(payload) > 40:
        print(kind, len(payload), hashlib.sha256(payload).hexdigest()[:8])
    else:
        print(kind, payload)


def talk():
    """Every kind of message, alone and in pieces, then the closing handshake."""
    client, reader, status = upgrade()
    print(status)
    long = bytes(range(256)) * 2000
    for wire in (frame(FIN | TEXT, "grüß dich 你好".encode()), frame(FIN | BINARY, b"\xff\x00a"),
                 frame(FIN | BINARY, b"plain"), frame(FIN | TEXT, b""), frame(FIN | PING, b"there?"),
                 frame(TEXT, b"in ") + frame(FIN | PING, b"") + frame(0, b"three ") + frame(FIN, b"pieces"),
                 frame(FIN | BINARY, long)):
        # Cut anywhere: TCP knows no frames.
        for at in range(0, len(wire), 9000):
            client.sendall(wire[at:at + 9000])
        show(*read(reader))
        if wire[0] == TEXT:
            show(*read(reader))
    print(len(long), hashlib.sha256(long).hexdigest()[:8])
    client.sendall(frame(FIN | CLOSE, struct.pack("!H", 1000) + b"bye"))
    show(*read(reader))
    print("rest", reader.read())


def drip():
    """The request and a message, byte by byte."""
    client, reader = connect()
    _, head = request()
    for byte in head + frame(FIN | TEXT, b"slow"):
        client.sendall(bytes([byte]))
    print(head_of(reader)[0])
    show(*read(reader))


def breaks():
    """One connection for each broken rule; the server says which by its code, and closes."""
    for name, wire in (
        ("unmasked", frame(FIN | TEXT, b"bare", masked=False)),
        ("reserved bit", frame(FIN | 0x40 | TEXT, b"x")),
        ("reserved opcode", frame(FIN | 3, b"x")),
        ("cut ping", frame(PING, b"x")),
        ("long ping", frame(FIN | PING, b"x" * 126)),
        ("continuation of nothing", frame(FIN | CONTINUATION, b"x")),
        ("no utf-8", frame(FIN | TEXT, b"\xc3\x28")),
        ("too long", frame(FIN | BINARY, b"x" * (1 << 20) + b"x")),
        ("announced 4 EiB", struct.pack("!BBQ", 0x82, 0xff, 1 << 62) + b"mask"),
        ("too long in pieces", frame(BINARY, b"x" * (1 << 19)) + frame(0, b"x" * (1 << 19)) + frame(FIN, b"x")),
    ):
        client, reader, _ = upgrade()
        client.sendall(wire)
        kind, payload = read(reader)
        assert kind == "close" and reader.read() == b"", (name, kind)
        print(name, struct.unpack("!H", payload[:2])[0])


def heads():
    """What is no request for this WebSocket."""
    def ask(name, bytes_, finish=True):
        client, reader = connect()
        client.sendall(bytes_)
        if finish:
            client.shutdown(socket.SHUT_WR)
        print(name, head_of(reader)[:1], flush=True)
    _, head = request()
    ask("half", head[:60])
    ask("nothing", b"")
    ask("garbage", b"\xff\x00" + os.urandom(300), finish=False)
    ask("plain", f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), finish=False)
    ask("post", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", finish=False)
    ask("elsewhere", b"GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n", finish=False)
    ask("endless", b"GET / HTTP/1.1\r\nX: " + b"x" * 20000, finish=False)


def origin():
    """From which pages a browser may come."""
    for page in sys.argv[4:]:
        client, reader, status = upgrade(f"Origin: {page}")
        print(page, status)


def leave():
    """Away without a word, with a reset, and in the middle of a frame."""
    for wire, abrupt in ((b"", False), (b"", True), (frame(FIN | TEXT, b"cut off")[:8], False)):
        client, reader, _ = upgrade()
        client.sendall(wire)
        if abrupt:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reader.close()
        client.close()
    print("left")


def room():
    """Says what it was told to in a room, and shows what others say until it is enough."""
    client, reader, _ = upgrade("Origin: http://page.example")
    print("in", flush=True)
    for line in sys.stdin:
        word, _, text = line.rstrip("\n").partition(" ")
        if word == "say":
            client.sendall(frame(FIN | TEXT, text.encode()))
        elif word == "hear":
            show(*read(reader))
        sys.stdout.flush()


{"talk": talk, "drip": drip, "breaks": breaks, "heads": heads, "origin": origin, "leave": leave,
 "room": room}[sys.argv[3]]()
