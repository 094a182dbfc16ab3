"""What the parent shows: the sum of its workers on the metrics listener, and probes that speak for all."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler

from proxy.distribution.subscription import Subscription
from proxy.doors.health import Component, Probes, make_health_app
from proxy.metrics import Metrics, Observed, make_registry
from proxy.policy.model import Policy
from proxy.settings import Settings
from proxy.version import __version__
from proxy.workers.child import Child
from proxy.workers.sums import CHAINS, KEY_FETCHES, Sums, show, together

MOST_CHAINS = 1000
"""So many are shown: workers that end again and again must not make a page longer and longer."""


@dataclass
class Board:
    """`children` are those that live, by their number. `policy` is what they decide by."""

    settings: Settings
    policy: Policy
    clock: Callable[[], float]
    issuers: tuple[str, ...] = ()
    children: dict[int, Child] = field(default_factory=dict)
    sums: Sums = field(default_factory=Sums)
    metrics: Metrics = field(default_factory=Metrics)
    subscription: Subscription | None = None
    restarts: int = 0
    started: bool = False
    draining: bool = False

    def ended(self, child: Child) -> None:
        """Its counts stay, it does not."""
        del self.children[child.number]
        self.sums.end(child.last())

    def all_serve(self) -> bool:
        serving = sum(child.serving for child in self.children.values())
        return serving == self.settings.workers

    async def look(self) -> None:
        """Ask every worker, then add up. Nothing is awaited between the adding and whoever reads the sums."""
        await asyncio.gather(*(child.look() for child in self.children.values()))
        living = [child.snapshot for child in self.children.values()]
        self.sums.add_up(living)
        show(self.sums.counts, self.metrics)
        self.metrics.in_flight = self.sums.in_flight
        ends = [snapshot.certificate_ends for snapshot in living if snapshot.certificate_ends is not None]
        self.metrics.certificate_ends = min(ends, default=None)
        self.metrics.clock_offsets = {
            source: max((s.clock_offsets.get(source, 0.0) for s in living), key=abs)
            for source in sorted({source for s in living for source in s.clock_offsets})
        }

    def components(self) -> list[Component]:
        """The first fault of each kind, with the worker that has it."""
        old = self.subscription.fault() if self.subscription is not None else None
        parts: dict[str, str | None] = {"policy": old, "keys": None, "audit": None, "workers": None}
        for number in range(1, self.settings.workers + 1):
            child = self.children.get(number)
            fault = f"worker {number} is not there" if child is None else child.fault()
            parts["workers"] = parts["workers"] or fault
            if child is not None and child.serving:
                for name, fault in child.snapshot.faults.items():
                    parts[name] = parts.get(name) or (f"worker {number}: {fault}" if fault else None)
        return [Component(name, fault) for name, fault in parts.items()]

    def key_times(self) -> dict[str, float]:
        """For each issuer the oldest success among the workers that serve: the worst is what matters."""
        times: dict[str, float] = {}
        for child in self.children.values():
            if child.serving:
                for issuer, moment in child.snapshot.keys.items():
                    times[issuer] = min(moment, times.get(issuer, moment))
        return {issuer: times.get(issuer, 0.0) for issuer in self.issuers}

    def key_fetches(self) -> dict[str, tuple[int, int]]:
        """For each issuer, how often all workers together had its keys, and how often not."""
        counts = self.sums.counts
        return {
            issuer: (
                counts.get((KEY_FETCHES, issuer, "success"), 0),
                counts.get((KEY_FETCHES, issuer, "failure"), 0),
            )
            for issuer in self.issuers
        }

    def chains(self) -> dict[str, int]:
        """Decisions recorded in each of the last chains of all workers."""
        counts = self.sums.counts
        found = {key[1]: count for key, count in counts.items() if key[0] == CHAINS}
        return dict([*found.items()][-MOST_CHAINS:])

    def door(self) -> web.Application:
        """The application of the metrics listener."""
        observed = Observed(
            version=__version__,
            backend=self.settings.backend,
            clock=self.clock,
            policy=lambda: self.policy,
            keys=self.key_times,
            key_fetches=self.key_fetches,
            tokens=lambda: self.sums.pair("tokens", "hits", "misses"),
            audit=lambda: self.sums.pair("audit", "records", "failures"),
            distribution=lambda: self.subscription,
            restarts=lambda: self.restarts,
            workers=lambda: self.sums.usage,
            chains=self.chains,
            lost=lambda: self.sums.pair("audit", "outcomes lost", "witness failures"),
            gauges=lambda: together(child.snapshot for child in self.children.values()),
        )
        probes = Probes(
            components=self.components, started=lambda: self.started, draining=lambda: self.draining
        )

        @web.middleware
        async def look_first(request: web.Request, handler: Handler) -> web.StreamResponse:
            # Not for the question whether we live: that must not hang on a worker.
            if request.path in ("/metrics", "/readyz"):
                await self.look()
            return await handler(request)

        app = make_health_app(make_registry(self.metrics, observed), probes)
        app.middlewares.append(look_first)
        return app
