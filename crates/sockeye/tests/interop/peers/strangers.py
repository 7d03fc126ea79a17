"""Asks to run a command, many times, and must never be served. Prints what came of it.

Arguments: how often, the command's file, then `unix PATH [UID]` or `tls PORT [CERTIFICATE KEY]`.
"""
import collections, json, os, socket, ssl, struct, sys

count, marker, kind, where, *rest = sys.argv[1:]
if kind == 'unix' and rest:
    os.setgid(int(rest[0]))
    os.setuid(int(rest[0]))
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
if kind == 'tls' and rest:
    context.load_cert_chain(*rest)
text = json.dumps({'type': 'exec', 'argv': ['touch', marker]}).encode()
request = struct.pack('<i', len(text)) + text


def connect():
    if kind == 'unix':
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(where)
    else:
        sock = context.wrap_socket(socket.create_connection(('127.0.0.1', int(where))))
    sock.settimeout(60)
    return sock


answers = collections.Counter()
for _ in range(int(count)):
    sock = connect()
    data = b''
    try:
        sock.sendall(request)
        while piece := sock.recv(65536):
            data += piece
    except ConnectionError:
        pass
    sock.close()
    answers[json.loads(data[4:])['code'] if data else 'nothing'] += 1
print(dict(answers))
