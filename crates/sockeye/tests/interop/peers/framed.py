# Both ends of an echo of framed messages, with the framings written as a program would write them.
# Arguments: server | client, framing, port (client), then the messages (client).
import hashlib
import json
import socket
import struct
import sys


def exactly(stream, count):
    data = b""
    while len(data) < count:
        chunk = stream.recv(min(1024, count - len(data)))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def until(stream, end):
    data = b""
    while not data.endswith(end):
        data += exactly(stream, 1)
    return data[: -len(end)]


def receive(stream, framing):
    if framing == "line":
        return until(stream, b"\n")
    if framing == "ffffff":
        return until(stream, b"\xff\xff\xff")
    if framing == "i":
        return exactly(stream, struct.unpack("i", exactly(stream, 4))[0])
    if framing == ">H":
        return exactly(stream, struct.unpack(">H", exactly(stream, 2))[0])
    if framing == "json":
        header = json.loads(exactly(stream, struct.unpack("i", exactly(stream, 4))[0]))
        body = exactly(stream, header["file_size"])
        assert hashlib.md5(body).hexdigest() == header["md5"], header
        return body


def framed(message, framing):
    if framing == "line":
        return message + b"\n"
    if framing == "ffffff":
        return message + b"\xff\xff\xff"
    if framing == "i":
        return struct.pack("i", len(message)) + message
    if framing == ">H":
        return struct.pack(">H", len(message)) + message
    if framing == "json":
        md5 = hashlib.md5(message).hexdigest()
        header = json.dumps({"file_name": "一棵树.txt", "file_size": len(message), "md5": md5}).encode()
        return struct.pack("i", len(header)) + header + message


role, framing = sys.argv[1], sys.argv[2]
if role == "server":
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    print("port", listener.getsockname()[1])
    connection, _ = listener.accept()
    try:
        while True:
            message = receive(connection, framing)
            print("message", message.decode())
            connection.sendall(framed(message, framing))
    except EOFError:
        print("end")
else:
    client = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    messages = [message.encode() for message in sys.argv[4:]]
    # Everything in one send: the messages stick together on the wire.
    client.sendall(b"".join(framed(message, framing) for message in messages))
    for message in messages:
        assert receive(client, framing) == message, message
    # And byte by byte: each message comes in many pieces.
    for message in messages:
        for byte in framed(message, framing):
            client.sendall(bytes([byte]))
        assert receive(client, framing) == message, message
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1024) == b"", "more than was asked for"
    print("all", len(messages))
