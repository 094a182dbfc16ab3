"""The parent's process: binds the ports, passes signals on, reloads and drains its workers as one.

It never touches a call. A worker is a program of its own, started with `exec`: a fork that went on with this
memory would share locks and loops with it.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from proxy.assembly.credentials import jwks_of
from proxy.assembly.distribution import make_renewal
from proxy.assembly.doors import open_doors
from proxy.assembly.fixed import refuse_fixed
from proxy.assembly.identity import make_rules
from proxy.distribution.bundle import Bundle
from proxy.distribution.subscription import Subscription
from proxy.errors import ConfigurationError, SettingsError
from proxy.version import __version__
from proxy.watch import Watch, watch_forever
from proxy.workers.board import Board
from proxy.workers.child import Child
from proxy.workers.configuration import Configuration
from proxy.workers.crew import Crew
from proxy.workers.places import Queue, bind_places, close_all

log = logging.getLogger("moratorium.workers")

GRACE_SECONDS = 3.0


class Parent:
    """`reread` gives the configuration anew for a reload, `watch` says when one is due."""

    def __init__(
        self,
        configuration: Configuration,
        reread: Callable[[], Configuration],
        watch: Watch,
        clock: Callable[[], float],
        subscription: Subscription | None = None,
    ) -> None:
        self.board = Board(
            configuration.settings,
            configuration.policy,
            clock,
            issuers=configuration.identity.names,
            subscription=subscription,
        )
        self._subscription = subscription
        self._stop = asyncio.Event()
        self.crew = Crew(configuration, self.board, self._stop, self._spawn)
        self._reread = reread
        self._watch = watch
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Parent of {self.crew!r}>"

    # ------------------------------------------------------------ life

    async def run(self) -> None:
        """Keep workers serving until SIGTERM or SIGINT, then drain them.

        Raises `SettingsError` when an address cannot be bound or no worker can start with these settings.
        """
        settings = self.board.settings
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self.reload()))
        self._expect_series()
        health = await self._start_health()
        doors = await open_doors(settings, self.board.clock, lambda: jwks_of(self.board.settings))
        if self._subscription is not None:
            await self._subscription.begin(self._take)
            self._spawn(self._subscription.poll_forever(self._take))
        places = bind_places(settings.listen, settings.workers)
        keepers = [self._spawn(self.crew.keep(number, places)) for number in range(1, settings.workers + 1)]
        self._spawn(self.crew.look_after())
        self._spawn(self._say_serving(places[0][0].getsockname()[1]))
        if settings.watch_seconds:
            self._spawn(watch_forever(self._watch, settings.watch_seconds, self.reload))
        await self._stop.wait()
        await self._drain(keepers, places)
        for door in (*doors, health):
            await door.cleanup()
        if self.crew.problems:
            raise SettingsError(self.crew.problems)

    async def _start_health(self) -> web.AppRunner:
        health = web.AppRunner(self.board.door(), access_log=None)
        await health.setup()
        listen = self.board.settings.metrics_listen
        try:
            await web.TCPSite(health, listen.host, listen.port).start()
        except OSError as error:
            raise SettingsError([f"MORATORIUM_METRICS_LISTEN: {listen}: {error.strerror}"]) from None
        return health

    async def _say_serving(self, port: int) -> None:
        await self.crew.all_serve.wait()
        settings = self.board.settings
        log.info(
            "serving",
            extra={
                "address": f"{settings.listen.host}:{port}",
                "backend": settings.backend,
                "policy": self.board.policy.revision,
                "version": __version__,
            },
        )

    async def _drain(self, keepers: list[asyncio.Task[None]], places: list[Queue]) -> None:
        """Not ready at once; each worker ends its calls; one that does not end in time is ended."""
        self.board.draining = True
        log.info("draining", extra={"signal": "stop"})
        close_all(places)
        for child in self.board.children.values():
            child.drain()
        _, late = await asyncio.wait(keepers, timeout=self.board.settings.drain_seconds + GRACE_SECONDS)
        for child in [*self.board.children.values()] if late else []:
            log.error("worker did not end in time", extra={"worker": child.number})
            child.kill()
        await asyncio.wait(keepers)
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task failed", exc_info=error, extra={"task": task.get_name()})

    # ------------------------------------------------------------ reload

    async def reload(self) -> None:
        """Read settings and policy again: all workers go on under them, or none does."""
        async with self.crew.in_turn:
            self._watch.take()
            try:
                new = self._reread()
                refuse_fixed(self.board.settings, new.settings)
                renew = make_renewal(self._subscription, new.settings)
                if self._subscription is not None:
                    new = new.under(self._subscription.bundle)
                await self._go_on_under(new)
            except ConfigurationError as error:
                self.board.metrics.reload_successful = 0
                log.error("reload refused, the old configuration stays", extra={"problems": error.problems})
                return
            renew()
            self.board.metrics.reload_successful = 1
            log.info("reloaded", extra={"policy": new.policy.revision})

    async def _take(self, bundle: Bundle) -> None:
        """Have all go on under a policy that has been published. Raises `ConfigurationError`."""
        async with self.crew.in_turn:
            await self._go_on_under(self.crew.configuration.under(bundle))

    async def _go_on_under(self, new: Configuration) -> None:
        """All workers from now on, or, when it raises `ConfigurationError`, none."""
        agreed = await self._agree(new)
        # From here there is no way back: who takes a place from now on starts with this.
        self.crew.configuration = new
        await self.crew.ask(agreed, "commit")
        self.board.settings, self.board.policy = new.settings, new.policy
        self.board.issuers = new.identity.names
        self._expect_series()

    async def _agree(self, new: Configuration) -> list[Child]:
        """The workers that are ready to change; one that has ended need not agree: its successor will do so.

        Raises `ConfigurationError` with what any of them has against it.
        """
        asked = [child for child in self.board.children.values() if child.informed]
        answers = await self.crew.ask(asked, "prepare", new.plain())
        problems = [problem for answer in answers for problem in answer or ()]
        if problems:
            raise ConfigurationError([*dict.fromkeys(problems)])
        return [child for child, answer in zip(asked, answers, strict=True) if answer is not None]

    def _expect_series(self) -> None:
        policy = self.board.policy
        self.board.metrics.expect(policy, make_rules(self.board.settings, policy).backend.operations())
