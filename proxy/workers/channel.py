"""Messages between parent and worker: four bytes of length, then JSON, over a socket pair.

The parent asks and the worker answers, each under the question's number. What a worker says unasked has the
number 0. When either process is gone the other one's channel ends.
"""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from proxy.errors import MoratoriumError

LENGTH_BYTES = 4
UNASKED = 0


class ChannelEnded(MoratoriumError):
    """The other process is gone."""


class Message(NamedTuple):
    """`verb` is what is asked, or what the question was."""

    number: int
    verb: str
    body: Any


class Channel:
    """One end. `listen` must be running for anything to arrive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(UNASKED + 1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._ended = False

    def __repr__(self) -> str:
        return f"<Channel {'ended' if self._ended else 'open'}, waiting for {len(self._waiting)}>"

    @classmethod
    async def over(cls, sock: socket.socket) -> "Channel":
        """On one end of a socket pair, which belongs to the channel from now on."""
        return cls(*await asyncio.open_unix_connection(sock=sock))

    async def listen(self, hear: Callable[[Message], None]) -> None:
        """Hand over what comes in until the other side is gone; answers go to whoever has asked."""
        try:
            while True:
                length = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES))
                message = Message(*orjson.loads(await self._reader.readexactly(length)))
                waiting = self._waiting.pop(message.number, None)
                if waiting is None:
                    hear(message)
                elif not waiting.done():
                    waiting.set_result(message.body)
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            self._ended = True
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(ChannelEnded())
            self._writer.close()

    def post(self, verb: str, body: Any = None) -> "asyncio.Future[Any]":
        """Ask now; the answer comes later, or `ChannelEnded`."""
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._ended:
            answer.set_exception(ChannelEnded())
        else:
            self._waiting[number] = answer
            self.say(Message(number, verb, body))
        return answer

    async def ask(self, verb: str, body: Any = None, *, seconds: float) -> Any:
        """The answer. Raises `ChannelEnded`, or `TimeoutError` after `seconds`."""
        async with asyncio.timeout(seconds):
            return await self.post(verb, body)

    def say(self, message: Message) -> None:
        """Send; whether the other side is still there will show soon enough."""
        if not self._ended:
            content = orjson.dumps([*message])
            self._writer.write(len(content).to_bytes(LENGTH_BYTES) + content)

    async def flush(self) -> None:
        """Wait until what was said is on its way."""
        with contextlib.suppress(OSError):
            await self._writer.drain()
