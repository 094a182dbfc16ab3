"""One client connection: reads a head, asks the enforcer, relays or refuses, and begins again.

Reading is paused while a call cannot take more, on either side, so memory is bounded by two sockets and two
write buffers. A refusal is answered at once and the rest of its body is read and thrown away, within limits:
SDKs send the whole body before they look at an answer, and a reset would make them try again.
"""

import asyncio
import socket
import struct
from enum import Enum, auto
from typing import cast

from proxy.authn.verifier import NeedKey
from proxy.enforcer import Denied
from proxy.errors import UpstreamUnreachable
from proxy.messages import RequestHead
from proxy.policy.model import Permit, Refusal
from proxy.policy.reasons import Reason
from proxy.relay.body import BodyReader, BodyTooLarge
from proxy.relay.chunks import ChunkError
from proxy.relay.context import Context
from proxy.relay.exchange import Exchange
from proxy.relay.framing import END_OF_HEAD, parse_request
from proxy.relay.headers import answer_bytes
from proxy.relay.upstream import BUFFER_SIZE, Upstream

NEVER = float("inf")
NO_LINGER = struct.pack("ii", 1, 0)


class _At(Enum):
    HEAD = auto()
    DECIDING = auto()
    CALL = auto()
    DRAIN = auto()
    CLOSING = auto()


class Downstream(asyncio.BufferedProtocol):
    """Implements `proxy.relay.exchange.Client`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._buffer = context.buffer
        self._transport: asyncio.Transport | None = None
        self._at = _At.HEAD
        self._pending = b""
        self._scanned = 0
        self._head: RequestHead | None = None
        self._body = BodyReader(0, 0)
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._received_at = 0.0
        self._write_paused = False
        self._reading = True
        self.deadline = NEVER

    def __repr__(self) -> str:
        return f"<Downstream {self._at.name.lower()}>"

    # ------------------------------------------------------------ what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's in name, only in what they do.
        self._transport = cast("asyncio.Transport", transport)
        self._context.connections.add(self)
        self._expect_within(self._context.limits.head_seconds)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._buffer[:nbytes])
        match self._at:
            case _At.HEAD:
                if not self._pending:
                    self._expect_within(self._context.limits.head_seconds)
                self._pending += data
                self._advance()
            case _At.CALL if not self._body.done:
                self._take_body(data)
            case _At.DRAIN:
                self._drain(data)
            case _At.DECIDING | _At.CALL:
                self._pending += data
                self.throttle(reading=len(self._pending) < BUFFER_SIZE)
            case _At.CLOSING:
                pass

    def eof_received(self) -> bool:
        # A client that closes and one that only stops sending look alike; nginx and Envoy, too, take both
        # for one that has left.
        return False

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._context.connections.discard(self)
        self._at = _At.CLOSING
        if self._task is not None:
            self._task.cancel()
        self._drop_exchange()

    def pause_writing(self) -> None:
        self._write_paused = True
        if self._exchange is not None and self._exchange.upstream is not None:
            self._exchange.upstream.pause()

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._exchange is not None and self._exchange.upstream is not None:
            self._exchange.upstream.resume()
        elif self._at is _At.HEAD:
            self._advance()

    # ------------------------------------------------------------ deciding

    def _advance(self) -> None:
        """Take requests off what has come, as far as they can be finished at once."""
        while self._at is _At.HEAD and not self._write_paused:
            end = self._pending.find(END_OF_HEAD, max(0, self._scanned - 3))
            if max(end, len(self._pending)) > self._context.limits.head_bytes and not (
                0 <= end <= self._context.limits.head_bytes
            ):
                self._refuse(Refusal(Reason.HEAD_TOO_LARGE))
                return
            if end < 0:
                self._scanned = len(self._pending)
                return
            raw, self._pending, self._scanned = self._pending[: end + 4], self._pending[end + 4 :], 0
            self._received_at = self._context.now()
            head = parse_request(raw)
            if isinstance(head, Refusal):
                self._refuse(head)
            else:
                self._ask(head)

    def _ask(self, head: RequestHead) -> None:
        limits = self._context.limits
        self._head = head
        self._body = BodyReader(head.length, limits.body_bytes)
        if len(self._context.connections) > limits.connections:
            self._refuse(Refusal(Reason.OVERLOADED))
        elif isinstance(head.length, int) and head.length > limits.body_bytes:
            self._refuse(Refusal(Reason.BODY_TOO_LARGE, f"The limit is {limits.body_bytes} bytes."))
        else:
            outcome = self._context.enforcer.admit(head)
            if isinstance(outcome, NeedKey):
                self._at = _At.DECIDING
                self.deadline = NEVER
                self._task = self._context.spawn(self._ask_again(head, outcome))
            else:
                self._obey(outcome)

    async def _ask_again(self, head: RequestHead, need: NeedKey) -> None:
        lacking = await self._context.enforcer.supply(need)
        self._task = None
        outcome = self._context.enforcer.admit(head, lacking=lacking)
        assert not isinstance(outcome, NeedKey)  # noqa: S101
        self._obey(outcome)
        self._advance()

    def _obey(self, outcome: Permit | Denied) -> None:
        if isinstance(outcome, Denied):
            self._deny(outcome)
            return
        assert self._head is not None  # noqa: S101
        context = self._context
        self._exchange = Exchange(self, context.enforcer, outcome, self._head, context.now, self._received_at)
        upstream = context.pool.take()
        if upstream is not None:
            self._begin(upstream)
        else:
            self._at = _At.DECIDING
            self.deadline = NEVER
            self._task = context.spawn(self._connect(self._exchange))

    async def _connect(self, exchange: Exchange) -> None:
        try:
            upstream = await self._context.pool.connect()
        except UpstreamUnreachable as error:
            self._task = None
            exchange.on_error(error)
            return
        self._task = None
        self._begin(upstream)

    def _begin(self, upstream: Upstream) -> None:
        assert self._exchange is not None  # noqa: S101
        self._at = _At.CALL
        self._exchange.start(upstream, self._context.host, last=self._body.done)
        self._expect_within(self._context.limits.response_seconds)
        if not self._body.done:
            self.throttle(reading=True)
            data, self._pending = self._pending, b""
            if data:
                self._take_body(data)

    # ------------------------------------------------------------ bodies

    def _take_body(self, data: bytes) -> None:
        body, exchange = self._body, self._exchange
        try:
            payload = body.feed(data)
        except ChunkError:
            self._spoil(Refusal(Reason.REQUEST_MALFORMED, "The chunked body is malformed."))
            return
        except BodyTooLarge:
            self._spoil(Refusal(Reason.BODY_TOO_LARGE))
            return
        limits = self._context.limits
        self._expect_within(limits.response_seconds if body.done else limits.body_seconds)
        self._pending = body.rest
        if exchange is not None and exchange.upstream is not None:
            exchange.send(payload, last=body.done)

    def _spoil(self, refusal: Refusal) -> None:
        """The body being forwarded cannot be finished: cancel the call, and say so if still possible."""
        begun = self._exchange is not None and self._exchange.begun
        self._drop_exchange()
        if begun:
            self._abort()
        else:
            self._refuse(refusal)

    def _drain(self, data: bytes) -> None:
        try:
            self._body.feed(data)
        except (ChunkError, BodyTooLarge):
            self._abort()
            return
        self._expect_within(self._context.limits.body_seconds)
        if self._body.done:
            self._pending = self._body.rest
            self._next()

    # ------------------------------------------------------------ answering

    def _refuse(self, refusal: Refusal) -> None:
        """Refuse what is not a proper request, or not now; nothing after it on this connection is read."""
        self._deny(self._context.enforcer.reject(refusal), fatal=True)

    def _deny(self, denied: Denied, *, fatal: bool = False) -> None:
        head = self._head
        # Whoever expects 100-continue may or may not send the body after this; only closing is unambiguous.
        keep_alive = not fatal and self.may_keep_alive(finished=False)
        self.write(answer_bytes(denied.answer, head, denied.decision_id, keep_alive=keep_alive))
        metrics = self._context.enforcer.metrics
        metrics.requests[denied.verdict.decision].observe(self._context.now() - self._received_at)
        self._settle(keep_alive=keep_alive)

    def _settle(self, *, keep_alive: bool) -> None:
        if not keep_alive:
            self._linger()
        elif self._body.done:
            self._next()
        else:
            self._at = _At.DRAIN
            self.throttle(reading=True)
            self._expect_within(self._context.limits.body_seconds)
            data, self._pending = self._pending, b""
            self._drain(data)

    def _next(self) -> None:
        self._at = _At.HEAD
        self._head = None
        self.throttle(reading=True)
        limits = self._context.limits
        self._expect_within(limits.head_seconds if self._pending else limits.idle_seconds)

    def _linger(self) -> None:
        """Close, but not with a reset: what the client is still sending would destroy the answer."""
        self._at = _At.CLOSING
        self._pending = b""
        transport = self._transport
        if transport is None:
            return
        if self._context.draining and self._body.done:
            transport.close()
        elif transport.can_write_eof():
            transport.write_eof()
            self.throttle(reading=True)
            self._expect_within(self._context.limits.linger_seconds)
        else:
            transport.close()

    # ------------------------------------------------------------ what an exchange calls

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
            self._expect_within(self._context.limits.response_seconds)

    def may_keep_alive(self, *, finished: bool = True) -> bool:
        head = self._head
        return (
            head is not None
            and head.keep_alive
            and not self._context.draining
            and (self._body.done or (not finished and not head.expects_continue))
        )

    def throttle(self, *, reading: bool) -> None:
        transport = self._transport
        if reading is self._reading or transport is None or transport.is_closing():
            return
        self._reading = reading
        if reading:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def call_ended(self, *, keep_alive: bool) -> None:
        self._exchange = None
        if keep_alive:
            self._next()
            self._advance()
        else:
            self._linger()

    def call_failed(self, denied: Denied | None) -> None:
        self._exchange = None
        if denied is None:
            self._reset()
        else:
            self._deny(denied)
            self._advance()

    # ------------------------------------------------------------ time and the end

    def _expect_within(self, seconds: float) -> None:
        self.deadline = self._context.now() + seconds

    def expired(self) -> None:
        """The deadline has passed: end what is going on, in the way that tells the client most."""
        self.deadline = NEVER
        if self._at is _At.HEAD and self._pending:
            self._refuse(Refusal(Reason.REQUEST_TIMEOUT))
        elif self._at is _At.CALL and self._exchange is not None and not self._exchange.begun:
            if self._body.done or self._exchange.stalled:
                self._exchange.time_out()
            else:
                self._spoil(Refusal(Reason.REQUEST_TIMEOUT))
        else:
            self._abort()

    def close_if_idle(self) -> None:
        """Draining: a connection between two requests has nothing to lose."""
        if self._at is _At.HEAD and not self._pending and self._transport is not None:
            self._transport.close()

    def _drop_exchange(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.cancel()

    def _abort(self) -> None:
        self._at = _At.CLOSING
        if self._transport is not None:
            self._transport.abort()

    def _reset(self) -> None:
        """Cut with a reset: after a mere end, HTTP/1.0 would take half an answer for a whole one."""
        if self._transport is not None and (sock := self._transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self._abort()

    def abort(self) -> None:
        """Cut the connection (the drain time is over)."""
        self._abort()
