"""One connection to the face API, and the pool that keeps idle ones.

An idle connection that receives anything, even an end of file, is closed: bytes that nobody asked for never
reach a caller. A call is sent once; whether to try again is the client's business.
"""

import asyncio
import ssl
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol, cast

from proxy.errors import UpstreamBroken, UpstreamError, UpstreamUnreachable
from proxy.messages import Chunked
from proxy.policy.model import Permit
from proxy.relay.chunks import ChunkError, ChunkReader
from proxy.relay.framing import END_OF_HEAD, ResponseHead, parse_response

MAX_HEAD = 64 * 1024
MAX_INTERIM = 20
BUFFER_SIZE = 128 * 1024


class Receiver(Protocol):
    """Whoever waits for an answer. Called from the event loop, never after `on_complete` or `on_error`."""

    def on_continue(self) -> None:
        """The upstream wants the body (100)."""

    def on_response(self, head: ResponseHead) -> None:
        """The head of the final answer."""

    def on_payload(self, data: bytes) -> None:
        """A piece of the answer's body, without any framing."""

    def on_complete(self) -> None:
        """The answer has ended as it should."""

    def on_error(self, error: UpstreamError) -> None:
        """There will be no (more) answer."""

    def on_writable(self, *, writable: bool) -> None:
        """The upstream takes more of the body, or for now does not."""


class _At(Enum):
    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    CLOSED = auto()


class Upstream(asyncio.BufferedProtocol):
    """A connection that carries one call at a time."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._buffer = pool.buffer
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._at = _At.IDLE
        self._method = b""
        self._pending = b""
        self._interim = 0
        self._body: int | ChunkReader | None = None
        self._keep_alive = False
        self._sent_all = False
        self.idle_since = 0.0

    def __repr__(self) -> str:
        return f"<Upstream {self._at.name.lower()}>"

    # ------------------------------------------------------------ what the caller's side does

    def forward(self, permit: Permit, receiver: Receiver, method: bytes, head: bytes, *, last: bool) -> None:
        """Send the head of a permitted call; `last`: nothing follows it."""
        assert self._transport is not None, permit  # noqa: S101
        self._receiver = receiver
        self._method = method
        self._at = _At.HEAD
        self._interim = 0
        self._sent_all = last
        self._transport.write(head)

    def send(self, data: bytes, *, last: bool) -> None:
        """Send a piece of the body, framed already."""
        if self._transport is None or self._at in (_At.IDLE, _At.CLOSED):
            return
        self._sent_all = last
        if data:
            self._transport.write(data)

    def abandon(self) -> None:
        """The caller has left, or the answer is of no use any more: cancel by closing."""
        self._receiver = None
        self._close()

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # ------------------------------------------------------------ what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's in name, only in what they do.
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._buffer[:nbytes])
        try:
            match self._at:
                case _At.HEAD:
                    self._read_head(data)
                case _At.BODY:
                    self._read_body(data)
                case _At.IDLE | _At.CLOSED:
                    self._close()
        except UpstreamError as error:
            self._fail(error)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._at is _At.BODY and self._body is None and exc is None:
            self._complete()
        elif self._at in (_At.HEAD, _At.BODY):
            self._fail(UpstreamBroken("the connection closed before the answer was complete"))
        self._at = _At.CLOSED
        self._pool.forget(self)

    def pause_writing(self) -> None:
        if self._receiver is not None:
            self._receiver.on_writable(writable=False)

    def resume_writing(self) -> None:
        if self._receiver is not None:
            self._receiver.on_writable(writable=True)

    # ------------------------------------------------------------ reading the answer

    def _read_head(self, data: bytes) -> None:
        data = self._pending + data
        self._pending = b""
        while self._at is _At.HEAD:
            end = data.find(END_OF_HEAD)
            if (len(data) if end < 0 else end) > MAX_HEAD:
                raise UpstreamBroken("the answer's head is too large")
            if end < 0:
                self._pending = data
                return
            head = parse_response(data[: end + 4], self._method)
            data = data[end + 4 :]
            if head.status >= 200:
                self._begin(head)
            else:
                self._interim += 1
                if self._interim > MAX_INTERIM:
                    raise UpstreamBroken("too many interim answers")
                if head.status == 100 and self._receiver is not None:
                    self._receiver.on_continue()
        if self._at is _At.BODY and data:
            self._read_body(data)
        elif data:
            self._close()

    def _begin(self, head: ResponseHead) -> None:
        self._keep_alive = head.keep_alive
        if isinstance(head.length, Chunked):
            self._body = ChunkReader(extensions=True)
        else:
            self._body = head.length
        self._at = _At.BODY
        if self._receiver is not None:
            self._receiver.on_response(head)
        if self._body == 0:
            self._complete()

    def _read_body(self, data: bytes) -> None:
        body, rest = self._body, b""
        if body is None:
            self._deliver(data)
            return
        if isinstance(body, ChunkReader):
            try:
                pieces = body.feed(data)
            except ChunkError as error:
                raise UpstreamBroken(f"the answer's chunks are malformed: {error}") from None
            payload, rest, ended = b"".join(pieces), body.rest, body.done
        else:
            payload, rest = data[:body], data[body:]
            self._body = body - len(payload)
            ended = self._body == 0
        self._deliver(payload)
        if ended:
            if rest:
                self._keep_alive = False
            self._complete()

    def _deliver(self, payload: bytes) -> None:
        if payload and self._receiver is not None:
            self._receiver.on_payload(payload)

    def _complete(self) -> None:
        receiver, self._receiver = self._receiver, None
        reusable = self._keep_alive and self._sent_all and self._body is not None
        self._at = _At.IDLE
        if reusable:
            self._pool.give_back(self)
        else:
            self._close()
        if receiver is not None:
            receiver.on_complete()

    def _fail(self, error: UpstreamError) -> None:
        receiver, self._receiver = self._receiver, None
        self._close()
        if receiver is not None:
            receiver.on_error(error)

    def _close(self) -> None:
        self._at = _At.CLOSED
        if self._transport is not None:
            self._transport.abort()
        self._pool.forget(self)

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing() and self._at is _At.IDLE


class Pool:
    """Idle connections to the one upstream, the warmest first."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        connect_seconds: float,
        idle_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.buffer = memoryview(bytearray(BUFFER_SIZE))
        self._host = host
        self._port = port
        self._tls = tls
        self._connect_seconds = connect_seconds
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._idle: list[Upstream] = []
        self._all: set[Upstream] = set()

    def __repr__(self) -> str:
        return f"<Pool {self._host}:{self._port} idle {len(self._idle)} of {len(self._all)}>"

    def take(self) -> Upstream | None:
        """An idle connection, or None: then `connect`."""
        while self._idle:
            upstream = self._idle.pop()
            if upstream.open and self._clock() - upstream.idle_since < self._idle_seconds:
                return upstream
            upstream.abandon()
        return None

    async def connect(self) -> Upstream:
        """A new connection.

        Raises `UpstreamUnreachable`.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, upstream = await loop.create_connection(
                    lambda: Upstream(self), self._host, self._port, ssl=self._tls
                )
        except (OSError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UpstreamUnreachable(f"{self._host}:{self._port}: {why}") from None
        self._all.add(upstream)
        return upstream

    def give_back(self, upstream: Upstream) -> None:
        upstream.idle_since = self._clock()
        self._idle.append(upstream)

    def forget(self, upstream: Upstream) -> None:
        self._all.discard(upstream)
        if upstream in self._idle:
            self._idle.remove(upstream)

    def sweep(self) -> None:
        """Close what has been idle too long."""
        now = self._clock()
        for upstream in [u for u in self._idle if now - u.idle_since >= self._idle_seconds]:
            upstream.abandon()

    def close(self) -> None:
        for upstream in [*self._all]:
            upstream.abandon()
