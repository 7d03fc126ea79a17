"""An exec server that follows a script, also where no honest server would.

Listens on the Unix socket argv[1] for one client and plays the steps of argv[2], a JSON list:
{"send": HEADER, "body": TEXT, "times": N}  {"raw": HEX}  {"await": TYPE}  {"end": true}
Each frame that comes is printed as a line: its header, the number of bytes of its body, and the body
itself where it is short."""

import json
import socket
import struct
import sys


def read(stream):
    """The next frame, or nothing at the end."""
    length = stream.read(4)
    if len(length) < 4:
        print('"end"', flush=True)
        return None
    header = json.loads(stream.read(struct.unpack('<i', length)[0]))
    body = stream.read(header.pop('size', 0))
    text = body.decode('latin-1') if len(body) < 100 else ''
    print(json.dumps({'header': header, 'bytes': len(body), 'text': text}), flush=True)
    return header


listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print('listening', flush=True)
client, _ = listener.accept()
stream = client.makefile('rwb')
try:
    for step in json.loads(sys.argv[2]):
        if 'send' in step:
            header, body = step['send'], step.get('body', '').encode('latin-1')
            if body:
                header = dict(header, size=len(body))
            text = json.dumps(header).encode()
            for _ in range(step.get('times', 1)):
                stream.write(struct.pack('<i', len(text)) + text + body)
        elif 'raw' in step:
            stream.write(bytes.fromhex(step['raw']))
        elif 'await' in step:
            stream.flush()
            while (header := read(stream)) and header['type'] != step['await']:
                pass
        else:
            stream.flush()
            while read(stream):
                pass
    stream.flush()
except (BrokenPipeError, ConnectionResetError):
    print('"gone"', flush=True)
