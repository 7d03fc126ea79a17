"""Runs a command of docs/wire.md over TLS. Arguments: port, certificate, key, the command's words."""
import json, socket, ssl, struct, sys

port, certificate, key, *argv = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.load_cert_chain(certificate, key)
sock = context.wrap_socket(socket.create_connection(('127.0.0.1', int(port))))
wire = sock.makefile('rwb')
text = json.dumps({'type': 'exec', 'argv': argv}).encode()
wire.write(struct.pack('<i', len(text)) + text)
wire.flush()
while True:
    header = json.loads(wire.read(struct.unpack('<i', wire.read(4))[0]))
    wire.read(header.get('size', 0))
    kind = header.pop('type')
    print(kind, *header.values())
    if kind in ('exit', 'error'):
        break
