"""Sockets that keep a log of their own: each call with its arguments and result, in the order of each socket."""
import hashlib, json, os, socket, sys, threading

LOG = open(sys.argv[1], "w", buffering=1)
LOCK = threading.Lock()


def name(address):
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else address or ""


class Logged:
    def __init__(self, sock):
        self.sock, self.local, self.peer, self.held = sock, "", "", []

    def named(self):
        """From here on both addresses are known; what was held until then is written."""
        self.local = name(self.sock.getsockname())
        try:
            self.peer = name(self.sock.getpeername())
        except OSError:
            pass
        held, self.held = self.held, []
        for record in held:
            self.write(record)
        return self

    def write(self, record):
        record.update(local=self.local, peer=record.get("peer", self.peer))
        with LOCK:
            LOG.write(json.dumps(record) + "\n")

    def log(self, call, result, asked=None, data=b"", **more):
        record = {"call": call, "result": result, **more}
        if asked is not None:
            record.update(asked=asked, sha=hashlib.sha256(data).hexdigest())
        if self.local:
            self.write(record)
        else:
            self.held.append(record)

    def call(self, call, what, **more):
        try:
            value = what()
        except OSError as error:
            self.log(call, -error.errno, **more)
            raise
        self.log(call, 0, **more)
        return value

    def recv(self, room, flags=0):
        try:
            data = self.sock.recv(room, flags)
        except OSError as error:
            self.log("recvfrom", -error.errno, room)
            raise
        self.log("recvfrom", len(data), room, data, flags=flags)
        return data

    def send(self, data, flags=0):
        try:
            taken = self.sock.send(data, flags)
        except OSError as error:
            self.log("sendto", -error.errno, len(data))
            raise
        self.log("sendto", taken, len(data), data[:taken], flags=flags)
        return taken

    def read(self, room):
        data = os.read(self.sock.fileno(), room)
        self.log("read", len(data), room, data)
        return data

    def write_file(self, data):
        taken = os.write(self.sock.fileno(), data)
        self.log("write", taken, len(data), data[:taken])
        return taken

    def sendmsg(self, parts):
        whole = b"".join(parts)
        taken = self.sock.sendmsg(parts)
        self.log("sendmsg", taken, len(whole), whole[:taken])
        return taken

    def recvmsg_into(self, rooms):
        buffers = [bytearray(room) for room in rooms]
        got = self.sock.recvmsg_into(buffers)[0]
        self.log("recvmsg", got, sum(rooms), b"".join(buffers)[:got])
        return got

    def writev(self, parts):
        whole = b"".join(parts)
        taken = os.writev(self.sock.fileno(), parts)
        self.log("writev", taken, len(whole), whole[:taken])
        return taken

    def readv(self, rooms):
        buffers = [bytearray(room) for room in rooms]
        got = os.readv(self.sock.fileno(), buffers)
        self.log("readv", got, sum(rooms), b"".join(buffers)[:got])
        return got

    def sendto(self, data, to):
        taken = self.sock.sendto(data, to)
        self.log("sendto", taken, len(data), data[:taken], peer=name(to))
        return taken

    def recvfrom(self, room):
        data, who = self.sock.recvfrom(room)
        self.log("recvfrom", len(data), room, data, peer=name(who))
        return data, who

    def shutdown(self, how):
        self.call("shutdown", lambda: self.sock.shutdown(how))

    def close(self):
        self.call("close", self.sock.close)


def connect(port, source="127.0.0.1"):
    it = Logged(socket.socket())
    it.log("socket", 0)
    it.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    it.log("setsockopt", 0)
    it.sock.bind((source, 0))
    it.log("bind", 0)
    it.sock.connect(("127.0.0.1", port))
    it.log("connect", 0)
    return it.named()


def listen(port, backlog=512):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(backlog)
    return listener


def accept(listener):
    it = Logged(listener.accept()[0])
    it.log("accept4", 0)
    return it.named()


def datagrams(port=0):
    it = Logged(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    it.log("socket", 0)
    it.sock.bind(("127.0.0.1", port))
    it.log("bind", 0)
    return it.named()
