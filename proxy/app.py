"""Builds, runs, reloads and drains the whole of it. Owns the clock, the tasks and the signals."""

import asyncio
import logging
import random
import secrets
import signal
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from aiohttp import web

from proxy.assembly import make_keys, make_limits, make_manners, make_policy, make_rules, make_tls
from proxy.audit.sink import Sink
from proxy.doors.health import Component, Probes, make_health_app
from proxy.enforcer import Enforcer
from proxy.errors import AuditUnwritable, ConfigurationError, KeysUnavailable, SettingsError
from proxy.metrics import Metrics, Observed, make_registry
from proxy.policy.model import Policy
from proxy.relay.context import Context
from proxy.relay.pool import Pool
from proxy.relay.server import RelayServer
from proxy.settings import Settings
from proxy.settings.convert import contains
from proxy.version import __version__

log = logging.getLogger("moratorium.app")

KEY_REFRESH_SECONDS = 300.0
AUDIT_WATCH_SECONDS = 1.0

# What a reload may change. The rest is bound to sockets and needs a restart.
FIXED = ("listen", "metrics_listen", "upstream", "backend", "upstream_ca_file", "audit_file")


class Application:
    """One running proxy. `reread` gives the settings anew for a reload."""

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        reread: Callable[[], Settings],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self._reread = reread
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._started = False
        self.metrics = Metrics()
        self.audit = Sink(settings.audit_file)
        self.keys = make_keys(settings, clock)
        self.enforcer = Enforcer(
            rules=make_rules(settings, policy),
            keys=self.keys,
            audit=self.audit,
            metrics=self.metrics,
            clock=clock,
            instance=secrets.token_hex(6),
            manners=make_manners(settings),
            allow_unrecorded=settings.on_audit_failure == "allow-and-count",
        )
        self.relay = RelayServer(self._context(settings))
        self._health: web.AppRunner | None = None
        self.metrics.expect(policy, self.enforcer.rules.backend.operations())

    def __repr__(self) -> str:
        return f"<Application {self.enforcer!r} {self.relay!r}>"

    def _context(self, settings: Settings) -> Context:
        upstream = settings.upstream
        pool = Pool(
            upstream.host,
            upstream.port,
            tls=make_tls(settings),
            connect_seconds=settings.connect_seconds,
            idle_seconds=settings.upstream_idle_seconds,
            clock=time.monotonic,
        )
        return Context(
            enforcer=self.enforcer,
            pool=pool,
            limits=make_limits(settings),
            host=upstream.authority.encode(),
            now=time.monotonic,
            spawn=self.spawn,
            trusts=partial(contains, settings.trusted_proxies or ()),
            tell_addresses=settings.forward_client_address,
        )

    # ------------------------------------------------------------ life

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain.

        Raises `SettingsError` when an address cannot be bound or the audit cannot be opened.
        """
        await self.start()
        await self._stop.wait()
        await self.stop()

    async def start(self) -> None:
        """Open everything. Without keys it starts too: nothing is judged then, and it is not ready."""
        try:
            self.audit.open()
        except AuditUnwritable as error:
            raise SettingsError([f"MORATORIUM_AUDIT_FILE: {error.why}"]) from None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self.spawn(self.reload()))
        await self._start_health()
        await self._refresh_keys()
        self.spawn(self._keep_keys())
        self.spawn(self._watch_audit())
        self.spawn(self.relay.sweep_forever())
        listen = self.settings.listen
        try:
            await self.relay.start(listen.host, listen.port)
        except OSError as error:
            raise SettingsError([f"MORATORIUM_LISTEN: {listen}: {error.strerror}"]) from None
        self._started = True
        log.info(
            "serving",
            extra={
                "address": f"{listen.host}:{self.relay.port}",
                "backend": self.settings.backend,
                "policy": self.enforcer.rules.policy.revision,
                "version": __version__,
            },
        )

    async def stop(self) -> None:
        """Not ready at once; calls under way may end; then everything is closed."""
        log.info("draining", extra={"signal": "stop"})
        await self.relay.drain(self.settings.drain_seconds)
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._health is not None:
            await self._health.cleanup()
        self.audit.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that is kept until it ends and whose failure is told."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task failed", exc_info=error, extra={"task": task.get_name()})

    # ------------------------------------------------------------ reload

    async def reload(self) -> None:
        """Read settings, policy and keys again: all of it holds from now on, or nothing changes."""
        try:
            settings = self._reread()
            fixed = [name for name in FIXED if getattr(settings, name) != getattr(self.settings, name)]
            if fixed:
                raise SettingsError([f"MORATORIUM_{name.upper()}: needs a restart" for name in fixed])
            policy = make_policy(settings)
            rules = make_rules(settings, policy)
        except ConfigurationError as error:
            self.metrics.reload_successful = 0
            log.error("reload refused, the old configuration stays", extra={"problems": error.problems})
            return
        await self._refresh_keys()
        self._reopen_audit()
        self.metrics.expect(policy, rules.backend.operations())
        self.enforcer.rules = rules
        self.enforcer.manners = make_manners(settings)
        self.metrics.reload_successful = 1
        log.info("reloaded", extra={"policy": policy.revision})

    def _reopen_audit(self) -> None:
        try:
            self.audit.open()
        except AuditUnwritable as error:
            log.error("audit not reopened", extra={"why": error.why})

    # ------------------------------------------------------------ what goes on in the background

    async def _refresh_keys(self) -> bool:
        try:
            await self.keys.refresh()
        except KeysUnavailable as error:
            log.warning("no keys", extra={"issuer": error.issuer, "why": error.why})
            return False
        return True

    async def _keep_keys(self) -> None:
        """Refresh ahead; after a failure try again soon, then less and less often."""
        failures = 0 if self._keys_fault() is None else 1
        while True:
            pause = KEY_REFRESH_SECONDS if not failures else min(60.0, 2.0**failures)
            await asyncio.sleep(pause * random.uniform(0.8, 1.0))  # noqa: S311  (jitter, no secret)
            failures = 0 if await self._refresh_keys() else failures + 1

    async def _watch_audit(self) -> None:
        while True:
            await asyncio.sleep(AUDIT_WATCH_SECONDS)
            if self.audit.moved():
                self._reopen_audit()
            elif self.audit.fault is not None:
                self.audit.probe()

    # ------------------------------------------------------------ health

    def _keys_fault(self) -> str | None:
        try:
            found = self.keys.keys
        except KeysUnavailable as error:
            return str(error)
        return None if found.keys else "no keys yet"

    def _components(self) -> list[Component]:
        return [
            Component("policy"),
            Component("keys", self._keys_fault()),
            Component("audit", self.audit.writable()),
        ]

    async def _start_health(self) -> None:
        tokens = self.enforcer
        observed = Observed(
            version=__version__,
            backend=self.settings.backend,
            clock=self._clock,
            policy=lambda: self.enforcer.rules.policy,
            keys=lambda: {self.keys.issuer: self.keys.last_success},
            tokens=lambda: (tokens.rules.tokens.hits, tokens.rules.tokens.misses),
            audit=lambda: (self.audit.records, self.audit.failures),
        )
        probes = Probes(
            components=self._components,
            started=lambda: self._started,
            draining=lambda: self.relay.context.draining,
        )
        app = make_health_app(make_registry(self.metrics, observed), probes)
        self._health = web.AppRunner(app, access_log=None)
        await self._health.setup()
        listen = self.settings.metrics_listen
        try:
            await web.TCPSite(self._health, listen.host, listen.port).start()
        except OSError as error:
            raise SettingsError([f"MORATORIUM_METRICS_LISTEN: {listen}: {error.strerror}"]) from None
