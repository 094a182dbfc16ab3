"""An issuer on loopback: publishes its keys over HTTP, not always well, and mints tokens with the newest."""

import asyncio
import contextlib
import json
import random
from typing import Any

from proxy.testing import TokenMint

POOL = 20
"""Tokens of each organisation type that are used again and again."""


class Issuer:
    """`async with Issuer(rng) as issuer:`; `url` is where its keys are."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._count = 0
        self.mint = self._new_mint()
        self._published = [self.mint]
        self._pool: dict[str, list[str]] = {}
        self._server: asyncio.Server | None = None
        self.url = ""
        self.troubled = False
        self.fetched = 0

    async def __aenter__(self) -> "Issuer":
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/keys"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    def _new_mint(self) -> TokenMint:
        self._count += 1
        return TokenMint(kid=f"key-{self._count}")

    def publish_another(self) -> TokenMint:
        """A new key beside the newest of the old ones; tokens are not signed with it yet."""
        self._published = [self._new_mint(), self.mint]
        self.fetched = 0
        return self._published[0]

    def switch_to(self, mint: TokenMint) -> None:
        """From now on, tokens are signed with this one."""
        self.mint = mint
        self._pool.clear()

    def token(self, org_type: str, *, fresh: bool = False) -> str:
        """A token that was probably used before, or a `fresh` one."""
        if fresh:
            return self.mint.token(org_type)
        pool = self._pool.setdefault(org_type, [])
        if len(pool) < POOL:
            pool.append(self.mint.token(org_type, expires_in=24 * 3600))
        return self._rng.choice(pool)

    def stranger(self, **claims: Any) -> str:
        """A token with a key id that nobody has published."""
        return self.mint.token("commercial", headers={"kid": f"no-{self._rng.random()}"}, **claims)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            fails = self.troubled and self._rng.random() < 0.2
            if self.troubled:
                await asyncio.sleep(self._rng.uniform(0, 0.3))
            keys = [key for mint in self._published for key in mint.jwks()["keys"]]
            body = b"no" if fails else json.dumps({"keys": keys}).encode()
            status = b"500 No" if fails else b"200 OK"
            self.fetched += not fails
            writer.write(
                b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body))
            )
            writer.write(body)
            await writer.drain()
        writer.close()
