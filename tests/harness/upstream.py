"""An upstream that keeps every byte it was sent, reads requests with h11, and answers from a script.

h11 is nobody's relative here: neither llhttp nor our own reading of RFC 9112. What it sees is what a second,
strict server behind the proxy would see.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import h11

from tests.harness.waiting import until


@dataclass(frozen=True)
class Send:
    """Write these bytes."""

    data: bytes


@dataclass(frozen=True)
class Pause:
    """Wait; longer than 0.2 s is never needed."""

    seconds: float


@dataclass(frozen=True)
class AwaitBody:
    """Wait until the whole request is here."""


@dataclass(frozen=True)
class Close:
    """End the connection in good order (FIN)."""


@dataclass(frozen=True)
class Reset:
    """End the connection rudely (RST)."""


@dataclass(frozen=True)
class Hang:
    """Say nothing more; the connection stays open."""


Step = Send | Pause | AwaitBody | Close | Reset | Hang


@dataclass(eq=False)
class Message:
    """One request as h11 read it. Names are lower case; `complete` once its end was seen."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    wants_continue: bool = False
    body: bytes = b""
    complete: bool = False

    def values(self, name: bytes) -> list[bytes]:
        """Every value of one field."""
        return [value for key, value in self.headers if key == name]


Script = Callable[[Message], Sequence[Step]]


def reply(
    body: bytes = b"ok", status: bytes = b"200 OK", *, headers: Sequence[bytes] = ()
) -> tuple[Step, ...]:
    """Wait for the request's end, then send one answer with a Content-Length."""
    lines = [b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body)]
    return AwaitBody(), Send(b"\r\n".join(lines) + b"\r\n\r\n" + body)


CONTINUE = Send(b"HTTP/1.1 100 Continue\r\n\r\n")


def ordinary(message: Message) -> Sequence[Step]:
    """200 with body `ok`, none for HEAD; 100 first where it is asked for."""
    steps = reply() if message.method != b"HEAD" else (Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),)
    return (CONTINUE, *steps) if message.wants_continue else steps


@dataclass(eq=False)
class Connection(asyncio.Protocol):
    """One connection from the proxy; `broken` holds h11's complaint, if it ever had one."""

    owner: "RecordingUpstream"
    received: bytes = b""
    messages: list[Message] = field(default_factory=list)
    broken: str | None = None
    closed: bool = False
    reset: bool = False

    def __post_init__(self) -> None:
        self._h11 = _parser()
        self._work: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.owner.connections.append(self)
        if not self.owner.reads:
            # uvloop begins to read after this callback, whatever is said in it.
            asyncio.get_running_loop().call_soon(self._transport.pause_reading)
        if self.owner.greeting:
            self._transport.write(self.owner.greeting)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.broken is None:
            try:
                self._h11.receive_data(data)
                self._parse()
            except h11.RemoteProtocolError as error:
                self.broken = str(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed, self.reset = True, exc is not None
        for task in self._work:
            task.cancel()

    def send(self, data: bytes) -> None:
        """Send bytes that nobody asked for."""
        self._transport.write(data)

    def close(self) -> None:
        self._transport.close()

    def read_on(self) -> None:
        """Begin to read, where the upstream was made not to."""
        self._transport.resume_reading()

    def _parse(self) -> None:
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Request):
                waits = self._h11.they_are_waiting_for_100_continue
                message = Message(event.method, event.target, [*event.headers], waits)
                self.messages.append(message)
                self.owner.messages.append(message)
                self._run(message)
            elif isinstance(event, h11.Data):
                self.messages[-1].body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.messages[-1].complete = True
                rest, _ = self._h11.trailing_data
                self._h11 = _parser()
                self._h11.receive_data(rest) if rest else None
            else:
                return

    def _run(self, message: Message) -> None:
        task = asyncio.get_running_loop().create_task(self._act(message))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _act(self, message: Message) -> None:
        async with self._turn:
            for step in self.owner.script(message):
                match step:
                    case Send(data):
                        self._transport.write(data)
                    case Pause(seconds):
                        await asyncio.sleep(seconds)
                    case AwaitBody():
                        await until(lambda: message.complete, "the end of the request")
                    case Close():
                        self._transport.close()
                    case Reset():
                        self._reset()
                    case Hang():
                        await asyncio.Event().wait()

    def _reset(self) -> None:
        sock = cast("socket.socket", self._transport.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _parser() -> h11.Connection:
    return h11.Connection(h11.SERVER, max_incomplete_event_size=1024 * 1024)


class RecordingUpstream:
    """`async with RecordingUpstream(script) as upstream:`; `script` and the rest may be changed at any time.

    `greeting` is sent as soon as somebody connects; `reads=False`: never takes a byte off the socket. It
    listens on `host`, with TLS if there is a context for it.
    """

    def __init__(
        self,
        script: Script = ordinary,
        *,
        reads: bool = True,
        greeting: bytes = b"",
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.script = script
        self.host = host
        self.tls = tls
        self.reads = reads
        self.greeting = greeting
        self.connections: list[Connection] = []
        self.messages: list[Message] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "RecordingUpstream":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), self.host, self.port, ssl=self.tls)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.stop_listening()
        for connection in self.connections:
            connection.close()

    def stop_listening(self) -> None:
        """Refuse new connections; those that exist go on."""
        if self._server is not None:
            self._server.close()

    @property
    def complete(self) -> list[Message]:
        """The requests that came to their end."""
        return [message for message in self.messages if message.complete]

    @property
    def broken(self) -> list[str]:
        """What h11 would not read."""
        return [connection.broken for connection in self.connections if connection.broken is not None]

    @property
    def open_connections(self) -> int:
        return sum(not connection.closed for connection in self.connections)
