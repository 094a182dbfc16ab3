"""A worker's process: an `Application` that does as its parent says, and ends when the parent is gone.

Signals that are meant for all go to the parent. A SIGTERM to a worker alone drains that one.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from typing import Any

import uvloop

from proxy.app import Application
from proxy.errors import ConfigurationError
from proxy.logs import set_up
from proxy.metrics import Metrics, usage
from proxy.pipeline import Rules
from proxy.settings import Settings
from proxy.workers.cells import Cells
from proxy.workers.channel import UNASKED, Channel, Message
from proxy.workers.configuration import Configuration
from proxy.workers.places import Queue
from proxy.workers.sums import CHAINS, KEY_FETCHES, NOTHING, Snapshot, counts_of

log = logging.getLogger("moratorium.workers")

PUSH_SECONDS = 0.5
"""How much counting is lost at most when a worker is killed outright, but of decisions none."""


class Worker:
    """One for each process. `places` are the queues of all, of which `place` is its own."""

    def __init__(self, channel: Channel, place: int, places: list[Queue], cells: Cells) -> None:
        self._channel = channel
        self._cells = cells
        self._place = place
        self._places = places
        self._covered: dict[int, Queue] = {}
        self._application: Application | None = None
        self._prepared: tuple[Settings, Rules] | None = None
        self._in_turn = asyncio.Lock()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed = False

    def __repr__(self) -> str:
        return f"<Worker {self._application!r} {self._channel!r}>"

    async def run(self) -> int:
        """Serve until told to stop, or until nobody is left to tell; gives the exit status."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop.set)
        parent = self._spawn(self._channel.listen(self._hear))
        parent.add_done_callback(lambda _: self._stop.set())
        self._channel.say(Message(UNASKED, "hello", None))
        pushing = self._spawn(self._push_forever())
        await self._stop.wait()
        self._channel.say(Message(UNASKED, "leaving", None))
        async with self._in_turn:
            if self._application is not None:
                await self._application.stop()
        pushing.cancel()
        self._push()
        await self._channel.flush()
        return int(self._failed)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("worker failed", exc_info=error)
            self._failed = True
            self._stop.set()

    # ------------------------------------------------------------ what the parent asks

    def _hear(self, message: Message) -> None:
        if message.verb == "snapshot":
            # Said before it is answered, and never anywhere else, so that snapshots arrive in their order.
            self._push()
            self._channel.say(Message(message.number, message.verb, None))
        elif message.verb == "drain":
            self._stop.set()
        else:
            self._spawn(self._obey(message))

    async def _obey(self, message: Message) -> None:
        """One after the other, in the order of asking; the answer is a list of problems."""
        problems: list[str] = []
        async with self._in_turn:
            try:
                match message.verb:
                    case "start":
                        await self._start(Configuration.of_plain(message.body))
                    case "prepare":
                        await self._prepare(Configuration.of_plain(message.body))
                    case "commit":
                        self._commit()
                    case "cover":
                        await self._cover(message.body)
            except ConfigurationError as error:
                problems = error.problems
            self._channel.say(Message(message.number, message.verb, problems))

    async def _start(self, given: Configuration) -> None:
        set_up(given.settings.log_level)
        application = Application(
            given.settings,
            given.policy,
            lambda: given.settings,
            standing_texts=given.standing_texts,
            identity=given.identity,
            metrics=Metrics(self._cells.tally),
        )
        self._cells.name(application.audit.chain.id)
        await application.start_as_worker(self._places[self._place - 1])
        self._application = application
        # What exists now lives as long as the process: keep the collector from walking it again and again.
        gc.collect()
        gc.freeze()

    async def _prepare(self, given: Configuration) -> None:
        self._prepared = None
        if self._application is not None:
            rules = await self._application.prepare(
                given.settings, given.policy, given.standing_texts, given.identity
            )
            self._prepared = given.settings, rules

    def _commit(self) -> None:
        if self._application is not None and self._prepared is not None:
            self._application.adopt(*self._prepared)
            self._prepared = None

    async def _cover(self, places: list[int]) -> None:
        """Serve these queues of others as well, on copies that can be closed again."""
        if self._application is None or self._stop.is_set():
            return
        for place in self._covered.keys() - places:
            self._application.relay.stop_on(self._covered.pop(place))
        for place in [place for place in places if place not in self._covered]:
            self._covered[place] = [sock.dup() for sock in self._places[place - 1]]
            await self._application.relay.start_on(self._covered[place])

    # ------------------------------------------------------------ what the worker tells

    async def _push_forever(self) -> None:
        while True:
            await asyncio.sleep(PUSH_SECONDS)
            self._push()
            await self._channel.flush()

    def _push(self) -> None:
        self._channel.say(Message(UNASKED, "snapshot", self._snapshot().plain()))

    def _snapshot(self) -> Snapshot:
        application = self._application
        if application is None:
            return NOTHING
        tokens, audit = application.enforcer.rules.tokens, application.audit
        outcomes, unheard = application.lost()
        counts = counts_of(application.metrics) | {
            ("tokens", "hits"): tokens.hits,
            ("tokens", "misses"): tokens.misses,
            ("audit", "records"): audit.records,
            ("audit", "failures"): audit.failures,
            ("audit", "outcomes lost"): outcomes,
            ("audit", "witness failures"): unheard,
            (CHAINS, audit.chain.id): application.metrics.recorded(),
        }
        for issuer, (had, missed) in application.keys.fetches().items():
            counts[KEY_FETCHES, issuer, "success"], counts[KEY_FETCHES, issuer, "failure"] = had, missed
        return Snapshot(
            counts=counts,
            in_flight=application.metrics.in_flight,
            usage=usage(),
            keys=application.keys.times(),
            faults={part.name: part.fault for part in application.components()},
            certificate_ends=application.metrics.certificate_ends,
            clock_offsets=application.metrics.clock_offsets,
            gauges=[*application.gauges()],
        )


async def _run(control: int, place: int, queues: list[list[int]], counts: int) -> int:
    cells = Cells.of(counts)
    os.close(counts)
    channel = await Channel.over(socket.socket(fileno=control))
    places = [[socket.socket(fileno=number) for number in queue] for queue in queues]
    return await Worker(channel, place, places, cells).run()


def main(words: dict[str, Any]) -> None:
    """What the parent starts; `words` has the numbers of the descriptors that were handed on."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(uvloop.run(_run(words["control"], words["place"], words["queues"], words["counts"])))
