"""A client that sends bytes as they are and reads answers with h11, strictly."""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import h11

from tests.harness.waiting import PATIENCE

Fields = Iterable[tuple[str, str]]


class AnswerCutError(Exception):
    """The connection ended, or was reset, before an answer was complete; `seen` is what there was of it."""

    def __init__(self, seen: bytes, *, reset: bool) -> None:
        super().__init__(f"cut after {seen[-200:]!r}")
        self.seen = seen
        self.reset = reset


@dataclass(frozen=True)
class Answer:
    """One final answer. Names are lower case; `interim` are the 1xx statuses before it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    interim: tuple[int, ...]

    def values(self, name: bytes) -> list[bytes]:
        """Every value of one field."""
        return [value for key, value in self.headers if key == name]

    def json(self) -> Any:
        return json.loads(self.body)


class RawClient:
    """One connection: `async with RawClient.to(port) as client:`, or `await RawClient.connect(port)`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""

    @classmethod
    async def connect(
        cls,
        port: int,
        *,
        buffer: int = 64 * 1024,
        tls: ssl.SSLContext | None = None,
        name: str = "proxy.test",
    ) -> "RawClient":
        """Connect to a port of this machine. `buffer`: how much is read ahead; `name`: whom TLS expects."""
        server_name = name if tls is not None else None
        return cls(
            *await asyncio.open_connection(
                "127.0.0.1", port, limit=buffer, ssl=tls, server_hostname=server_name
            )
        )

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, port: int, *, tls: ssl.SSLContext | None = None) -> "AsyncIterator[RawClient]":
        """The same, closed at the end."""
        client = await cls.connect(port, tls=tls)
        try:
            yield client
        finally:
            await client.close()

    async def send(self, data: bytes) -> None:
        """Write; a connection that the proxy has closed already is no error here."""
        if self._writer.is_closing():
            return
        with contextlib.suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    async def send_slowly(self, data: bytes) -> None:
        """One byte a packet, as far as the kernel plays along."""
        for index in range(len(data)):
            await self.send(data[index : index + 1])
            await asyncio.sleep(0)

    async def answer(self, method: bytes = b"GET") -> Answer:
        """Read the next final answer to a request of this method. Raises `AnswerCutError`."""
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1024 * 1024)
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        parser.send(h11.EndOfMessage())
        seen, self._rest = self._rest, b""
        parser.receive_data(seen) if seen else None
        interim: list[int] = []
        head: h11.Response | None = None
        body = b""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    event = parser.next_event()
                except h11.RemoteProtocolError:
                    raise AnswerCutError(seen, reset=False) from None
                if event is h11.NEED_DATA:
                    data = await self._read(seen)
                    seen += data
                    parser.receive_data(data)
                elif isinstance(event, h11.InformationalResponse):
                    interim.append(event.status_code)
                elif isinstance(event, h11.Response):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage) and head is not None:
                    self._rest = parser.trailing_data[0]
                    return Answer(head.status_code, [*head.headers], body, tuple(interim))
                else:
                    raise AnswerCutError(seen, reset=False)

    async def _read(self, seen: bytes) -> bytes:
        try:
            return await self._reader.read(65536)
        except OSError:
            raise AnswerCutError(seen, reset=True) from None

    async def remainder(self) -> bytes:
        """Everything up to the end of the connection. Raises `AnswerCutError` on a reset."""
        seen, self._rest = self._rest, b""
        async with asyncio.timeout(PATIENCE):
            while data := await self._read(seen):
                seen += data
        return seen

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def abort(self) -> None:
        """Leave at once."""
        self._writer.transport.abort()

    def reset(self) -> None:
        """Leave at once and say so (RST), even where unsent bytes would hold a mere end of file back."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


def request(
    method: str, target: str, fields: Fields = (), body: bytes | None = None, *, host: str = "proxy.test"
) -> bytes:
    """One well-formed HTTP/1.1 request; Content-Length is added for a body."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in fields)]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


async def call(port: int, method: str, target: str, fields: Fields = (), body: bytes | None = None) -> Answer:
    """One request on a connection of its own."""
    client = await RawClient.connect(port)
    try:
        await client.send(request(method, target, [*fields, ("Connection", "close")], body))
        return await client.answer(method.encode())
    finally:
        await client.close()
