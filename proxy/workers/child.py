"""One worker as its parent sees it: a process, a channel, and what it has said last."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence

from proxy.workers.cells import Cells, make_memory
from proxy.workers.channel import UNASKED, Channel, ChannelEnded, Message
from proxy.workers.places import Queue
from proxy.workers.sums import NOTHING, Snapshot, made_good

# The same interpreter with the same path finds the same package, however the parent was started.
_PROGRAM = (
    "import json, sys; words = json.loads(sys.argv[1]); sys.path[:] = words['path']; "
    "from proxy.workers.worker import main; main(words)"
)
ASK_SECONDS = 1.0
SILENT_SECONDS = 5.0
LEAVE_SECONDS = 5.0


class Child:
    """Made by `begin`. `serving` once it takes calls; `informed` once it was given a configuration."""

    def __init__(
        self,
        number: int,
        process: asyncio.subprocess.Process,
        channel: Channel,
        cells: Cells,
        now: Callable[[], float],
    ) -> None:
        self.number = number
        self.channel = channel
        self.snapshot = NOTHING
        self.serving = False
        self.informed = False
        self.booted = asyncio.Event()
        self._process = process
        self._cells = cells
        self._now = now
        self._heard_at = now()
        self._covers: list[int] = []

    def __repr__(self) -> str:
        return f"<Child {self.number} pid {self._process.pid} {'serving' if self.serving else 'not serving'}>"

    @classmethod
    async def begin(cls, number: int, places: Sequence[Queue], now: Callable[[], float]) -> "Child":
        """Start the process in place `number`. Raises `OSError` when the system has no room for it."""
        with _memory() as counts:
            cells = Cells.of(counts)
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    process = await _start(number, places, theirs.fileno(), counts)
            except OSError:
                ours.close()
                raise
        return cls(number, process, await Channel.over(ours), cells, now)

    def last(self) -> Snapshot:
        """All that is known of it when it has ended."""
        return made_good(self.snapshot, self._cells.counts(), self._cells.chain())

    async def listen(self) -> None:
        """Until the worker is gone."""
        await self.channel.listen(self._hear)
        self.serving = False
        self.booted.set()

    def _hear(self, message: Message) -> None:
        self._heard_at = self._now()
        if message.verb == "hello":
            self.booted.set()
        elif message.verb == "leaving":
            self.serving = False
        elif message.verb == "snapshot":
            self.snapshot = Snapshot.of_plain(message.body)

    async def look(self) -> None:
        """Have it say its numbers; one that does not answer is left at what it has said last."""
        with contextlib.suppress(ChannelEnded, TimeoutError):
            await self.channel.ask("snapshot", seconds=ASK_SECONDS)

    def fault(self) -> str | None:
        """Why it serves nobody, as far as one can tell from outside."""
        if not self.serving:
            return f"worker {self.number} does not serve"
        silence = self.silence()
        return f"worker {self.number} is silent for {silence:.0f} s" if silence > SILENT_SECONDS else None

    def silence(self) -> float:
        """For how long it has said nothing; it should speak twice a second."""
        return self._now() - self._heard_at

    def cover(self, places: list[int]) -> None:
        """Have it serve the queues of these places, and no others besides its own."""
        if places != self._covers:
            self._covers = places
            self.channel.say(Message(UNASKED, "cover", places))

    def drain(self) -> None:
        """Have it end its calls, and then itself."""
        self.channel.say(Message(UNASKED, "drain", None))

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> str:
        """How it ended, in words. Ask when `listen` is over: who has closed its channel has to leave."""
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                status = await self._process.wait()
        except TimeoutError:
            self.kill()
            status = await self._process.wait()
        return f"exit status {status}" if status >= 0 else signal.Signals(-status).name


async def _start(
    number: int, places: Sequence[Queue], control: int, counts: int
) -> asyncio.subprocess.Process:
    queues = [[sock.fileno() for sock in queue] for queue in places]
    words = {"path": sys.path, "control": control, "place": number, "queues": queues, "counts": counts}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PROGRAM, json.dumps(words)),
        stdin=asyncio.subprocess.DEVNULL,
        pass_fds=[control, counts, *itertools.chain(*queues)],
        start_new_session=True,  # a signal to the group is for the parent to pass on
    )


@contextlib.contextmanager
def _memory() -> Iterator[int]:
    fd = make_memory()
    try:
        yield fd
    finally:
        os.close(fd)
