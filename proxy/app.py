"""Builds, runs, reloads and drains the whole of it. Owns the clock, the tasks and the signals."""

import asyncio
import dataclasses
import logging
import random
import secrets
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from proxy.assembly.files import files_of, texts_of
from proxy.assembly.identity import make_keys, make_rules
from proxy.assembly.parts import Tls, make_limits, make_manners, make_tls
from proxy.assembly.policy import make_policy
from proxy.audit.sink import Sink
from proxy.doors.health import Component, Probes, make_health_app
from proxy.enforcer import Enforcer
from proxy.errors import AuditUnwritable, ConfigurationError, KeysUnavailable, SettingsError
from proxy.metrics import Metrics, Observed, make_registry
from proxy.pipeline import Rules
from proxy.policy.model import Policy
from proxy.relay.addresses import Addresses
from proxy.relay.context import Context
from proxy.relay.descriptors import Shares, needed, raise_limit, share_out
from proxy.relay.pool import Pool
from proxy.relay.server import RelayServer
from proxy.settings import Settings
from proxy.settings.convert import contains
from proxy.version import __version__
from proxy.watch import Watch, watch_forever

log = logging.getLogger("moratorium.app")

KEY_REFRESH_SECONDS = 300.0
AUDIT_WATCH_SECONDS = 1.0

# What a reload may change. The rest is bound to sockets and needs a restart.
FIXED = (
    "listen", "metrics_listen", "upstream", "backend", "upstream_ca_file", "upstream_server_name",
    "tls_cert_file", "audit_file", "workers", "watch_seconds",
)  # fmt: skip


def refuse_fixed(old: Settings, new: Settings) -> None:
    """Raises `SettingsError` when a reload would have to change what it cannot."""
    fixed = [name for name in FIXED if getattr(new, name) != getattr(old, name)]
    if fixed:
        raise SettingsError([f"MORATORIUM_{name.upper()}: needs a restart" for name in fixed])


class Application:
    """One running proxy. `reread` gives the settings anew for a reload, `watch` says when one is due."""

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        reread: Callable[[], Settings],
        clock: Callable[[], float] = time.time,
        watch: Watch | None = None,
    ) -> None:
        self.settings = settings
        self._reread = reread
        self._watch = watch or Watch()
        self._watch.follow(files_of(settings))
        self._reloading = asyncio.Lock()
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._started = False
        self.metrics = Metrics()
        self._tls = make_tls(settings)
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
        shares = self._shares(settings)
        self.enforcer.max_in_flight = shares.in_flight
        self.relay = RelayServer(self._context(settings, shares), ceiling=shares.ceiling)
        self._use_tls(self._tls)
        self._health: web.AppRunner | None = None
        self.metrics.expect(policy, self.enforcer.rules.backend.operations())

    def __repr__(self) -> str:
        return f"<Application {self.enforcer!r} {self.relay!r}>"

    def _shares(self, settings: Settings) -> Shares:
        """What the file descriptors are enough for, after asking for as many as it takes."""
        connections = settings.max_connections
        in_flight = settings.max_in_flight or connections
        limit = raise_limit(needed(connections=connections, in_flight=in_flight))
        shares = share_out(limit, connections=connections, in_flight=in_flight)
        if shares.connections < connections or shares.in_flight < in_flight:
            enough_for = f"{shares.connections} connections and {shares.in_flight} calls in flight"
            why = f"{limit} file descriptors are enough for {enough_for}"
            log.warning("fewer connections than set", extra={"why": why})
        return shares

    def _use_tls(self, tls: Tls) -> None:
        self.relay.tls, self.relay.context.pool.tls = tls.clients, tls.upstream
        self.metrics.certificate_ends = tls.certificate_ends

    def _context(self, settings: Settings, shares: Shares) -> Context:
        upstream = settings.upstream
        addresses = Addresses(
            upstream.host,
            seconds=settings.upstream_resolve_seconds,
            clock=time.monotonic,
            spawn=self.spawn,
        )
        pool = Pool(
            addresses,
            upstream.port,
            tls=self._tls.upstream,
            server_name=settings.upstream_server_name or upstream.host,
            connect_seconds=settings.connect_seconds,
            idle_seconds=settings.upstream_idle_seconds,
            clock=time.monotonic,
        )
        return Context(
            enforcer=self.enforcer,
            pool=pool,
            limits=dataclasses.replace(make_limits(settings), connections=shares.connections),
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
        self._open_audit()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self.spawn(self.reload()))
        await self._start_health()
        await self._prepare_to_judge()
        listen = self.settings.listen
        try:
            await self.relay.start(listen.host, listen.port)
        except OSError as error:
            raise SettingsError([f"MORATORIUM_LISTEN: {listen}: {error.strerror}"]) from None
        if self.settings.watch_seconds:
            self.spawn(watch_forever(self._watch, self.settings.watch_seconds, self.reload))
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

    async def start_as_worker(self, listening: Sequence[socket.socket]) -> None:
        """Serve on sockets that another process has bound, which also sees to signals, probes and reloads."""
        self._open_audit()
        await self._prepare_to_judge()
        await self.relay.start_on(listening)
        self._started = True

    def _open_audit(self) -> None:
        try:
            self.audit.open()
        except AuditUnwritable as error:
            raise SettingsError([f"MORATORIUM_AUDIT_FILE: {error.why}"]) from None

    async def _prepare_to_judge(self) -> None:
        await self._refresh_keys()
        self.spawn(self._keep_keys())
        self.spawn(self._watch_audit())
        self.spawn(self.relay.sweep_forever())

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
        async with self._reloading:
            self._watch.take()
            try:
                settings = self._reread()
                self._watch.follow(files_of(settings))
                rules = await self.prepare(settings, make_policy(settings, texts_of(settings)))
            except ConfigurationError as error:
                self.metrics.reload_successful = 0
                log.error("reload refused, the old configuration stays", extra={"problems": error.problems})
                return
            self.adopt(settings, rules)
            log.info("reloaded", extra={"policy": rules.policy.revision})

    async def prepare(self, settings: Settings, policy: Policy) -> Rules:
        """What would hold under these settings; up to here a reload can be refused.

        Raises `ConfigurationError`. An issuer that is silent for the moment refuses nothing: the keys at hand
        go on as they always do. A key file is a part of the configuration, and must be right.
        """
        refuse_fixed(self.settings, settings)
        rules = make_rules(settings, policy)
        self._tls = make_tls(settings)
        if not await self._refresh_keys() and settings.jwt_key_file is not None:
            raise SettingsError([f"MORATORIUM_JWT_KEY_FILE: {settings.jwt_key_file}: no usable keys"])
        return rules

    def adopt(self, settings: Settings, rules: Rules) -> None:
        """Go on under these, at once and without fail."""
        self._reopen_audit()
        self.metrics.expect(rules.policy, rules.backend.operations())
        before = self.enforcer.rules.tokens
        rules.tokens.hits, rules.tokens.misses = before.hits, before.misses
        self.enforcer.rules = rules
        self.enforcer.manners = make_manners(settings)
        self._use_tls(self._tls)
        self.settings = settings
        self.metrics.reload_successful = 1

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

    def key_times(self) -> dict[str, float]:
        """When each issuer's keys were last had."""
        return {self.keys.issuer: self.keys.last_success}

    def components(self) -> list[Component]:
        """The parts that must be well for calls to be judged."""
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
            keys=self.key_times,
            tokens=lambda: (tokens.rules.tokens.hits, tokens.rules.tokens.misses),
            audit=lambda: (self.audit.records, self.audit.failures),
        )
        probes = Probes(
            components=self.components,
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
