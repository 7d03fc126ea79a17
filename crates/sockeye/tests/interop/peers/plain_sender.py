"""Uploads as the tutorials make them: a length, a JSON header, the content. Reads no answer unless told to."""
import hashlib, json, socket, struct, sys

port, reads, *names = sys.argv[1:]
with socket.create_connection(('127.0.0.1', int(port))) as peer:
    for number, name in enumerate(names):
        content = bytes([number % 256]) * (1000 * number)
        header = {'file_size': len(content), 'file_name': name, 'md5': hashlib.md5(content).hexdigest()}
        text = json.dumps(header).encode('utf-8')
        peer.send(struct.pack('i', len(text)))
        peer.send(text)
        peer.sendall(content)
    if reads == 'reads':
        wire = peer.makefile('rb')
        for _ in names:
            answer = json.loads(wire.read(struct.unpack('<i', wire.read(4))[0]))
            print(answer['type'], answer.get('file_name'), answer.get('code', ''))
