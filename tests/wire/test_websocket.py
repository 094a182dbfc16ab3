"""WebSockets on routes that ask for them, between a real client and a real server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from tests.harness.proxy import MORATORIUM, Proxy, running_proxy
from tests.harness.upstream import RecordingUpstream
from tests.harness.waiting import until

ROUTES = """
[[route]]
methods = ["GET"]
path = "/v1/live"
classes = ["search"]
websocket = true
[[route]]
methods = ["GET"]
path = "/v1/plain"
classes = ["detect"]
"""


class Echo:
    """A WebSocket server that echoes, and remembers the handshake."""

    def __init__(self) -> None:
        self.handshakes: list[dict[str, str]] = []
        self.open = 0

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        self.handshakes.append({name.lower(): value for name, value in request.headers.items()})
        self.open += 1
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    await socket.send_bytes(message.data)
        finally:
            self.open -= 1
        return socket


@contextlib.asynccontextmanager
async def live(at: str = "2020-06-09T12:00:00Z", **settings: Any) -> AsyncIterator[tuple[Proxy, Echo]]:
    echo = Echo()
    app = web.Application()
    app.router.add_get("/v1/live", echo.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    upstream = RecordingUpstream()
    upstream.port = runner.addresses[0][1]
    try:
        async with running_proxy(policy=MORATORIUM + ROUTES, upstream=upstream, at=at, **settings) as proxy:
            yield proxy, echo
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def socket_to(
    proxy: Proxy, caller: str = "commercial", path: str = "/v1/live", **claims: float
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    token = proxy.mint.token(caller, expires_in=claims.get("expires_in", 300))
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"http://127.0.0.1:{proxy.port}{path}",
            headers={"Authorization": f"Bearer {token}"},
            max_msg_size=0,
            autoping=False,
        ) as socket,
    ):
        yield socket


async def test_a_permitted_websocket_talks_both_ways() -> None:
    async with live() as (proxy, echo), socket_to(proxy) as socket:
        for size in (1, 125, 126, 70_000, 3_000_000):
            await socket.send_bytes(bytes(size))
            assert (await socket.receive_bytes()) == bytes(size)

        assert proxy.reasons() == ["not-bound"]
        assert "authorization" not in echo.handshakes[0]
        assert echo.handshakes[0]["x-request-id"] == proxy.audit()[0]["id"]


@pytest.mark.parametrize(
    ("caller", "path", "status", "reason"),
    [
        ("police", "/v1/live", 451, "moratorium"),
        ("commercial", "/v1/plain", 400, "upgrade-refused"),
        ("commercial", "/v1/other", 400, "upgrade-refused"),
        ("martian", "/v1/live", 403, "org-type-unknown"),
    ],
)
async def test_a_websocket_is_decided_like_any_call(caller: str, path: str, status: int, reason: str) -> None:
    async with live(at="2020-07-01T00:00:00Z") as (proxy, echo):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with socket_to(proxy, caller, path):
                pass

        assert caught.value.status == status
        assert proxy.reasons() == [reason]
        assert echo.handshakes == []


@pytest.mark.parametrize(
    ("caller", "then"),
    [("police", "2020-06-10T00:00:00Z"), ("commercial", "2020-06-09T12:05:30Z")],
    ids=["a moratorium begins", "the token ends"],
)
async def test_it_is_closed_when_its_decision_no_longer_holds(caller: str, then: str) -> None:
    async with live() as (proxy, echo):
        lifetime = 300 if caller == "commercial" else 86400
        async with socket_to(proxy, caller, expires_in=lifetime) as socket:
            await socket.send_bytes(b"before")
            assert await socket.receive_bytes() == b"before"
            proxy.clock.set(then)

            assert (await socket.receive()).type in (WSMsgType.CLOSED, WSMsgType.CLOSE, WSMsgType.ERROR)

        await until(lambda: echo.open == 0, "the upstream's end to close")


async def test_it_is_closed_when_the_rules_are_others() -> None:
    """A revocation comes with a reload, and must not wait for the token to end."""
    async with live() as (proxy, echo), socket_to(proxy) as socket:
        await socket.send_bytes(b"before")
        assert await socket.receive_bytes() == b"before"
        await proxy.application.reload()

        assert (await socket.receive()).type in (WSMsgType.CLOSED, WSMsgType.CLOSE, WSMsgType.ERROR)
        await until(lambda: echo.open == 0, "the upstream's end to close")


async def test_it_is_closed_when_nobody_says_anything() -> None:
    async with live(tunnel_idle_seconds="0.2") as (proxy, echo), socket_to(proxy) as socket:
        assert (await socket.receive()).type in (WSMsgType.CLOSED, WSMsgType.CLOSE, WSMsgType.ERROR)
        await until(lambda: echo.open == 0, "the upstream's end to close")


async def test_it_stays_open_while_somebody_speaks() -> None:
    async with live(tunnel_idle_seconds="0.3") as (proxy, _), socket_to(proxy) as socket:
        for _ in range(8):
            await socket.send_bytes(b"x")
            assert await socket.receive_bytes() == b"x"
            await asyncio.sleep(0.08)


async def test_when_the_client_leaves_the_upstream_is_told() -> None:
    async with live() as (proxy, echo):
        async with socket_to(proxy) as socket:
            await until(lambda: echo.open == 1, "the handshake")
            socket._writer.transport.abort()

        await until(lambda: echo.open == 0, "the upstream's end to close")
        await until(lambda: proxy.application.metrics.in_flight == 0, "the call to end")


async def test_an_upstream_that_does_not_switch_gives_an_ordinary_answer() -> None:
    async with running_proxy(policy=MORATORIUM + ROUTES) as proxy:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with socket_to(proxy):
                pass

        assert caught.value.status == 200
