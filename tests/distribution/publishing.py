"""A publisher that signs bundles, and a real server that hands them out, well or badly."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from proxy.authn.detached import parse_signing_keys
from proxy.authn.keyset import KeySet
from proxy.distribution.bundle import Bundle, make
from proxy.testing import Algorithm, PrivateKey, new_private_key
from tests.harness.process import POLICY
from tests.harness.proxy import ROUTES

PUBLISHED = "2026-01-01T00:00:00Z"
SCHOOLS = POLICY.replace('"police"', '"school"')


class Publisher:
    """Signs with a key of its own."""

    def __init__(self, algorithm: Algorithm = "EdDSA") -> None:
        self.key: PrivateKey = new_private_key(algorithm)

    def private_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def keys(self) -> KeySet:
        return parse_signing_keys(self.public_pem())

    def bundle(self, serial: int = 1, policy: str = POLICY, **more: str) -> Bundle:
        files = {"policy.toml": policy + ROUTES} | {f"{name}.toml": text for name, text in more.items()}
        return make(serial, PUBLISHED, files, self.private_pem())


@dataclass
class Site:
    """What a test has the address answer, and how it was asked. `pause`: seconds before each answer."""

    content: bytes = b""
    status: int = 200
    tag: str | None = '"1"'
    pause: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str | None] = field(default_factory=list)
    url: str = ""

    def publish(self, bundle: Bundle) -> None:
        self.content, self.tag, self.status = bundle.content, f'"{bundle.serial}"', 200

    async def answer(self, request: web.Request) -> web.Response:
        asked_by = request.headers.get("If-None-Match")
        self.asked.append(asked_by)
        await asyncio.sleep(self.pause)
        if self.status == 200 and self.tag is not None and asked_by == self.tag:
            return web.Response(status=304)
        headers = self.headers | ({"ETag": self.tag} if self.tag is not None else {})
        return web.Response(status=self.status, headers=headers, body=self.content)


@contextlib.asynccontextmanager
async def site(tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    """A server on this machine."""
    found = Site()
    app = web.Application()
    app.router.add_get("/{path:.*}", found.answer)
    server = TestServer(app)
    await server.start_server(ssl=tls)
    try:
        found.url = str(server.make_url("/policy.json"))
        yield found
    finally:
        await server.close()


def subscribe(folder: Path, publisher: Publisher, url: str, **overrides: str) -> dict[str, Any]:
    """The settings of a proxy that follows this address, to be handed to the harness."""
    (folder / "publisher.pem").write_bytes(publisher.public_pem())
    usual = {
        "policy_file": "",
        "policy_url": url,
        "policy_key_file": str(folder / "publisher.pem"),
        "policy_store_file": str(folder / "bundle.json"),
    }
    return usual | overrides
