"""One connection to the face API, carrying one call at a time.

An idle connection that receives anything, even an end of file, is closed: bytes that nobody asked for never
reach a caller. A call is sent once; whether to try again is the client's business.
"""

import asyncio
from typing import Protocol, cast

from proxy.errors import UpstreamBroken, UpstreamError
from proxy.messages import Chunked, RequestHead
from proxy.policy.model import Permit
from proxy.relay.chunks import ChunkError, ChunkReader
from proxy.relay.framing import END_OF_HEAD, ResponseHead, parse_response
from proxy.relay.wire import Bytes, Wire

MAX_HEAD = 64 * 1024
MAX_INTERIM = 20

IDLE, HEAD, BODY, TUNNEL, CLOSED = range(5)
_NAMES = ("idle", "head", "body", "tunnel", "closed")


class Receiver(Protocol):
    """Whoever waits for an answer. Called from the event loop, never after `on_complete` or `on_error`.

    Payloads are lent: their memory is used again after the call.
    """

    def on_continue(self) -> None:
        """The upstream wants the body (100)."""

    def on_response(self, head: ResponseHead, payload: Bytes) -> None:
        """The head of the final answer, and as much of its body as came with it."""

    def on_whole(self, head: ResponseHead, payload: Bytes) -> None:
        """The whole final answer at once: instead of `on_response` and `on_complete`."""

    def on_switch(self, head: ResponseHead, data: Bytes) -> None:
        """101: from here on both sides talk as they like; `data` is what has been said already."""

    def on_payload(self, payload: Bytes) -> None:
        """A piece of the answer's body, without any framing; or of a tunnel."""

    def on_complete(self) -> None:
        """The answer has ended as it should."""

    def on_error(self, error: UpstreamError) -> None:
        """There will be no (more) answer."""

    def on_writable(self, *, writable: bool) -> None:
        """The upstream takes more of the body, or for now does not."""


class Keeper(Protocol):
    """Whoever keeps idle connections."""

    buffer: memoryview

    def give_back(self, upstream: "Upstream") -> None:
        """The call is over and the connection can carry another."""

    def forget(self, upstream: "Upstream") -> None:
        """The connection is no more."""


class Upstream(asyncio.BufferedProtocol):
    """Implements the client's side of HTTP/1.1 for one connection."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._buffer = keeper.buffer
        self._transport: asyncio.Transport | None = None
        self._wire: Wire | None = None
        self._receiver: Receiver | None = None
        self._at = IDLE
        self._method = b""
        self._upgrade = False
        self._pending = b""
        self._interim = 0
        self._body: int | ChunkReader | None = None
        self._keep_alive = False
        self._sent_all = False
        self._last_raw = b""
        self._last_head: ResponseHead | None = None
        self._paused = False
        self._write_paused = False
        self._said_goodbye = False
        self.idle_since = 0.0
        self.address = ""
        self.retired = False
        """Whether this call is its last: the address is no longer the face API's."""

    def __repr__(self) -> str:
        return f"<Upstream {_NAMES[self._at]}>"

    def usable(self) -> bool:
        """Idle, open, and nothing has come in: neither bytes that nobody asked for nor the end."""
        return self._at == IDLE and self._wire is not None and self._wire.quiet()

    # ------------------------------------------------------------ what the caller's side does

    def forward(
        self, _permit: Permit, receiver: Receiver, call: RequestHead, head: bytes, body: Bytes, *, last: bool
    ) -> None:
        """Send a permitted call: its head and as much of its body as is there. `last`: that is all of it.

        `call` says how the answer is to be read (RFC 9112 6.3); `head` are the bytes that go.
        """
        assert self._wire is not None  # noqa: S101
        self._receiver = receiver
        if call.method != self._method or call.upgrade:
            self._method, self._last_raw = call.method, b""
        self._upgrade = call.upgrade
        self._at = HEAD
        self._interim = 0
        self._sent_all = last
        if body:
            self._wire.send(head, body)
        else:
            self._wire.send(head)

    def send(self, *parts: Bytes, last: bool) -> None:
        """Send a piece of the body, framed already."""
        if self._wire is not None and self._at in (HEAD, BODY, TUNNEL):
            self._sent_all = last
            if parts:
                self._wire.send(*parts)

    def abandon(self) -> None:
        """The caller has left, or the answer is of no use any more: cancel by closing."""
        self._receiver = None
        self._close()

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    # ------------------------------------------------------------ what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's in name, only in what they do.
        self._transport = cast("asyncio.Transport", transport)
        self._wire = Wire(self._transport)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        try:
            if self._at == HEAD:
                self._read_head(nbytes)
            elif self._at == BODY:
                self._read_body(self._buffer[:nbytes])
            elif self._at == TUNNEL and self._receiver is not None:
                self._receiver.on_payload(self._buffer[:nbytes])
            else:
                self._close()
        except UpstreamError as error:
            self._fail(error)

    def eof_received(self) -> bool:
        # Over TLS this is close_notify: an end of file alone may be anybody's, and is not reported here.
        self._said_goodbye = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = self._wire = None
        if self._at == BODY and self._body is None and exc is None and self._said_goodbye:
            self._complete()
        elif self._at == TUNNEL:
            self._complete(clean=False)
        elif self._at in (HEAD, BODY):
            why = f": {exc}" if exc is not None else ""
            self._fail(UpstreamBroken(f"the connection closed before the answer was complete{why}"))
        self._at = CLOSED
        self._keeper.forget(self)

    def pause_writing(self) -> None:
        self._write_paused = True
        if self._receiver is not None:
            self._receiver.on_writable(writable=False)

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._receiver is not None:
            self._receiver.on_writable(writable=True)

    # ------------------------------------------------------------ reading the answer

    def _read_head(self, nbytes: int) -> None:
        data = bytes(self._buffer[:nbytes])
        if self._pending:
            data, self._pending = self._pending + data, b""
        start = 0
        while self._at == HEAD:
            end = data.find(END_OF_HEAD, start)
            if (len(data) if end < 0 else end) - start > MAX_HEAD:
                raise UpstreamBroken("the answer's head is too large")
            if end < 0:
                self._pending = data[start:]
                return
            head = self._parse(data[start : end + 4])
            start = end + 4
            if head.status == 101 and self._receiver is not None:
                self._at = TUNNEL
                self._receiver.on_switch(head, memoryview(data)[start:])
                return
            if head.status >= 200:
                self._begin(head, memoryview(data)[start:])
                return
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise UpstreamBroken("too many interim answers")
            if head.status == 100 and self._receiver is not None:
                self._receiver.on_continue()

    def _parse(self, raw: bytes) -> ResponseHead:
        """A head equal to the last one is the last one: parsing is a pure function of bytes and method."""
        if raw == self._last_raw and self._last_head is not None:
            return self._last_head
        head = parse_response(raw, self._method, upgrade=self._upgrade)
        self._last_raw, self._last_head = raw, head
        return head

    def _begin(self, head: ResponseHead, data: memoryview) -> None:
        self._keep_alive = head.keep_alive
        length = head.length
        if length == len(data) and self._receiver is not None:
            # The usual case: the answer is complete with its first bytes.
            receiver, self._receiver = self._receiver, None
            self._body = 0
            self._release(clean=True)
            receiver.on_whole(head, data)
            return
        self._body = ChunkReader(extensions=True) if isinstance(length, Chunked) else length
        self._at = BODY
        payload, rest = self._payload(data)
        if self._receiver is not None:
            self._receiver.on_response(head, payload)
        self._end_if_complete(rest)

    def _read_body(self, data: memoryview) -> None:
        payload, rest = self._payload(data)
        if payload and self._receiver is not None:
            self._receiver.on_payload(payload)
        self._end_if_complete(rest)

    def _payload(self, data: memoryview) -> tuple[Bytes, Bytes]:
        """The body's part of `data`, and what follows the body."""
        body = self._body
        if isinstance(body, int):
            payload = data[:body]
            self._body = body - len(payload)
            return payload, data[len(payload) :]
        if body is None:
            return data, b""
        try:
            return b"".join(body.feed(bytes(data))), body.rest
        except ChunkError as error:
            raise UpstreamBroken(f"the answer's chunks are malformed: {error}") from None

    def _end_if_complete(self, rest: Bytes) -> None:
        body = self._body
        if body == 0 or (isinstance(body, ChunkReader) and body.done):
            self._complete(clean=not rest)

    def _complete(self, *, clean: bool = True) -> None:
        receiver, self._receiver = self._receiver, None
        self._release(clean=clean)
        if receiver is not None:
            receiver.on_complete()

    def _release(self, *, clean: bool) -> None:
        """The call is over: keep the connection for another, or close it."""
        self._at = IDLE
        whole = clean and self._keep_alive and self._sent_all and self._body is not None
        # An answer may come before the upstream has taken the body; what is queued must not delay the next.
        if whole and not self.retired and not self._write_paused:
            if self._paused:
                # The last caller was slow to read; the next one is another.
                self.resume()
            self._keeper.give_back(self)
        else:
            self._close()

    def _fail(self, error: UpstreamError) -> None:
        receiver, self._receiver = self._receiver, None
        self._close()
        if receiver is not None:
            receiver.on_error(error)

    def _close(self) -> None:
        self._at = CLOSED
        if self._wire is not None:
            self._wire.abort()
        self._keeper.forget(self)
