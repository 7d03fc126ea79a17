"""Runs `echo` over TLS, waits for a line, then resumes the session and tries again.

Arguments: the port, the server's certificate, our certificate, our key, the TLS version.
Prints a line for each try: whether the session was resumed, and how the server answered.
"""
import json, socket, ssl, struct, sys

port, server, cert, key, version = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(server)
context.load_cert_chain(cert, key)
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
context.post_handshake_auth = False
session = None

for attempt in 'first', 'second':
    raw = socket.create_connection(('127.0.0.1', int(port)))
    tls = context.wrap_socket(raw, server_hostname='localhost', session=session)
    wire = tls.makefile('rwb')
    text = json.dumps({'type': 'exec', 'argv': ['echo', attempt]}).encode()
    wire.write(struct.pack('<i', len(text)) + text)
    wire.flush()
    answer = None
    while answer is None:
        header = json.loads(wire.read(struct.unpack('<i', wire.read(4))[0]))
        body = wire.read(header.get('size', 0))
        if header['type'] == 'stdout':
            answer = body.decode().strip()
        elif header['type'] == 'error':
            answer = header['code']
    print('resumed' if tls.session_reused else 'new', answer)
    session = tls.session
    tls.close()
    if attempt == 'first':
        sys.stdin.readline()
