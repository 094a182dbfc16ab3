"""The life of one client connection: how it begins, is throttled and ends. Its calls are in `downstream`."""

import asyncio
from typing import cast

from proxy.messages import NO_TRAIL
from proxy.relay.body import NO_BODY
from proxy.relay.client import ClientSide
from proxy.relay.context import Context
from proxy.relay.exchange import Exchange
from proxy.relay.gather import Whole
from proxy.relay.trail import Origin, node

HEAD, DECIDING, COLLECT, CALL, DRAIN, TUNNEL, CLOSING = range(7)
_NAMES = ("head", "deciding", "collect", "call", "drain", "tunnel", "closing")


class ClientConnection(asyncio.BufferedProtocol):
    """What a connection has besides its calls: a transport, a state, what has come and waits its turn."""

    _exchange: Exchange

    def __init__(self, context: Context) -> None:
        self._context = context
        self._buffer = context.buffer
        self._client = ClientSide(context)
        self._at = HEAD
        self._pending = b""
        self._body = NO_BODY
        self._whole: Whole | None = None
        self._task: asyncio.Task[None] | None = None
        self._received_at = 0.0
        self._over_limit = False
        self._trusted = False
        self._trail = NO_TRAIL

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {_NAMES[self._at]}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's in name, only in what they do.
        self._client.opened(cast("asyncio.Transport", transport))
        context = self._context
        context.connections.add(self)
        self._over_limit = len(context.connections) > context.limits.connections
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._trusted = context.trusts(address)
        self._exchange.origin = Origin(
            node(address) if context.tell_addresses and address else b"_hidden",
            b"http" if transport.get_extra_info("sslcontext") is None else b"https",
        )
        self._received_at = context.now()
        self._client.within(context.limits.head_seconds)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def eof_received(self) -> bool:
        # A client that closes and one that only stops sending look alike; nginx and Envoy, too, take both
        # for one that has left.
        return False

    def connection_lost(self, _exc: Exception | None) -> None:
        self._client.lost()
        self._context.connections.discard(self)
        self._at = CLOSING
        self._let_go()
        if self._task is not None:
            self._task.cancel()
        self._exchange.cancel()

    def throttle(self, *, reading: bool) -> None:
        """Stop or go on reading."""
        if self._client.throttle(reading=reading) and reading:
            self._body.held_up(self._context.now(), self._context.limits)

    def sweep(self, now: float) -> None:
        if self._client.deadline <= now:
            self._expired()
        elif self._at == TUNNEL and self._exchange.over():
            self._linger()
            self._exchange.cancel()
        elif self._client.has_left_unseen():
            self.abort()

    def _expired(self) -> None:
        raise NotImplementedError

    def _let_go(self) -> None:
        """The body that was collected has been sent, or is of no use any more."""
        if self._whole is not None:
            self._whole.release()
            self._whole = None

    def _linger(self, *, fatal: bool = False) -> None:
        self._at = CLOSING
        self._pending = b""
        self._client.linger(nothing_more=self._context.draining and self._body.done and not fatal)

    def close_if_idle(self) -> None:
        """Draining: a connection between two requests has nothing to lose."""
        if self._at == HEAD and not self._pending:
            self._client.close()

    def _cut(self) -> None:
        self._at = CLOSING
        self._client.cut()

    def abort(self) -> None:
        """End without a word."""
        self._at = CLOSING
        self._client.abort()
