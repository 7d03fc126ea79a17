# The same by the `websockets` package. Arguments: `client URL` or `server`, then a certificate and
# its key for TLS. The client trusts the certificate; the server shows it.
import asyncio
import ssl
import sys

import websockets

MESSAGES = ["hello", "grüß dich 你好", "", b"\xff\x00", b"plain bytes", "x" * 100_000, b"y" * 500_000]

SPOKEN = ["binary.ircv3.net", "text.ircv3.net"]


async def client(url, certificate=None):
    context = None
    if certificate:
        context = ssl.create_default_context(cafile=certificate)
        # Its name is nobody's: the key alone counts.
        context.check_hostname = False
    async with websockets.connect(url, ssl=context, max_size=2 << 20) as socket:
        assert "permessage-deflate" not in (socket.response.headers.get("Sec-WebSocket-Extensions") or "")
        for message in MESSAGES:
            # A sequence goes out in fragments.
            half = len(message) // 2
            await socket.send(message if half == 0 else [message[:half], message[half:]])
            assert await socket.recv() == message, message[:20]
        await (await socket.ping(b"there?"))
        # All at once, and read afterwards.
        for number in range(2000):
            await socket.send(f"message {number}")
        for number in range(2000):
            assert await socket.recv() == f"message {number}"
    print("closed", socket.close_code)
    try:
        async with websockets.connect(url, ssl=context, max_size=None) as socket:
            await socket.send(b"x" * (1 << 20))
            assert len(await socket.recv()) == 1 << 20
            await socket.send(b"x" * ((1 << 20) + 1))
            await socket.recv()
    except websockets.ConnectionClosed as closed:
        print("too long", closed.rcvd.code)
    for page in "http://page.example", "http://foreign.example":
        try:
            async with websockets.connect(url, ssl=context, origin=page):
                print("let in", page)
        except websockets.InvalidStatus as refused:
            print(refused.response.status_code, page)
    for offered in ["binary.ircv3.net", "text.ircv3.net"], ["other", "text.ircv3.net"], ["other"]:
        async with websockets.connect(url, ssl=context, subprotocols=offered) as socket:
            answers = []
            for message in "one", b"two":
                await socket.send(message)
                answers.append(await socket.recv())
            print(socket.subprotocol, *answers)


async def server(*files):
    context = None
    if files:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*files)
    over = asyncio.get_running_loop().create_future()

    async def upper(socket):
        print(socket.subprotocol, flush=True)
        async for message in socket:
            print("text" if isinstance(message, str) else "binary", len(message), flush=True)
            await socket.send(message.upper())
        print("closed", socket.close_code, flush=True)
        if not over.done():
            over.set_result(None)

    async with websockets.serve(upper, "127.0.0.1", 0, ssl=context, subprotocols=SPOKEN) as listening:
        print("port", listening.sockets[0].getsockname()[1], flush=True)
        await over


asyncio.run({"client": client, "server": server}[sys.argv[1]](*sys.argv[2:]))
