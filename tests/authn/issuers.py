"""Real servers that play an issuer's key endpoint, well or badly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.authn.keyset import KeySet
from proxy.authn.sources import KeySource
from tests.authn.tokens import jwk, jwks


class KeyServer:
    """Answers `/keys` with what a test has set, and counts. `gate` holds answers back while it is closed."""

    def __init__(self) -> None:
        self.status = 200
        self.headers = {"Content-Type": "application/json"}
        self.body = jwks(jwk())
        self.requests: list[str] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""
        self._next: bytes | None = None

    def publish_after(self, body: bytes) -> None:
        """The next answer is still the old one; those after it have this body."""
        self._next = body

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path)
        self.asked.set()
        await self.gate.wait()
        body, self.body, self._next = self.body, self._next or self.body, None
        return web.Response(status=self.status, headers=self.headers, body=body)


@asynccontextmanager
async def key_server() -> AsyncIterator[KeyServer]:
    issuer = KeyServer()
    app = web.Application()
    app.router.add_get("/{path:.*}", issuer.answer)
    async with TestServer(app) as server:
        issuer.url = str(server.make_url("/keys"))
        yield issuer
        issuer.gate.set()


@asynccontextmanager
async def raw_server(*answer: bytes, pause: float = 0.0) -> AsyncIterator[str]:
    """Writes these bytes to whoever connects, with pauses between them, and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for piece in answer:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}/keys"


def at_hand(source: KeySource) -> KeySet:
    """The keys now; a property that changes between two looks would be narrowed away."""
    return source.keys
