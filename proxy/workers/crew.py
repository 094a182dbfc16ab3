"""Keeps every place filled: starts workers, replaces those that end, has the others stand in meanwhile."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from proxy.workers.board import Board
from proxy.workers.channel import ChannelEnded
from proxy.workers.child import Child
from proxy.workers.configuration import Configuration
from proxy.workers.places import Queue, deputies

log = logging.getLogger("moratorium.workers")

START_SECONDS = 60.0
AGREE_SECONDS = 15.0
STEADY_SECONDS = 10.0
LOOK_SECONDS = 0.5
HUNG_SECONDS = 30.0
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Crew:
    """All workers. `configuration` is what they are given; it changes only while `in_turn` is held.

    `problems` is what kept the very first ones from starting; `stop` is set then.
    """

    def __init__(self, configuration: Configuration, board: Board, stop: asyncio.Event, spawn: Spawn) -> None:
        self.configuration = configuration
        self.in_turn = asyncio.Lock()
        self.problems: list[str] = []
        self.all_serve = asyncio.Event()
        self._board = board
        self._stop = stop
        self._spawn = spawn

    def __repr__(self) -> str:
        return f"<Crew {[*self._board.children.values()]}>"

    async def keep(self, number: int, places: list[Queue]) -> None:
        """Have a worker in this place, and another one when it has ended; the more often the later."""
        loop, failures = asyncio.get_running_loop(), 0
        while not self._stop.is_set():
            began = loop.time()
            why = await self._live(number, places)
            if self._stop.is_set():
                return
            failures = 0 if loop.time() - began > STEADY_SECONDS else failures + 1
            log.error("worker ended, another takes its place", extra={"worker": number, "why": why})
            try:
                async with asyncio.timeout(PAUSES[min(failures, len(PAUSES) - 1)]):
                    await self._stop.wait()
            except TimeoutError:
                self._board.restarts += 1

    async def _live(self, number: int, places: list[Queue]) -> str:
        """The whole life of one worker; gives how it ended."""
        try:
            child = await Child.begin(number, places, asyncio.get_running_loop().time)
        except OSError as error:
            return f"not started: {error.strerror}"
        self._board.children[number] = child
        ear = self._spawn(child.listen())
        if self._stop.is_set():
            child.drain()  # whoever told all the others did not know of this one yet
        try:
            await self._put_to_work(child)
            await asyncio.wait({ear})
        finally:
            if not ear.done():
                child.kill()
            self._cover()
            why = await child.ended()
            self._board.ended(child)
        return why

    async def _put_to_work(self, child: Child) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                await child.booted.wait()
                async with self.in_turn:
                    # Whichever configuration is in force now; whoever reloads from here on asks this one too.
                    child.informed = True
                    answer = child.channel.post("start", self.configuration.plain())
                problems = await answer
        except ChannelEnded:
            return
        except TimeoutError:
            problems = [f"worker {child.number} did not start within {START_SECONDS:.0f} s"]
        if problems:
            self._could_not_start(child, problems)
            return
        child.serving = True
        self._cover()
        if self._board.all_serve():
            self._board.started = True
            self.all_serve.set()

    def _could_not_start(self, child: Child, problems: list[str]) -> None:
        child.kill()
        if self._board.started:
            log.error("worker could not start", extra={"worker": child.number, "problems": problems})
        else:
            self.problems = problems
            self._stop.set()

    def _cover(self) -> None:
        """Have the queue of each worker that does not serve be served by another."""
        if not self._board.started or self._stop.is_set():
            return
        children = self._board.children
        serving = [number for number, child in children.items() if child.fault() is None]
        for number, places in deputies(self.configuration.settings.workers, serving).items():
            children[number].cover(places)

    async def look_after(self) -> None:
        """Cover whoever leaves or says nothing; replace whoever says nothing for long."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for child in self._board.children.values():
                if child.serving and child.silence() > HUNG_SECONDS:
                    log.error("worker hangs", extra={"worker": child.number})
                    child.kill()
            self._cover()

    async def ask(self, children: list[Child], verb: str, body: Any = None) -> list[list[str] | None]:
        """From each the problems it has; None: it has ended, if need be because it did not answer.

        Nobody may go on under what is no longer in force, nor keep a stricter policy from the others.
        """

        async def ask(child: Child) -> list[str] | None:
            try:
                problems: list[str] = await child.channel.ask(verb, body, seconds=AGREE_SECONDS)
            except ChannelEnded:
                return None
            except TimeoutError:
                log.error("worker hangs", extra={"worker": child.number})
                child.kill()
                return None
            return problems

        return await asyncio.gather(*map(ask, children))
