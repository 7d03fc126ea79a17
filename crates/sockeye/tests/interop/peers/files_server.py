"""A server of files in plain Python, as docs/wire.md says; it lies on request.

    files_server.py ROOT [LIE]

Prints `port N`, then a line for each thing that a test may want to know.
"""
import hashlib, json, os, socket, struct, sys

root, lie = sys.argv[1], (sys.argv[2:] or [''])[0]
ALGORITHMS = ('sha256', 'md5')


class Wire:
    def __init__(self, connection):
        self.file = connection.makefile('rwb')

    def read(self):
        length = self.file.read(4)
        if len(length) < 4:
            return None, b''
        text = self.file.read(struct.unpack('<i', length)[0])
        header = json.loads(text)
        return header, self.file.read(header.get('size', header.get('file_size', 0)))

    def send(self, header, body=b''):
        if body:
            header = dict(header, size=len(body))
        text = json.dumps(header).encode()
        self.file.write(struct.pack('<i', len(text)) + text + body)
        self.file.flush()

    def raw(self, data):
        self.file.write(data)
        self.file.flush()


def digest(header, content):
    """What was announced is right, or nothing was."""
    for name in ALGORITHMS:
        if name in header and hashlib.new(name, content).hexdigest() != header[name]:
            return False
    return True


def store(wire, header, content, end):
    name = header['file_name']
    path = os.path.join(root, name)
    if os.path.exists(path) and not header.get('overwrite'):
        return wire.send({'type': 'error', 'code': 'exists', 'message': name + ' is there', 'file_name': name})
    if not digest(dict(header, **end), content) or lie == 'refuse digest':
        return wire.send({'type': 'error', 'code': 'digest', 'message': 'other bytes came', 'file_name': name})
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
        file.write(content)
    if os.path.exists(path + '.part'):
        os.remove(path + '.part')
    wire.send({'type': 'stored', 'file_name': 'another' if lie == 'stored another' else name, 'bytes': len(content)})


def entries(name, recursive):
    base = os.path.join(root, name)
    for found in sorted(os.listdir(base)):
        path, inner = os.path.join(base, found), (name + '/' + found).lstrip('/')
        folder = os.path.isdir(path)
        yield {'type': 'entry', 'file_name': inner, 'kind': 'directory' if folder else 'file',
               'bytes': 0 if folder else os.path.getsize(path), 'mode': 0o755 if folder else 0o644, 'mtime_ns': 0}
        if folder and recursive:
            yield from entries(inner, True)


def send_file(wire, header):
    name, asked = header['file_name'], header.get('digest', 'blake3')
    path = os.path.join(root, name)
    if os.path.isdir(path):
        return wire.send({'type': 'error', 'code': 'not_a_file', 'message': 'it is a folder', 'file_name': name})
    if not os.path.exists(path):
        return wire.send({'type': 'error', 'code': 'not_found', 'message': 'there is no such file', 'file_name': name})
    content = open(path, 'rb').read()
    offset = header.get('offset', 0)
    if offset and not digest(header, content[:offset]):
        offset = 0
    print('offset', offset)
    answer = {'type': 'file', 'file_name': name, 'bytes': len(content), 'offset': offset, 'mode': 0o644, 'mtime_ns': 0, 'more': True}
    end = {'type': 'end'}
    if asked in ALGORITHMS:
        end[asked] = hashlib.new(asked, content).hexdigest()
    rest = content[offset:]
    if lie == 'other name':
        answer['file_name'] = '../' + name
    if lie == 'longer':
        rest += b'and more'
    if lie == 'shorter':
        rest = rest[:-1]
    if lie == 'wrong digest':
        end[asked] = '0' * len(end[asked])
    if lie == 'no digest':
        end = {'type': 'end'}
    if lie == 'offset':
        answer['offset'] = 7
    if lie == 'huge body':
        return wire.raw(struct.pack('<i', 60) + b'{"type":"data","size":1152921504606846976}'.ljust(60) + b'x' * 100)
    if lie == 'huge header':
        return wire.raw(struct.pack('<i', 2**31 - 1) + b'{')
    if lie == 'no json':
        return wire.raw(struct.pack('<i', 4) + b'nope')
    wire.send(answer, rest[:1000])
    if lie == 'dies':
        os._exit(0)
    if lie == 'aborts':
        return wire.send({'type': 'abort', 'code': 'changed', 'message': 'it changed while it was sent'})
    for at in range(1000, len(rest), 65536):
        wire.send({'type': 'data'}, rest[at:at + 65536])
    wire.send(end)


def serve(wire):
    putting = None
    while True:
        header, body = wire.read()
        if header is None:
            return
        kind = header.get('type')
        if lie == 'denied':
            wire.send({'type': 'error', 'code': 'denied', 'message': 'this key may not do that'})
            return
        if kind is None:
            good = digest(header, body)
            print('plain', header['file_name'], header['file_size'], 'good' if good else 'bad', len(body))
            if lie != 'silent':
                wire.send({'type': 'stored', 'file_name': header['file_name'], 'bytes': len(body)})
        elif kind == 'put' and not header.get('more'):
            store(wire, header, body, {})
        elif kind == 'put':
            offset = header.get('offset', 0)
            print('put', header['file_name'], offset)
            part = open(os.path.join(root, header['file_name'] + '.part'), 'rb').read() if offset else b''
            putting = (header, [part[:offset], body])
            if lie == 'refuses at once':
                wire.send({'type': 'error', 'code': 'exists', 'message': 'it is there', 'file_name': header['file_name']})
        elif kind == 'data':
            putting[1].append(body)
            if lie == 'dies':
                os._exit(0)
        elif kind == 'end' and lie != 'refuses at once':
            store(wire, putting[0], b''.join(putting[1]), header)
        elif kind == 'abort':
            print('abort', header.get('code'))
            if lie != 'refuses at once':
                wire.send({'type': 'error', 'code': 'aborted', 'message': 'as asked', 'file_name': putting[0]['file_name']})
        elif kind == 'directory':
            os.makedirs(os.path.join(root, header['file_name']), exist_ok=True)
            wire.send({'type': 'stored', 'file_name': header['file_name'], 'bytes': 0})
        elif kind == 'part':
            path = os.path.join(root, header['file_name'] + '.part')
            answer = {'type': 'part', 'file_name': header['file_name'], 'bytes': 0}
            if os.path.exists(path):
                content = open(path, 'rb').read()
                answer['bytes'] = len(content)
                answer[header['digest']] = hashlib.new(header['digest'], content).hexdigest()
            wire.send(answer)
        elif kind == 'get':
            send_file(wire, header)
        elif kind == 'list':
            if lie.startswith('lists '):
                # A NUL cannot be an argument.
                listed = lie[6:].replace('\\0', '\0')
                wire.send({'type': 'entry', 'file_name': listed, 'kind': 'file', 'bytes': 5, 'mode': 0o644, 'mtime_ns': 0})
            else:
                for entry in entries(header['file_name'], header.get('recursive')):
                    wire.send(entry)
            wire.send({'type': 'list_end', 'entries': 0})


listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(8)
print('port', listener.getsockname()[1])
while True:
    connection, _ = listener.accept()
    with connection:
        try:
            serve(Wire(connection))
        except (BrokenPipeError, ConnectionResetError):
            print('peer gone')
