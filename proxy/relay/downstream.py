"""One client connection: reads a head, asks the enforcer, relays or refuses, and begins again.

Reading is paused while a call cannot take more, on either side, so memory is bounded by two sockets and two
write buffers. A refusal is answered at once and the rest of its body is read and thrown away, within limits:
SDKs send the whole body before they look at an answer, and a reset would make them try again.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

from proxy.authn.verifier import NeedKey
from proxy.enforcer import Denied, Memo
from proxy.errors import UpstreamUnreachable
from proxy.messages import NO_TRAIL, RequestHead
from proxy.policy.callers import FOREVER, Instant
from proxy.policy.model import Permit, Refusal
from proxy.policy.reasons import Reason
from proxy.relay.body import NO_BODY, BodyReader, BodyTooLarge
from proxy.relay.chunks import ChunkError
from proxy.relay.client import NEVER, ClientSide
from proxy.relay.context import Context
from proxy.relay.exchange import Exchange
from proxy.relay.headers import Rendered
from proxy.relay.intake import HeadReader
from proxy.relay.pool import BUFFER_SIZE
from proxy.relay.trail import Origin, node, trail_of
from proxy.relay.upstream import Upstream
from proxy.relay.wire import Bytes

HEAD, DECIDING, CALL, DRAIN, TUNNEL, CLOSING = range(6)
_NAMES = ("head", "deciding", "call", "drain", "tunnel", "closing")


class Downstream(asyncio.BufferedProtocol):
    """Implements `proxy.relay.exchange.Client`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._buffer = context.buffer
        self._client = ClientSide(context)
        self._at = HEAD
        self._pending = b""
        self._heads = HeadReader(context.limits.head_bytes)
        self._head: RequestHead | None = None
        self._body = NO_BODY
        self.write = self._client.write
        self._exchange = Exchange(self, context)
        self._task: asyncio.Task[None] | None = None
        self._received_at = 0.0
        self._over_limit = False
        self._trusted = False
        self._trail = NO_TRAIL
        self._holds_until = FOREVER
        self._memo = Memo()
        self._rendered = Rendered()

    def __repr__(self) -> str:
        return f"<Downstream {_NAMES[self._at]}>"

    # ------------------------------------------------------------ what asyncio calls

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

    def buffer_updated(self, nbytes: int) -> None:
        at = self._at
        if at == HEAD:
            if self._pending:
                data, self._pending = self._pending + self._buffer[:nbytes], b""
                self._advance(data, len(data))
            else:
                self._received_at = self._context.now()
                self._client.deadline = self._received_at + self._context.limits.head_seconds
                self._advance(self._context.array, nbytes)
            if self._pending:
                self._advance_pending()
        elif at == CALL and not self._body.done:
            self._take_body(self._buffer[:nbytes])
        elif at == DRAIN:
            self._drain(self._buffer[:nbytes])
            self._advance_pending()
        elif at == TUNNEL:
            self._client.within(self._context.limits.tunnel_idle_seconds)
            self._exchange.send(self._buffer[:nbytes], last=False)
        elif at != CLOSING:
            self._pending += self._buffer[:nbytes]
            self.throttle(reading=len(self._pending) < BUFFER_SIZE)

    def eof_received(self) -> bool:
        # A client that closes and one that only stops sending look alike; nginx and Envoy, too, take both
        # for one that has left.
        return False

    def connection_lost(self, _exc: Exception | None) -> None:
        self._client.lost()
        self._context.connections.discard(self)
        self._at = CLOSING
        if self._task is not None:
            self._task.cancel()
        self._exchange.cancel()

    def pause_writing(self) -> None:
        self._client.write_paused = True
        if self._at == HEAD:
            self.throttle(reading=False)
        if self._exchange.upstream is not None:
            self._exchange.upstream.pause()

    def resume_writing(self) -> None:
        self._client.write_paused = False
        if self._exchange.upstream is not None:
            self._exchange.upstream.resume()
        elif self._at == HEAD:
            self.throttle(reading=True)
            self._advance_pending()

    # ------------------------------------------------------------ deciding

    def _advance_pending(self) -> None:
        """Go on with what came while something else was under way. A loop: thousands may be pending."""
        while self._pending and self._at == HEAD and not self._client.write_paused:
            data, self._pending = self._pending, b""
            before = len(data)
            self._advance(data, before)
            if len(self._pending) == before:
                return

    def _advance(self, source: bytes | bytearray, size: int) -> None:
        """Take requests off the first `size` bytes, as far as they can be finished at once.

        `source` may be the buffer that all connections share: what is not used up is copied at the end.
        """
        position, view = 0, memoryview(source)
        while position < size and self._at == HEAD and not self._client.write_paused and not self._pending:
            head = self._heads.read(source, position, size)
            if head is None:
                break
            if isinstance(head, Refusal):
                self._head = None
                self._refuse(head)
                return
            self._head = head
            if self._trusted:
                self._trail = trail_of(head)
            position = self._ask(head, view, self._heads.end, size)
        if position < size and self._at != CLOSING:
            self._pending += view[position:size]

    def _ask(self, head: RequestHead, view: memoryview, position: int, size: int) -> int:
        """Decide on one request whose body begins at `position`; gives where the unused bytes begin."""
        context, length = self._context, head.length
        limits = context.limits
        if self._over_limit:
            self._refuse(Refusal(Reason.OVERLOADED))
            return size
        if isinstance(length, int) and length > limits.body_bytes:
            self._refuse(Refusal(Reason.BODY_TOO_LARGE, f"The limit is {limits.body_bytes} bytes."))
            return size

        outcome = context.enforcer.admit(head, self._memo, trail=self._trail)
        if isinstance(length, int) and length <= size - position:
            # The usual case: the whole body has come with the head.
            self._body = NO_BODY
            body: Bytes = view[position : position + length]
            if isinstance(outcome, Denied):
                self._deny(outcome)
                return position + length
            if isinstance(outcome, Permit) and (upstream := context.pool.take()) is not None:
                self._at = CALL
                self._client.deadline = self._received_at + limits.response_seconds
                self._exchange.begin(outcome, head, self._received_at, self._trail)
                self._exchange.start(upstream, body, last=True)
                return position + length
        self._body = BodyReader(length, limits.body_bytes, self._received_at)
        self._pending = bytes(view[position:size])
        self._obey(head, outcome)
        return size

    def _obey(self, head: RequestHead, outcome: Permit | Denied | NeedKey) -> None:
        """Do what was decided; what has come of the body is in `_pending`."""
        context = self._context
        if isinstance(outcome, Denied):
            self._deny(outcome)
        elif isinstance(outcome, NeedKey):
            self._wait_for(self._ask_again(head, outcome))
        else:
            self._exchange.begin(outcome, head, self._received_at, self._trail)
            upstream = context.pool.take()
            if upstream is None:
                self._wait_for(self._connect())
            else:
                self._begin_with_pending(upstream)

    def _wait_for(self, work: Coroutine[Any, Any, None]) -> None:
        self._at = DECIDING
        self._client.deadline = NEVER
        self._task = self._context.spawn(work)

    async def _ask_again(self, head: RequestHead, need: NeedKey) -> None:
        lacking = await self._context.enforcer.supply(need)
        self._task = None
        self._obey(head, self._context.enforcer.admit(head, self._memo, lacking=lacking, trail=self._trail))
        self._advance_pending()

    async def _connect(self) -> None:
        try:
            upstream = await self._context.pool.connect()
        except UpstreamUnreachable as error:
            self._task = None
            self._exchange.on_error(error)
            return
        self._task = None
        self._begin_with_pending(upstream)

    def _begin_with_pending(self, upstream: Upstream) -> None:
        payload: Bytes | None = b""
        if not self._body.done:
            payload = self._feed(memoryview(self._pending))
        if payload is None:
            upstream.abandon()
        else:
            self._begin(upstream, payload)

    def _begin(self, upstream: Upstream, body: Bytes) -> None:
        self._at = CALL
        last = self._body.done
        self._expect_body()
        self._exchange.start(upstream, body, last=last)
        if not last:
            self.throttle(reading=not self._exchange.stalled)

    # ------------------------------------------------------------ bodies

    def _take_body(self, data: memoryview) -> None:
        payload = self._feed(data)
        if payload is not None:
            self._expect_body()
            self._exchange.send(payload, last=self._body.done)

    def _expect_body(self) -> None:
        self._client.deadline = self._body.deadline(self._context.now(), self._context.limits)

    def _feed(self, data: memoryview) -> Bytes | None:
        """The payload in `data`; None when it is spoilt, and the call with it."""
        try:
            payload = self._body.feed(data)
        except ChunkError:
            self._spoil(Refusal(Reason.REQUEST_MALFORMED, "The chunked body is malformed."))
            return None
        except BodyTooLarge:
            self._spoil(Refusal(Reason.BODY_TOO_LARGE))
            return None
        self._pending = self._body.rest
        return payload

    def _spoil(self, refusal: Refusal) -> None:
        """The body being forwarded cannot be finished: cancel the call, and say so if still possible."""
        begun = self._exchange.open and self._exchange.begun
        self._exchange.cancel()
        if begun:
            self.abort()
        else:
            self._refuse(refusal)

    def _drain(self, data: memoryview) -> None:
        try:
            self._body.feed(data)
        except (ChunkError, BodyTooLarge):
            self.abort()
            return
        self._expect_body()
        if self._body.done:
            self._pending = self._body.rest
            self._next()

    # ------------------------------------------------------------ answering

    def _refuse(self, refusal: Refusal) -> None:
        """Refuse what is not a proper request, or not now; nothing after it on this connection is read."""
        self._body = NO_BODY
        self._deny(self._context.enforcer.reject(refusal), fatal=True)

    def _deny(self, denied: Denied, *, fatal: bool = False) -> None:
        # Whoever expects 100-continue may or may not send the body after this; only closing is unambiguous.
        keep_alive = not fatal and self.may_keep_alive(finished=False)
        self._client.write(
            self._rendered.bytes_of(
                denied, self._head, self._trail.request_id or denied.decision_id, keep_alive=keep_alive
            )
        )
        metrics = self._context.enforcer.metrics
        metrics.requests[denied.verdict.decision].observe(self._context.now() - self._received_at)
        if not keep_alive:
            self._linger(fatal=fatal)
        elif self._body.done:
            self._next()
        else:
            self._at = DRAIN
            self.throttle(reading=True)
            data, self._pending = self._pending, b""
            self._drain(memoryview(data))

    def _next(self) -> None:
        self._at = HEAD
        if self._context.draining:
            self.close_if_idle()
        client, context = self._client, self._context
        if client.reading is client.write_paused:
            self.throttle(reading=not client.write_paused)
        limits = context.limits
        client.deadline = context.now() + (limits.head_seconds if self._pending else limits.idle_seconds)

    def _linger(self, *, fatal: bool = False) -> None:
        self._at = CLOSING
        self._pending = b""
        self._client.linger(nothing_more=self._context.draining and self._body.done and not fatal)

    # ------------------------------------------------------------ what an exchange calls

    def may_keep_alive(self, *, finished: bool = True) -> bool:
        head = self._head
        return (
            head is not None
            and head.keep_alive
            and not head.upgrade
            and not self._context.draining
            and (self._body is NO_BODY or self._body.done or (not finished and not head.expects_continue))
        )

    def throttle(self, *, reading: bool) -> None:
        if self._client.throttle(reading=reading) and reading:
            self._body.held_up(self._context.now(), self._context.limits)

    def tunnel_opened(self, holds_until: Instant) -> None:
        self._at = TUNNEL
        self._holds_until = holds_until
        self._client.patience = self._context.limits.tunnel_idle_seconds
        data, self._pending = self._pending, b""
        if data:
            self._exchange.send(data, last=False)

    def call_ended(self, *, keep_alive: bool) -> None:
        if keep_alive:
            self._next()
            if self._pending:
                self._advance_pending()
        else:
            self._linger()

    def call_failed(self, denied: Denied | None) -> None:
        if denied is not None:
            self._deny(denied)
            self._advance_pending()
        else:
            self._cut()

    # ------------------------------------------------------------ time and the end

    def sweep(self, now: float) -> None:
        if self._client.deadline <= now:
            self._expired()
        elif self._at == TUNNEL and self._context.over(self._holds_until):
            self._linger()
            self._exchange.cancel()
        elif self._client.has_left_unseen():
            self.abort()

    def _expired(self) -> None:
        """End what is going on, in the way that tells the client most."""
        self._client.deadline = NEVER
        if self._at == HEAD and self._pending:
            self._head = None
            self._refuse(Refusal(Reason.REQUEST_TIMEOUT))
        elif self._at == CALL and self._exchange.open and not self._exchange.begun:
            if self._body.done or self._exchange.stalled:
                self._exchange.time_out()
            else:
                self._spoil(Refusal(Reason.REQUEST_TIMEOUT))
        elif self._at == HEAD:
            self.close_if_idle()
        else:
            self._cut()

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
