"""Callers who ask the same thing again and again, and what each answer was, with when it was asked for."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

PATIENCE = 20.0


class Seen(NamedTuple):
    """One answer: `began` and `ended` are wall time around it."""

    part: str
    status: int
    decision_id: str
    began: float
    ended: float


class Caller:
    """One connection at a time. `token` is asked for before each call, so it may change."""

    def __init__(self, part: str, port: int, token: Callable[[], str], seen: list[Seen]) -> None:
        self.part = part
        self._port = port
        self._token = token
        self._seen = seen
        self.lost = 0

    async def call_until(self, over: asyncio.Event) -> None:
        while not over.is_set():
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                while not over.is_set():
                    await self._call(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                self.lost += 1
            finally:
                writer.close()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = time.time()
        writer.write(
            b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nAuthorization: Bearer %b\r\n\r\n{}"
            % self._token().encode()
        )
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            await reader.readexactly(int(fields["content-length"]))
        status = int(lines[0].split(" ")[1])
        self._seen.append(Seen(self.part, status, fields["x-decision-id"], began, time.time()))
