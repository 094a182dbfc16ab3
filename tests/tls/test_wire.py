"""Whether a TLS connection is quiet: what the kernel does not know, the TLS layer does."""

import asyncio
import contextlib
import select
import ssl
from collections.abc import AsyncIterator
from typing import cast

import pytest

from proxy.relay.wire import Wire
from tests.harness.waiting import until
from tests.tls.parts import client, issue, server


class Silent(asyncio.Protocol):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard = b""

    def data_received(self, data: bytes) -> None:
        self.heard += data


@contextlib.asynccontextmanager
async def pair(tls: ssl.SSLContext) -> AsyncIterator[tuple[asyncio.Transport, asyncio.Transport, Silent]]:
    """Both ends of a connection, and what the client's end hears."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[asyncio.Transport] = loop.create_future()

    class Peer(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.set_result(cast("asyncio.Transport", transport))

    listener = await loop.create_server(Peer, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    ours, protocol = await loop.create_connection(
        Silent, "127.0.0.1", port, ssl=client(), server_hostname="peer.test"
    )
    theirs = await accepted
    try:
        yield ours, theirs, protocol
    finally:
        ours.abort()
        theirs.abort()
        listener.close()
        await listener.wait_closed()


@pytest.mark.parametrize("tickets", [0, 2, 20])
async def test_session_tickets_are_read_and_then_it_is_quiet(tickets: int) -> None:
    tls = server(issue("peer.test"))
    tls.num_tickets = tickets
    async with pair(tls) as (ours, theirs, protocol):
        wire = Wire(ours)
        await until(wire.quiet, "quiet")
        theirs.write(b"x")
        await until(lambda: protocol.heard, "a byte")

        assert protocol.heard == b"x"
        assert wire.quiet()


async def test_what_the_tls_layer_holds_back_is_not_quiet() -> None:
    async with pair(server(issue("peer.test"))) as (ours, theirs, protocol):
        wire = Wire(ours)
        await until(wire.quiet, "quiet")
        ours.pause_reading()
        theirs.write(b"stray")
        poll = select.poll()
        poll.register(ours.get_extra_info("socket").fileno(), select.POLLIN)
        await until(lambda: ours.get_read_buffer_size(), "the TLS layer to read")  # type: ignore[attr-defined]

        assert not poll.poll(0)
        assert not wire.quiet()
        ours.resume_reading()
        await until(lambda: protocol.heard, "the bytes")
        assert wire.quiet()


@pytest.mark.parametrize("politely", [True, False])
async def test_an_end_is_not_quiet_whether_tls_says_so_or_not(politely: bool) -> None:
    async with pair(server(issue("peer.test"))) as (ours, theirs, _):
        wire = Wire(ours)
        await until(wire.quiet, "quiet")
        theirs.close() if politely else theirs.abort()
        await until(lambda: not wire.quiet(), "the end")
        await until(ours.is_closing, "our end to close")

        assert not wire.quiet()
