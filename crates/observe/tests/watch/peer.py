"""A peer that notes each call on a socket with its result, thread by thread.

peer.py LOG server THREADS            prints `port N`, echoes in upper case, ends when a client says `quit`
peer.py LOG client PORT THREADS CONNECTIONS
"""
import json, os, random, selectors, socket, sys, threading

calls = []
lock = threading.Lock()


def note(call, sock, names, result, data=b""):
    entry = {
        "thread": threading.get_native_id(), "call": call, "local": names[0], "peer": names[1],
        "result": result, "data": data.hex(),
    }
    with lock:
        calls.append(entry)


def name(address):
    return "%s:%d" % address[:2]


def names(sock):
    return name(sock.getsockname()), name(sock.getpeername())


def write(sock, known, how, data):
    if how == "sendto":
        sent = sock.send(data)
    elif how == "write":
        sent = os.write(sock.fileno(), data)
    elif how == "writev":
        sent = os.writev(sock.fileno(), [data[:1], b"", data[1:]])
    else:
        sent = sock.sendmsg([data[:2], data[2:]])
    note(how, sock, known, sent, data[:sent])
    return sent


def read(sock, known, how, room):
    try:
        if how == "recvfrom":
            data = sock.recv(room)
        elif how == "read":
            data = os.read(sock.fileno(), room)
        elif how == "readv":
            parts = [bytearray(1), bytearray(room)]
            got = os.readv(sock.fileno(), parts)
            data = (bytes(parts[0]) + bytes(parts[1]))[:got]
        else:
            data = sock.recvmsg(room)[0]
    except OSError as error:
        note(how, sock, known, -error.errno)
        raise
    note(how, sock, known, len(data), data)
    return data


WRITES = ["sendto", "write", "writev", "sendmsg"]
READS = ["recvfrom", "read", "readv", "recvmsg"]


def serve(listener, done):
    """Serves whatever this thread was the first to accept, all at once."""
    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    turns = {}
    while True:
        for key, _ in ready.select():
            sock = key.fileobj
            if sock is listener:
                try:
                    new, _ = listener.accept()
                except BlockingIOError:
                    continue
                except OSError:
                    assert done.is_set()
                    return
                new.setblocking(True)
                turns[new] = 0
                ready.register(new, selectors.EVENT_READ)
                continue
            known = names(sock)
            data = read(sock, known, READS[turns[sock] % 4], 300)
            if not data or data == b"quit":
                ready.unregister(sock)
                sock.close()
                if data:
                    done.set()
                    listener.shutdown(socket.SHUT_RDWR)
                continue
            while data:
                data = data[write(sock, known, WRITES[turns[sock] % 4], data.upper()):]
            turns[sock] += 1


def exchange(port, seed, connections):
    chance = random.Random(seed)
    socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    for turn in range(3):
        for sock in socks:
            known = names(sock)
            data = bytes(chance.randrange(97, 123) for _ in range(chance.randrange(1, 700)))
            left = data
            while left:
                left = left[write(sock, known, chance.choice(WRITES), left):]
            back = b""
            while len(back) < len(data):
                back += read(sock, known, chance.choice(READS), chance.randrange(1, 500))
            assert back == data.upper()
    for sock in socks:
        known = names(sock)
        sock.shutdown(socket.SHUT_WR)
        assert read(sock, known, "recvfrom", 10) == b""
        sock.close()


def failed(args):
    sys.excepthook(args.exc_type, args.exc_value, args.exc_traceback)
    os._exit(1)


threading.excepthook = failed
log, role, *rest = sys.argv[1:]
if role == "server":
    listener = socket.create_server(("127.0.0.1", 0), backlog=300)
    listener.setblocking(False)
    print("port", listener.getsockname()[1], flush=True)
    done = threading.Event()
    threads = [threading.Thread(target=serve, args=(listener, done)) for _ in range(int(rest[0]))]
else:
    port, count, connections = map(int, rest)
    threads = [threading.Thread(target=exchange, args=(port, seed, connections)) for seed in range(count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if role == "client":
    sock = socket.create_connection(("127.0.0.1", port))
    write(sock, names(sock), "sendto", b"quit")
    sock.close()
with open(log, "w") as out:
    json.dump(calls, out)
