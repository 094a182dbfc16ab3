"""Keys that are found by their issuer's name: the document must be the issuer's own, and come unchanged."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.authn.discovery import WELL_KNOWN, document_url, find_keys
from proxy.authn.download import MAX_BYTES, NotFetched
from proxy.authn.keys import RemoteKeys
from proxy.errors import KeysUnavailable
from tests.authn.issuers import at_hand
from tests.authn.tokens import KEYS, FixedClock, jwk, jwks


class Provider:
    """An identity provider. `document`: bytes are sent as they are, what is lacking is filled in."""

    def __init__(self) -> None:
        self.issuer = ""
        self.document: dict[str, Any] | bytes = {}
        self.status = 200
        self.headers: dict[str, str] = {}
        self.paths: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        await self.gate.wait()
        if request.path in ("/keys", "/moved"):
            return web.Response(body=jwks(jwk()))
        body = self.document
        if isinstance(body, dict):
            body = json.dumps({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **body}).encode()
        return web.Response(status=self.status, headers=self.headers, body=body)


@asynccontextmanager
async def running() -> AsyncIterator[Provider]:
    provider = Provider()
    app = web.Application()
    app.router.add_get("/{path:.*}", provider.answer)
    async with TestServer(app) as server:
        provider.issuer = str(server.make_url("/")).rstrip("/")
        yield provider
        provider.gate.set()


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with running() as one:
        yield one


def source_of(provider: Provider, clock: FixedClock, timeout: float = 2.0) -> RemoteKeys:
    return RemoteKeys(provider.issuer, None, clock, timeout=timeout)


async def test_keys_are_where_the_issuer_says_that_they_are(provider: Provider, clock: FixedClock) -> None:
    source = source_of(provider, clock)
    await source.refresh()

    assert at_hand(source) == KEYS
    assert provider.paths == [WELL_KNOWN, "/keys"]


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://id.test", "https://id.test/.well-known/openid-configuration"),
        ("https://id.test/", "https://id.test/.well-known/openid-configuration"),
        ("https://id.test/realms/a", "https://id.test/realms/a/.well-known/openid-configuration"),
    ],
)
def test_the_document_is_below_the_issuers_name(issuer: str, url: str) -> None:
    assert document_url(issuer) == url


LIES: dict[str, dict[str, Any] | bytes] = {
    "another issuer": {"issuer": "https://victim.test"},
    "a slash more": {"issuer": "http://127.0.0.1/"},
    "no issuer": {"issuer": None},
    "a list of issuers": {"issuer": ["https://victim.test"]},
    "no keys": {"jwks_uri": None},
    "keys over plain http": {"jwks_uri": "http://elsewhere.test/keys"},
    "keys in a file": {"jwks_uri": "file:///etc/passwd"},
    "keys with a password": {"jwks_uri": "https://a:b@elsewhere.test/keys"},
    "keys at no port": {"jwks_uri": "https://elsewhere.test:99999/keys"},
    "HTML": b"<!doctype html>",
    "empty": b"",
    "a list": b"[]",
    "too deep": b"[" * 100_000,
    "huge": b" " * (MAX_BYTES + 1),
}


@pytest.mark.parametrize("document", LIES.values(), ids=LIES.keys())
async def test_a_document_that_is_not_right_gives_no_keys(
    provider: Provider, clock: FixedClock, document: dict[str, Any] | bytes
) -> None:
    provider.document = document
    source = source_of(provider, clock)
    with pytest.raises(KeysUnavailable, match="discovery: "):
        await source.refresh()

    assert "/keys" not in provider.paths


@pytest.mark.parametrize("status", [301, 302, 307, 308, 404, 500])
async def test_a_redirect_or_another_status_is_not_followed(
    provider: Provider, clock: FixedClock, status: int
) -> None:
    provider.status, provider.headers = status, {"Location": "/keys"}
    with pytest.raises(KeysUnavailable, match=f"status {status} instead of 200"):
        await source_of(provider, clock).refresh()

    assert provider.paths == [WELL_KNOWN]


async def test_a_silent_issuer_is_given_up_after_the_timeout(provider: Provider, clock: FixedClock) -> None:
    provider.gate.clear()

    with pytest.raises(KeysUnavailable, match="TimeoutError"):
        await source_of(provider, clock, timeout=0.03).refresh()


async def test_an_issuer_elsewhere_is_asked_over_https_alone() -> None:
    with pytest.raises(NotFetched, match="discovery needs https"):
        await find_keys("http://id.test", 1.0)


async def test_the_address_is_asked_for_again_after_an_hour_or_a_failure(
    provider: Provider, clock: FixedClock
) -> None:
    source = source_of(provider, clock)
    await source.refresh()
    provider.document = {"jwks_uri": f"{provider.issuer}/moved"}
    await source.refresh()
    assert provider.paths[-2:] == ["/keys", "/keys"]

    clock.now += 3600
    await source.refresh()
    assert provider.paths[-2:] == [WELL_KNOWN, "/moved"]

    provider.document = {"issuer": "https://victim.test"}
    clock.now += 3600
    with pytest.raises(KeysUnavailable):
        await source.refresh()
    assert at_hand(source) == KEYS
