"""QUIC by aioquic: both ends, and clients that do wrong. sys.argv: what to be, then what it needs."""

import asyncio
import datetime
import ssl
import sys
import tempfile

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ALPN = 'sockeye/1'
PREFACE = b'\x01'


def configuration(is_client, protocols=(ALPN,), idle=20.0):
    return QuicConfiguration(
        is_client=is_client, alpn_protocols=list(protocols), idle_timeout=idle, verify_mode=ssl.CERT_NONE)


def show_a_certificate(config):
    """A key made for this run, and the certificate that it signs for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, 'peer')])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256()))
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
        file.write(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        file.flush()
        config.load_cert_chain(file.name, file.name)


async def echo(reader, writer):
    first = await reader.read(1)
    print('preface', first.hex())
    while chunk := await reader.read(65536):
        writer.write(chunk)
    writer.write_eof()


async def be_server(protocol=ALPN, idle='20'):
    config = configuration(False, [protocol], float(idle))
    show_a_certificate(config)
    tasks = set()

    def on_stream(reader, writer):
        tasks.add(asyncio.ensure_future(echo(reader, writer)))

    server = await serve('127.0.0.1', 0, configuration=config, stream_handler=on_stream)
    print('port', server._transport.get_extra_info('sockname')[1])
    await asyncio.Event().wait()


async def say(peer, text):
    reader, writer = await peer.create_stream()
    writer.write(PREFACE + text)
    writer.write_eof()
    answer = await reader.read()
    assert answer == text, f'{len(answer)} of {len(text)} bytes'


async def be_client(port, streams, certificate='none'):
    config = configuration(True)
    if certificate == 'own':
        show_a_certificate(config)
    async with connect('127.0.0.1', int(port), configuration=config) as peer:
        texts = [str(number).encode() * 3000 for number in range(int(streams))]
        await asyncio.gather(*(say(peer, text) for text in texts))
    print('same')


async def be_of_other_purpose(port):
    try:
        async with connect('127.0.0.1', int(port), configuration=configuration(True, ['h3'])):
            print('connected')
    except ConnectionError:
        print('refused')


class Watching(QuicConnectionProtocol):
    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            print('closed', event.error_code, event.reason_phrase)
        super().quic_event_received(event)


async def be_wrong_from_the_start(port):
    async with connect('127.0.0.1', int(port), configuration=configuration(True), create_protocol=Watching) as peer:
        reader, writer = await peer.create_stream()
        writer.write(b'GET / HTTP/1.1\r\n\r\n')
        await reader.read()


async def be_held(port, idle):
    """Says something, then nothing: to be killed."""
    async with connect('127.0.0.1', int(port), configuration=configuration(True, idle=float(idle))) as peer:
        reader, writer = await peer.create_stream()
        writer.write(PREFACE + b'hello')
        print('got', (await reader.read(5)).decode())
        await asyncio.Event().wait()


asyncio.run(globals()['be_' + sys.argv[1]](*sys.argv[2:]))
