"""One client connection: reads a head, asks the enforcer, relays or refuses, and begins again.

Reading is paused while a call cannot take more, on either side, so memory is bounded by two sockets and two
write buffers. A refusal is answered at once and the rest of its body is read and thrown away, within limits:
SDKs send the whole body before they look at an answer, and a reset would make them try again.
"""

from collections.abc import Coroutine
from typing import Any

from proxy.authn.verifier import NeedKey
from proxy.enforcer import Denied, Memo, NeedSync
from proxy.errors import UpstreamUnreachable
from proxy.messages import RequestHead
from proxy.pipeline import NeedBody
from proxy.policy.model import Permit, Refusal
from proxy.policy.reasons import Reason
from proxy.relay.body import NO_BODY, BodyReader, BodyTooLarge
from proxy.relay.chunks import ChunkError
from proxy.relay.client import NEVER
from proxy.relay.connection import CALL, CLOSING, COLLECT, DECIDING, DRAIN, HEAD, TUNNEL, ClientConnection
from proxy.relay.context import Context
from proxy.relay.exchange import CONTINUE, Exchange
from proxy.relay.gather import Whole
from proxy.relay.headers import Rendered
from proxy.relay.intake import HeadReader
from proxy.relay.pool import BUFFER_SIZE
from proxy.relay.trail import trail_of
from proxy.relay.upstream import Upstream
from proxy.relay.wire import Bytes


class Downstream(ClientConnection):
    """The calls on a connection. Implements `proxy.relay.exchange.Client`."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._heads = HeadReader(context.limits.head_bytes)
        self._head: RequestHead | None = None
        self.write = self._client.write
        self._exchange = Exchange(self, context)
        self._memo = Memo()
        self._rendered = Rendered()

    # ------------------------------------------------------------ what asyncio calls

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
        elif at == COLLECT:
            self._collect(self._buffer[:nbytes])
            self._advance_pending()
        elif at == DRAIN:
            self._drain(self._buffer[:nbytes])
            self._advance_pending()
        elif at == TUNNEL:
            self._client.within(self._context.limits.tunnel_idle_seconds)
            self._exchange.send(self._buffer[:nbytes], last=False)
        elif at != CLOSING:
            self._pending += self._buffer[:nbytes]
            self.throttle(reading=len(self._pending) < BUFFER_SIZE)

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

    def _obey(self, head: RequestHead, outcome: Permit | Denied | NeedKey | NeedBody | NeedSync) -> None:
        """Do what was decided; what has come of the body is in `_pending`, or all of it is in `_whole`."""
        context, whole = self._context, self._whole
        if isinstance(outcome, Denied):
            self._deny(outcome)
        elif isinstance(outcome, NeedKey):
            self._wait_for(self._ask_again(head, outcome))
        elif isinstance(outcome, NeedBody):
            self._begin_to_collect(head, outcome)
        elif isinstance(outcome, NeedSync):
            self._wait_for(self._sync(head, outcome))
        else:
            if whole is None:
                self._exchange.begin(outcome, head, self._received_at, self._trail)
            else:
                framed = whole.framed(head)
                self._exchange.begin(outcome, framed, self._received_at, self._trail, whole.body)
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
        enforcer = self._context.enforcer
        lacking = await enforcer.supply(need)
        self._task = None
        body = self._whole.body if self._whole is not None else None
        self._obey(head, enforcer.admit(head, self._memo, lacking=lacking, trail=self._trail, body=body))
        self._advance_pending()

    async def _sync(self, head: RequestHead, need: NeedSync) -> None:
        outcome = await self._context.enforcer.sync(need)
        self._task = None
        self._obey(head, outcome)
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
        if self._whole is not None:
            self._at = CALL
            self._whole.start(self._exchange, upstream)
            self._send_collected()
            return
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

    def _begin_to_collect(self, head: RequestHead, need: NeedBody) -> None:
        self._at = COLLECT
        self._whole = Whole(self._context, need)
        self.throttle(reading=True)
        begun = bool(self._pending)
        self._collect(memoryview(self._pending))
        if self._at == COLLECT and head.expects_continue and not begun:
            self._client.write(CONTINUE)
            self._expect_body()

    def _collect(self, data: memoryview) -> None:
        """Keep what has come of the body; with all of it, ask again."""
        payload, head, whole = self._feed(data), self._head, self._whole
        if payload is None or head is None or whole is None:
            return
        outcome = whole.take(payload, self._body, head, self._memo, self._trail)
        if outcome is None:
            self._expect_body()
        else:
            self._obey(head, outcome)

    def _send_collected(self) -> None:
        """Go on sending. Of a call that has failed meanwhile nothing is left to send."""
        whole = self._whole
        if whole is not None and self._at == CALL:
            whole.send(self._exchange)
            self._expect_body()
            if whole.sent:
                self._let_go()

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
        if self._whole is not None:
            self._let_go()
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

    def tunnel_opened(self) -> None:
        self._at = TUNNEL
        self._client.patience = self._context.limits.tunnel_idle_seconds
        data, self._pending = self._pending, b""
        if data:
            self._exchange.send(data, last=False)

    def body_wanted(self, *, wanted: bool) -> None:
        if self._whole is None:
            self.throttle(reading=wanted)
        elif wanted:
            self._send_collected()

    def call_ended(self, *, keep_alive: bool) -> None:
        if self._whole is not None:
            self._let_go()
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
        elif self._at == COLLECT:
            self._spoil(Refusal(Reason.REQUEST_TIMEOUT))
        elif self._at == HEAD:
            self.close_if_idle()
        else:
            self._cut()
