"""A face API that behaves as each call asks it to: well, slowly, oddly or badly.

The call says so in its query (`?how=hang`), which the proxy passes on untouched, so a client knows what to
expect. Requests are read by h11, which complains about whatever is not strictly right.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import h11

PIECE = bytes(64 * 1024)
LONG = 6.0
"""Seconds; longer than the proxy waits in these runs."""

_OK = b"HTTP/1.1 200 OK\r\n"
_HALF = _OK + b"Content-Length: 100\r\n\r\nonly this much"
_UNASKED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Echo: unasked\r\n\r\npoison"


class _Call:
    """One request, read as far as `take` was asked to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rest: bytes) -> None:
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=1024 * 1024)
        self._reader = reader
        self.writer = writer
        self.taken = 0
        self.ended = False
        if rest:
            self._h11.receive_data(rest)

    async def head(self) -> h11.Request | None:
        event = await self._next()
        return event if isinstance(event, h11.Request) else None

    async def body(self) -> AsyncIterator[int]:
        """Sizes of the pieces, up to the end of the body; without one if the connection ends before."""
        if self._h11.they_are_waiting_for_100_continue:
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while isinstance(event := await self._next(), h11.Data):
            self.taken += len(event.data)
            yield len(event.data)
        self.ended = isinstance(event, h11.EndOfMessage)

    async def _next(self) -> object:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            data = await self._reader.read(65536)
            if not data:
                return None
            self._h11.receive_data(data)
        return event

    @property
    def rest(self) -> bytes:
        return self._h11.trailing_data[0]


class FaultyUpstream:
    """`ids`: every X-Request-Id that came; `twice`: those that came again; `broken`: h11's complaints."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.twice: list[str] = []
        self.broken: list[str] = []
        self.port = 0
        self.stalled = False
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "FaultyUpstream":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in [*self._connections]:
            connection.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        rest: bytes | None = b""
        try:
            while rest is not None:
                rest = await self._serve(_Call(reader, writer, rest))
        except h11.RemoteProtocolError as error:
            self.broken.append(str(error))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, call: _Call) -> bytes | None:
        """Answer one call; None: the connection is of no more use."""
        head = await call.head()
        if head is None:
            return None
        self._note(head)
        asked = {
            name: values[0] for name, values in parse_qs(head.target.partition(b"?")[2].decode()).items()
        }
        echo = asked.get("n", "").encode()
        how = asked.get("how", "plain")
        if how == "early":
            call.writer.write(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\nX-Echo: %b\r\n\r\n" % echo)
            return None
        if not await self._take_body(call, how):
            return None
        fields = b"X-Echo: %b\r\nX-Took: %d\r\n" % (echo, call.taken)
        go_on = await _answer(call.writer, how, fields, int(asked.get("size", "2")), head.method == b"HEAD")
        return call.rest if go_on else None

    def _note(self, head: h11.Request) -> None:
        number = dict(head.headers)[b"x-request-id"].decode()
        if number in self.ids:
            self.twice.append(number)
        self.ids.add(number)

    async def _take_body(self, call: _Call, how: str) -> bool:
        if self.stalled:
            await asyncio.sleep(3600)
        async for size in call.body():
            if how == "slow-read":
                await asyncio.sleep(size / 4_000_000)
            if how == "reset-body":
                _reset(call.writer)
                return False
        return call.ended


async def _answer(writer: asyncio.StreamWriter, how: str, fields: bytes, size: int, bodiless: bool) -> bool:
    """Whether the connection carries another call."""
    match how:
        case "hang":
            await asyncio.sleep(LONG)
        case "reset":
            _reset(writer)
        case "close":
            return False
        case "garbage":
            writer.write(b"\x00\x01 this is no HTTP\r\n\r\n")
        case "half" | "half-reset" | "half-hang":
            writer.write(_HALF)
            await writer.drain()
            await asyncio.sleep(0.02 if how != "half-hang" else LONG)
            if how == "half-reset":
                _reset(writer)
        case "until-close":
            writer.write(b"HTTP/1.0 200 OK\r\n" + fields + b"\r\nok")
        case "stray":
            writer.write(_OK + fields + b"Content-Length: 2\r\n\r\nok" + _UNASKED)
            await asyncio.sleep(0.05)
        case "last":
            writer.write(_OK + fields + b"Connection: close\r\nContent-Length: 2\r\n\r\nok")
        case _:
            await _answer_well(writer, how, fields, size, bodiless)
            return how != "no-more"
    await writer.drain()
    return False


async def _answer_well(
    writer: asyncio.StreamWriter, how: str, fields: bytes, size: int, bodiless: bool
) -> None:
    if how == "interim":
        writer.write(b"HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\n" * 5)
    if how == "chunked":
        writer.write(_OK + fields + b"Transfer-Encoding: chunked\r\n\r\n")
        for start in range(0, size, len(PIECE)):
            piece = PIECE[: min(len(PIECE), size - start)]
            await _send(writer, b"%x;a=b\r\n%b\r\n" % (len(piece), piece))
        writer.write(b"0\r\nTrailer: x\r\n\r\n")
        return
    writer.write(_OK + fields + b"Content-Length: %d\r\n\r\n" % size)
    step = 1 if how == "dribble" else len(PIECE)
    for start in range(0, 0 if bodiless else size, step):
        await _send(writer, PIECE[: min(step, size - start)])
        if how == "dribble":
            await asyncio.sleep(0.01)


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    if writer.is_closing():
        raise ConnectionResetError
    writer.write(data)
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    writer.transport.abort()
