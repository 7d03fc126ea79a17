"""A client of docs/wire.md that does what no good client does. Arguments: the socket, then scenarios."""
import base64, json, os, select, signal, socket, struct, sys, time

PATH = sys.argv[1]


class Client:
    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(PATH)
        self.wire = self.sock.makefile('rb')

    def send(self, header, body=b''):
        if body:
            header = dict(header, size=len(body))
        text = json.dumps(header).encode()
        self.sock.sendall(struct.pack('<i', len(text)) + text + body)

    def next(self):
        length = self.wire.read(4)
        if not length:
            return None, b''
        header = json.loads(self.wire.read(struct.unpack('<i', length)[0]))
        return header, self.wire.read(header.get('size', 0))

    def exec(self, *argv, **more):
        self.send(dict({'type': 'exec', 'argv': argv}, **more))

    def until_end(self):
        out = {'stdout': 0, 'stderr': 0, 'order': []}
        while True:
            header, body = self.next()
            kind = header['type']
            if kind in ('stdout', 'stderr'):
                out[kind] += len(body)
                if not out['order'] or out['order'][-1] != kind:
                    out['order'].append(kind)
            elif kind in ('exit', 'error'):
                return out, header


def gone(pid, within=10):
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            if open(f'/proc/{pid}/stat').read().rsplit(') ', 1)[1][0] in 'ZX':
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.005)
    return False


def standstill(pid, within=30):
    """Waits until a process writes no more although it lives; how much it wrote."""
    end, wrote, same = time.monotonic() + within, -1, 0
    while same < 100:
        assert time.monotonic() < end, 'it never stands still'
        before, wrote = wrote, written(pid)
        same = same + 1 if wrote == before else 0
        time.sleep(0.005)
    return wrote


def written(pid):
    fields = dict(line.split(': ') for line in open(f'/proc/{pid}/io').read().splitlines())
    return int(fields['wchar'])


def megabytes():
    client = Client()
    client.exec('sh', '-c', 'head -c 50000000 /dev/zero; echo end >&2')
    out, end = client.until_end()
    assert (out['stdout'], out['stderr'], end['status']) == (50000000, 4, 0), (out, end)


def errors_first():
    client = Client()
    client.exec('sh', '-c', 'head -c 10000000 /dev/zero >&2; echo out')
    out, end = client.until_end()
    assert (out['stdout'], out['stderr'], end['status']) == (4, 10000000, 0), (out, end)
    assert out['order'][0] == 'stderr', out['order']


def closes_early():
    client = Client()
    began = time.monotonic()
    client.exec('sh', '-c', 'echo early; exec >&- 2>&-; sleep 0.4; exit 9')
    out, end = client.until_end()
    assert end['status'] == 9 and out['stdout'] == 6, (out, end)
    assert time.monotonic() - began >= 0.4


def ignores_hangup():
    client = Client()
    client.exec('sh', '-c', "trap '' HUP; echo ready; while :; do sleep 1; done")
    pid = client.next()[0]['pid']
    assert client.next()[1] == b'ready\n'
    began = time.monotonic()
    client.sock.close()
    client.wire.close()
    assert gone(pid), 'it lives on'
    assert time.monotonic() - began > 1.5, 'it had no time'


def daemonises():
    client = Client()
    client.exec('sh', '-c', 'setsid sh -c "echo \\$\\$; exec sleep 9999" & sleep 0.3')
    client.next()
    pid = int(client.next()[1])
    _, end = client.until_end()
    assert end['left_running'] is True and end['status'] == 0, end
    assert not gone(pid, 0.1)
    os.kill(pid, signal.SIGKILL)


def big_input_then_gone():
    client = Client()
    client.exec('sleep', '9999', stdin=True)
    pid = client.next()[0]['pid']
    credit = client.next()[0]['bytes']
    client.send({'type': 'stdin'}, b'x' * credit)
    client.sock.shutdown(socket.SHUT_RDWR)
    assert gone(pid)


def input_comes_back():
    client = Client()
    client.exec('cat', stdin=True)
    sent, got, credit = 0, 0, 0
    while got < 5000000:
        now = min(credit, 5000000 - sent, 65536)
        if now:
            client.send({'type': 'stdin'}, b'y' * now)
            sent, credit = sent + now, credit - now
            if sent == 5000000:
                client.send({'type': 'stdin_end'})
            continue
        header, body = client.next()
        credit += header.get('bytes', 0)
        got += len(body)
    assert client.until_end()[1]['status'] == 0


def many_at_once():
    clients = [Client() for _ in range(200)]
    for number, client in enumerate(clients):
        client.exec('sh', '-c', f'sleep 0.2; echo {number}; exit {number}')
    for number, client in enumerate(clients):
        out, end = client.until_end()
        assert end['status'] == number, end


def two_gigabytes_of_header():
    client = Client()
    client.sock.sendall(b'\0\0\0\x80')
    header, _ = client.next()
    assert header['code'] == 'bad_request' and '262144' in header['message'], header
    assert client.next()[0] is None


def no_json():
    for text in (b'nonsense', b'[]', b'{"type":"exec","argv":["a"]', b'\xff{}'):
        client = Client()
        client.sock.sendall(struct.pack('<i', len(text)) + text)
        header, _ = client.next()
        assert header['code'] == 'bad_request', header
        assert client.next()[0] is None


def bytes_as_they_are():
    client = Client()
    client.exec('printf', '%s', {'base64': base64.b64encode(b'\xff\xfe').decode()})
    client.next()
    assert client.next()[1] == b'\xff\xfe'


def slow_reader():
    client = Client()
    client.exec('head', '-c', '1000000000', '/dev/zero')
    pid = client.next()[0]['pid']
    wrote = standstill(pid)
    assert 0 < wrote < 64 << 20, f'somebody holds {wrote} bytes'
    assert not gone(pid, 0)
    client.sock.close()
    client.wire.close()
    assert gone(pid)


for name in sys.argv[2:]:
    globals()[name]()
    print('ok', name)
