"""Builds, runs, reloads and drains the whole of it. Owns the clock, the tasks and the signals."""

import asyncio
import logging
import secrets
import signal
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aiohttp import web

from proxy.assembly.audit import make_archive
from proxy.assembly.credentials import Upstream, make_upstream
from proxy.assembly.distribution import make_renewal
from proxy.assembly.doors import open_doors
from proxy.assembly.files import Texts, files_of, identity_texts_of, standing_texts_of
from proxy.assembly.fixed import refuse_fixed
from proxy.assembly.identity import Identity, make_identity, make_keys, make_rules
from proxy.assembly.parts import Tls, make_manners, make_tls
from proxy.assembly.policy import policy_at_hand
from proxy.assembly.standing import make_standing
from proxy.assembly.traffic import make_context, make_shares
from proxy.authn.keyring import KeyRing
from proxy.clock import Clock
from proxy.distribution.bundle import Bundle
from proxy.distribution.subscription import Subscription
from proxy.doors.health import Component, Probes, make_health_app
from proxy.doors.listener import open_listener
from proxy.enforcer import Enforcer
from proxy.errors import AuditUnwritable, ConfigurationError, SettingsError
from proxy.hearsay import Hearsay
from proxy.ledger import Ledger
from proxy.metrics import Gauges, Metrics, Observed, make_registry
from proxy.pipeline import Rules
from proxy.policy.model import Policy
from proxy.relay.server import RelayServer
from proxy.settings import Settings
from proxy.version import __version__
from proxy.watch import Watch, watch_forever

log = logging.getLogger("moratorium.app")

AUDIT_WATCH_SECONDS = 1.0


class Application:
    """One running proxy. `reread` gives the settings anew for a reload, `watch` says when one is due."""

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        reread: Callable[[], Settings],
        clock: Callable[[], float] | None = None,
        watch: Watch | None = None,
        subscription: Subscription | None = None,
        standing_texts: Texts | None = None,
        identity: Identity | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.settings = settings
        self._subscription = subscription
        self._reread = reread
        self._watch = watch or Watch()
        self._watch.follow(files_of(settings))
        self._reloading = asyncio.Lock()
        self._clock = clock = clock or Clock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._started = False
        self.metrics = metrics or Metrics()
        self._tls = make_tls(settings)
        self._next: tuple[Identity, KeyRing, Tls, Texts, Upstream] | None = None
        self._standing_texts = standing_texts_of(settings) if standing_texts is None else standing_texts
        instance = secrets.token_hex(6)
        self.archive = make_archive(settings, instance, clock)
        self.audit = self.archive.journal
        self.identity = identity or make_identity(settings, identity_texts_of(settings))
        self._hear = Hearsay(clock)
        self.keys = make_keys(settings, self.identity, clock, hear=self._hear.issuer)
        self.enforcer = Enforcer(
            rules=self._make_rules(settings, policy, self._standing_texts, self.identity),
            keys=self.keys,
            audit=self.audit,
            metrics=self.metrics,
            clock=clock,
            instance=instance,
            manners=make_manners(settings),
            allow_unrecorded=settings.on_audit_failure == "allow-and-count",
            ledger=Ledger(settings.uses_file),
        )
        if isinstance(clock, Clock):
            self.enforcer.doubts = clock.doubts
        self._use_upstream(make_upstream(settings, clock))
        shares = make_shares(settings)
        self.enforcer.max_in_flight = shares.in_flight
        self.relay = RelayServer(
            make_context(settings, shares, self.enforcer, self._tls, self.spawn, self._hear.upstream),
            ceiling=shares.ceiling,
        )
        self._use_tls(self._tls)
        self._health: web.AppRunner | None = None
        self._doors: list[web.AppRunner] = []
        self.metrics.expect(policy, self.enforcer.rules.backend.operations())

    def __repr__(self) -> str:
        return f"<Application {self.enforcer!r} {self.relay!r}>"

    def _use_tls(self, tls: Tls) -> None:
        self.relay.tls, self.relay.context.pool.tls = tls.clients, tls.upstream
        self.metrics.certificate_ends = tls.certificate_ends

    def _use_upstream(self, upstream: Upstream) -> None:
        self.upstream, self.enforcer.credential = upstream, upstream.credential

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
        self._doors = await open_doors(self.settings, self._clock, lambda: self.upstream.jwks())
        if self._subscription is not None:
            await self._subscription.begin(self._take)
            self.spawn(self._subscription.poll_forever(self._take))
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
            self.archive.open(version=__version__, policy=self.enforcer.rules.policy.revision)
        except AuditUnwritable as error:
            raise SettingsError([f"MORATORIUM_AUDIT_FILE: {error.why}"]) from None

    async def _prepare_to_judge(self) -> None:
        await self.keys.refresh()
        self.keys.keep(self.spawn)
        self.upstream.keep(self.spawn)
        self.spawn(self._watch_audit())
        self.spawn(self.archive.tidy_forever())
        self.spawn(self.archive.tell_forever())
        self.spawn(self._hear.watch_forever(self.metrics))
        self.spawn(self.relay.sweep_forever())

    async def stop(self) -> None:
        """Not ready at once; calls under way may end; then everything is closed."""
        log.info("draining", extra={"signal": "stop"})
        await self.relay.drain(self.settings.drain_seconds)
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for door in (*self._doors, *([self._health] if self._health is not None else ())):
            await door.cleanup()
        await self.archive.end()
        self.enforcer.ledger.close()

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
                renew = make_renewal(self._subscription, settings)
                rules = await self.prepare(settings, policy_at_hand(settings, self._bundle()))
            except ConfigurationError as error:
                self.metrics.reload_successful = 0
                log.error("reload refused, the old configuration stays", extra={"problems": error.problems})
                return
            self.adopt(settings, rules)
            renew()
            self.metrics.reload_successful = 1
            log.info("reloaded", extra={"policy": rules.policy.revision})

    def _make_rules(self, settings: Settings, policy: Policy, texts: Texts, identity: Identity) -> Rules:
        return make_rules(settings, policy, identity, make_standing(settings, policy, texts))

    async def prepare(
        self,
        settings: Settings,
        policy: Policy,
        texts: Texts | None = None,
        identity: Identity | None = None,
    ) -> Rules:
        """What would hold under these settings; up to here a reload can be refused.

        Raises `ConfigurationError`. An issuer that is silent for the moment refuses nothing: the keys at hand
        go on as they always do. A key file is a part of the configuration, and must be right.
        """
        self._next = None
        refuse_fixed(self.settings, settings)
        identity = identity or make_identity(settings, identity_texts_of(settings))
        texts = standing_texts_of(settings) if texts is None else texts
        rules = self._make_rules(settings, policy, texts, identity)
        tls = make_tls(settings)
        keys = make_keys(settings, identity, self._clock, before=self.keys, hear=self._hear.issuer)
        upstream = make_upstream(settings, self._clock, before=self.upstream)
        await asyncio.gather(keys.refresh(), upstream.prove(self.upstream))
        self._next = identity, keys, tls, texts, upstream
        return rules

    def adopt(self, settings: Settings, rules: Rules) -> None:
        """Go on under these, at once and without fail."""
        self.archive.reopen()
        old, new = self.enforcer.rules.policy.revision, rules.policy.revision
        self.audit.event("policy", self._clock(), old=old, new=new)
        self.metrics.expect(rules.policy, rules.backend.operations())
        before = self.enforcer.rules.tokens
        rules.tokens.hits, rules.tokens.misses = before.hits, before.misses
        self.enforcer.rules = rules
        self._use_next()
        self.enforcer.manners = make_manners(settings)
        self.settings = settings

    async def _take(self, bundle: Bundle) -> None:
        """Go on under a policy that has been published. Raises `PolicyError`; then nothing has changed."""
        async with self._reloading:
            policy = policy_at_hand(self.settings, bundle)
            rules = self._make_rules(self.settings, policy, self._standing_texts, self.identity)
            self.adopt(self.settings, rules)

    def _bundle(self) -> Bundle | None:
        return self._subscription.bundle if self._subscription is not None else None

    # ------------------------------------------------------------ what goes on in the background

    def _use_next(self) -> None:
        """Go on with the keys, certificates and files that were prepared, if any were."""
        if self._next is None:
            return
        self.keys.end()
        self.identity, self.keys, tls, self._standing_texts, upstream = self._next
        self._next = None
        self.upstream.end_before(upstream)
        self._use_upstream(upstream)
        upstream.keep(self.spawn)
        self._use_tls(tls)
        self.enforcer.keys = self.keys
        self.keys.keep(self.spawn)

    async def _watch_audit(self) -> None:
        while True:
            await asyncio.sleep(AUDIT_WATCH_SECONDS)
            self.archive.look()

    # ------------------------------------------------------------ health

    def _policy_fault(self) -> str | None:
        if self._subscription is not None:
            return self._subscription.fault()
        return None if self.enforcer.rules.policy.known else "no policy yet"

    def components(self) -> list[Component]:
        """The parts that must be well for calls to be judged."""
        now, upstream = self._clock(), self.upstream
        return [
            Component("policy", self._policy_fault()),
            Component("keys", self.keys.fault(now)),
            Component("audit", self.audit.sink.writable()),
            *([Component("credential", upstream.fault(now))] if upstream.credential is not None else ()),
        ]

    def lost(self) -> tuple[int, int]:
        """Ends of calls that were not recorded, and how often the witness did not hear."""
        witness = self.audit.terms.witness
        return self.audit.lost_outcomes, witness.failures if witness is not None else 0

    def gauges(self) -> Gauges:
        """What stands how just now."""
        witness, refreshed = self.audit.terms.witness, self.upstream.refreshed
        moments = {
            "audit_last_checkpoint": self.audit.signed_at,
            "audit_witness_last_success": witness.last_success if witness is not None else None,
            "upstream_credential_end": refreshed.until if refreshed is not None else None,
        }
        known = {name: moment for name, moment in moments.items() if moment is not None}
        return Gauges(self.audit.unsigned, self.relay.context.held_bytes, known)

    async def _start_health(self) -> None:
        tokens = self.enforcer
        observed = Observed(
            version=__version__,
            backend=self.settings.backend,
            clock=self._clock,
            policy=lambda: self.enforcer.rules.policy,
            keys=lambda: self.keys.times(),
            key_fetches=lambda: self.keys.fetches(),
            tokens=lambda: (tokens.rules.tokens.hits, tokens.rules.tokens.misses),
            audit=lambda: (self.audit.records, self.audit.failures),
            distribution=lambda: self._subscription,
            chains=lambda: {self.audit.chain.id: self.metrics.recorded()},
            lost=self.lost,
            gauges=self.gauges,
        )
        probes = Probes(
            components=self.components,
            started=lambda: self._started,
            draining=lambda: self.relay.context.draining,
        )
        app = make_health_app(make_registry(self.metrics, observed), probes)
        listen = self.settings.metrics_listen
        self._health = await open_listener(app, listen.host, listen.port, "MORATORIUM_METRICS_LISTEN")
