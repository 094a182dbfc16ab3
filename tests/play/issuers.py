"""An issuer on loopback that can publish a new key, and that can be silent."""

import asyncio
import contextlib
import json

from proxy.testing import TokenMint


class Issuer:
    """`async with Issuer(name) as issuer:`; `url` is where its keys are, `token` mints with the newest."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.mint = TokenMint(self.name, kid="key-1")
        self.silent = False
        self.fetched = 0
        self.url = ""
        self._published = [self.mint]
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Issuer":
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/keys"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    def rotate(self) -> None:
        """A new key, published beside the old one and signed with from this instant on."""
        self.mint = TokenMint(self.name, kid=f"key-{len(self._published) + 1}")
        self._published.append(self.mint)

    def withdraw_old(self) -> None:
        """Only the newest key is published from now on."""
        del self._published[:-1]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            if not self.silent:
                self.fetched += 1
                keys = [key for mint in self._published for key in mint.jwks()["keys"]]
                body = json.dumps({"keys": keys}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: max-age=1\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()
        writer.close()
