"""What one connection says all the others get: asyncio with a Protocol, a write for each read."""

import asyncio
import socket

MEMBERS = set()


class Hub(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        MEMBERS.add(transport)
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data):
        for member in MEMBERS:
            if member is not self.transport:
                member.write(data)

    def connection_lost(self, error):
        MEMBERS.discard(self.transport)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Hub, "127.0.0.1", 0, backlog=4096)
    print("tcp://127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
