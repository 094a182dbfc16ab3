"""COUNTS: plain numbers on the way of a call, folded into Prometheus families when somebody scrapes.

Fed by verdicts. Every label value is a member of a closed set, and every series that can occur starts at
zero, so that a rate over the first event is right and "no data" means no data.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from ctypes import Structure, c_uint64
from itertools import product
from typing import NamedTuple, Protocol

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from proxy.policy.callers import FOREVER, Instant
from proxy.policy.model import Mode, Policy, Verdict
from proxy.policy.operations import Operation
from proxy.policy.reasons import MEANINGS, Decision, Reason
from proxy.policy.windows import in_force, next_edge

REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
OVERHEAD_BUCKETS = (0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)

# Reasons that are reached once caller and operation are known; the others have neither.
_DECIDED = frozenset(
    {
        Reason.NOT_BOUND, Reason.NOT_COVERED, Reason.OUTSIDE_WINDOW, Reason.OUTSIDE_JURISDICTION,
        Reason.OUTSIDE_SCOPE, Reason.EXEMPT, Reason.SHADOW_BLOCKED, Reason.MORATORIUM,
    }
)  # fmt: skip
# Refused after the caller is known and before the operation is.
_UNCLASSIFIED = (
    Reason.ORG_TYPE_NOT_ENTITLED,
    Reason.ORG_SUSPENDED,
    Reason.ORG_NOT_REGISTERED,
    Reason.ORG_REGISTRATION_EXPIRED,
    Reason.ORG_DISAGREES,
    Reason.DELEGATION_MISSING,
    Reason.TOKEN_REVOKED,
    Reason.TARGET_NOT_CANONICAL,
    Reason.REQUEST_AMBIGUOUS,
    Reason.CREDENTIALS_AMBIGUOUS,
    Reason.MEDIA_BY_REFERENCE,
)
_UNKNOWN = (Reason.OPERATION_UNKNOWN, Reason.UNKNOWN_OPERATION_ALLOWED)


class Histogram:
    """Counts per bucket and a sum; cumulative only when read."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus wants them: upper bound, count of all at or below it."""
        pairs, running = [], 0
        for bound, count in zip((*self.bounds, FOREVER), self.counts, strict=True):
            running += count
            pairs.append(("+Inf" if bound == FOREVER else repr(bound), float(running)))
        return pairs


class Tally(Structure):
    """One series of `moratorium_decisions_total`. It may lie in memory that outlives its process."""

    _fields_ = (("count", c_uint64),)
    count: int


Series = tuple[Decision, Reason, str, str, Mode]
"""Decision, reason, type of organisation, classes of the operation, mode."""


class Metrics:
    """Everything that is counted. Numbers are public: the enforcer and the relay add to them directly.

    `make`: gives a series its tally.
    """

    def __init__(self, make: Callable[[Series], Tally] = lambda _series: Tally()) -> None:
        self._make = make
        self.decisions: dict[Series, Tally] = {}
        self.in_flight = 0
        self.handshakes_failed = 0
        self.turned_away = 0
        self.certificate_ends: float | None = None
        self.doubted = 0
        self.clock_offsets: dict[str, float] = {}
        self.requests = {decision: Histogram(REQUEST_BUCKETS) for decision in Decision}
        self.overhead = Histogram(OVERHEAD_BUCKETS)
        self.upstream = Histogram(REQUEST_BUCKETS)
        self.reload_successful = 1

    def tally(self, verdict: Verdict, mode: Mode) -> Tally:
        """Where decisions like this one are counted."""
        org_type, label = verdict.org_type, "none"
        if verdict.decision is Decision.FAILED:
            # Whose call it was does not matter to a failure of ours or the upstream's; the record tells.
            org_type = "none"
        elif verdict.operation is not None:
            label = verdict.operation.label
        return self._of((verdict.decision, verdict.reason, org_type, label, mode))

    def recorded(self) -> int:
        """Decisions of all series but those that say that there is no record."""
        unwritable = Reason.AUDIT_UNWRITABLE
        return sum(tally.count for series, tally in self.decisions.items() if series[1] is not unwritable)

    def expect(self, policy: Policy, operations: tuple[Operation, ...]) -> None:
        """Start every series that this policy and backend can bring about at zero."""
        bound = {t for t in policy.org_types if any(m.may_bind(t) for m in policy.moratoria)}
        labels = sorted({operation.label for operation in operations})
        for org_type, label, reason in product(sorted(policy.org_types), labels, sorted(_DECIDED)):
            if org_type in bound or reason is Reason.NOT_BOUND:
                self._start(reason, org_type, label, policy.mode)
        for org_type, reason in product(sorted(policy.org_types), _UNKNOWN):
            self._start(reason, org_type, "unknown", policy.mode)
        for org_type, reason in product(sorted(policy.org_types), _UNCLASSIFIED):
            self._start(reason, org_type, "none", policy.mode)
        for reason in Reason:
            if reason not in _DECIDED and reason not in _UNKNOWN:
                org_type = "other" if reason is Reason.ORG_TYPE_UNKNOWN else "none"
                self._start(reason, org_type, "none", policy.mode)

    def _start(self, reason: Reason, org_type: str, label: str, mode: Mode) -> None:
        self._of((MEANINGS[reason].decision, reason, org_type, label, mode))

    def _of(self, series: Series) -> Tally:
        tally = self.decisions.get(series)
        if tally is None:
            tally = self.decisions[series] = self._make(series)
        return tally


class Distribution(Protocol):
    """What is counted of a policy that comes from an address. `refused`: what it has now must not be used."""

    last_success: float
    refused: bool

    def counts(self) -> Mapping[str, int]:
        """How often asking ended how."""


class Gauges(NamedTuple):
    """What stands how just now. `moments`: those of `MOMENTS` that are known."""

    unsigned: int = 0
    held_bytes: int = 0
    moments: Mapping[str, Instant] = {}


MOMENTS = {
    "audit_last_checkpoint": "When the chain of records was opened or last had a checkpoint.",
    "audit_witness_last_success": "When the audit's witness last heard of a checkpoint; 0 for never.",
    "upstream_credential_end": "When the face API's credential that is at hand ends.",
}
"""Of several processes the earliest counts: it is the worst."""


class Observed:
    """What is read elsewhere at the moment of a scrape."""

    def __init__(
        self,
        *,
        version: str,
        backend: str,
        clock: Callable[[], Instant],
        policy: Callable[[], Policy],
        keys: Callable[[], dict[str, float]],
        tokens: Callable[[], tuple[int, int]],
        audit: Callable[[], tuple[int, int]],
        key_fetches: Callable[[], Mapping[str, tuple[int, int]]] = dict,
        distribution: Callable[[], "Distribution | None"] = lambda: None,
        restarts: Callable[[], int] = int,
        workers: Callable[[], Mapping[str, float]] = dict,
        chains: Callable[[], Mapping[str, int]] = dict,
        lost: Callable[[], tuple[int, int]] = lambda: (0, 0),
        gauges: Callable[[], Gauges] = Gauges,
    ) -> None:
        self.version = version
        self.backend = backend
        self.clock = clock
        self.policy = policy
        self.keys = keys
        self.key_fetches = key_fetches
        self.tokens = tokens
        self.audit = audit
        self.distribution = distribution
        self.restarts = restarts
        self.workers = workers
        self.chains = chains
        self.lost = lost
        self.gauges = gauges


class MoratoriumCollector(Collector):
    """Folds the numbers into metric families."""

    def __init__(self, metrics: Metrics, observed: Observed) -> None:
        self._metrics = metrics
        self._observed = observed

    def collect(self) -> Iterator[Metric]:
        yield self._decisions()
        yield self._chains()
        yield from self._times()
        yield from self._windows()
        yield from self._distribution()
        yield from self._gauges()
        yield from self._state()

    def _decisions(self) -> Metric:
        family = CounterMetricFamily(
            "moratorium_decisions",
            "Decisions, one for each audit record.",
            labels=("decision", "reason", "org_type", "operation", "mode"),
        )
        for key, tally in self._metrics.decisions.items():
            family.add_metric([str(part) for part in key], tally.count)
        return family

    def _chains(self) -> Metric:
        family = CounterMetricFamily(
            "moratorium_chain_decisions", "Decisions recorded in each chain.", labels=("chain",)
        )
        for chain, count in self._observed.chains().items():
            family.add_metric([chain], count)
        return family

    def _times(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "moratorium_requests_in_flight", "Calls being relayed.", value=self._metrics.in_flight
        )
        requests = HistogramMetricFamily(
            "moratorium_request_duration_seconds",
            "From the end of a request's head to the end of its answer.",
            labels=("decision",),
        )
        for decision, histogram in self._metrics.requests.items():
            requests.add_metric([str(decision)], histogram.buckets(), histogram.total)
        yield requests
        for name, text, histogram in (
            ("overhead", "Ours alone: from a head read to its head sent upstream.", self._metrics.overhead),
            ("upstream_duration", "From a head sent upstream to its answer's head.", self._metrics.upstream),
        ):
            family = HistogramMetricFamily(f"moratorium_{name}_seconds", text)
            family.add_metric([], histogram.buckets(), histogram.total)
            yield family

    def _windows(self) -> Iterator[Metric]:
        now, policy = self._observed.clock(), self._observed.policy()
        opened = GaugeMetricFamily(
            "moratorium_window_open", "1 while the moratorium is in force.", labels=("policy",)
        )
        edges = GaugeMetricFamily(
            "moratorium_window_changes_timestamp_seconds",
            "The next start or end; +Inf when there is none.",
            labels=("policy",),
        )
        for moratorium in policy.moratoria:
            opened.add_metric([moratorium.id], float(in_force(moratorium.windows, now) is not None))
            edges.add_metric([moratorium.id], next_edge(moratorium.windows, now))
        yield opened
        yield edges
        info = GaugeMetricFamily("moratorium_policy_info", "The policy decided by.", labels=("revision",))
        if policy.known:
            info.add_metric([policy.revision], 1)
        yield info

    def _distribution(self) -> Iterator[Metric]:
        found = self._observed.distribution()
        yield GaugeMetricFamily(
            "moratorium_policy_serial",
            "The serial number of the bundle decided by; 0 for a policy from files or none yet.",
            value=self._observed.policy().serial,
        )
        success = GaugeMetricFamily(
            "moratorium_policy_last_success_timestamp_seconds",
            "When the policy's address last had a bundle that is good; 0 for never.",
        )
        fetches = CounterMetricFamily(
            "moratorium_policy_fetch", "How asking the policy's address ended.", labels=("result",)
        )
        if found is not None:
            success.add_metric([], found.last_success)
            for result, count in found.counts().items():
                fetches.add_metric([result], count)
        yield success
        yield fetches

    def _gauges(self) -> Iterator[Metric]:
        gauges = self._observed.gauges()
        yield GaugeMetricFamily(
            "moratorium_audit_unsigned_records", "Records since the last checkpoint.", value=gauges.unsigned
        )
        yield GaugeMetricFamily(
            "moratorium_held_bytes",
            "Of bodies that are collected before their calls go on.",
            value=gauges.held_bytes,
        )
        for name, text in MOMENTS.items():
            family = GaugeMetricFamily(f"moratorium_{name}_timestamp_seconds", text)
            if name in gauges.moments:
                family.add_metric([], gauges.moments[name])
            yield family

    def _state(self) -> Iterator[Metric]:
        distribution = self._observed.distribution()
        refused = distribution is not None and distribution.refused
        yield GaugeMetricFamily(
            "moratorium_config_last_reload_successful",
            "0 after a reload or a bundle was refused and the old configuration stayed.",
            value=0 if refused else self._metrics.reload_successful,
        )
        certificate = GaugeMetricFamily(
            "moratorium_tls_certificate_end_timestamp_seconds",
            "When the certificate that clients are shown is no longer valid.",
        )
        if self._metrics.certificate_ends is not None:
            certificate.add_metric([], self._metrics.certificate_ends)
        yield certificate
        clock = GaugeMetricFamily(
            "moratorium_clock_offset_seconds",
            "How far a source of time is ahead of the clock that is believed.",
            labels=("source",),
        )
        for source, offset in self._metrics.clock_offsets.items():
            clock.add_metric([source], offset)
        yield clock
        keys = GaugeMetricFamily(
            "moratorium_jwks_last_success_timestamp_seconds",
            "When an issuer's keys were last had; 0 for never.",
            labels=("issuer",),
        )
        for issuer, moment in self._observed.keys().items():
            keys.add_metric([issuer], moment)
        yield keys
        fetches = CounterMetricFamily(
            "moratorium_jwks_fetch", "How asking for an issuer's keys ended.", labels=("issuer", "result")
        )
        for issuer, (had, missed) in self._observed.key_fetches().items():
            fetches.add_metric([issuer, "success"], had)
            fetches.add_metric([issuer, "failure"], missed)
        yield fetches
        hits, misses = self._observed.tokens()
        records, failures = self._observed.audit()
        outcomes, unheard = self._observed.lost()
        for name, text, value in (
            ("token_cache_hits", "Tokens that had been verified before.", hits),
            ("token_cache_misses", "Tokens verified anew or refused.", misses),
            ("audit_records", "Records written.", records),
            ("audit_failures", "Records that could not be written.", failures),
            ("audit_outcomes_lost", "Ends of calls that were not recorded.", outcomes),
            ("audit_witness_failures", "Times that the audit's witness did not hear.", unheard),
            ("tls_handshake_failures", "Handshakes that failed.", self._metrics.handshakes_failed),
            ("connections_turned_away", "Closed for lack of descriptors.", self._metrics.turned_away),
            ("clock_doubted_decisions", "Decided while clocks disagreed.", self._metrics.doubted),
            ("worker_restarts", "Workers that ended and were replaced.", self._observed.restarts()),
        ):
            yield CounterMetricFamily(f"moratorium_{name}", text, value=value)
        yield InfoMetricFamily(
            "moratorium_build",
            "The program that runs.",
            value={"version": self._observed.version, "backend": self._observed.backend},
        )


def usage() -> dict[str, float]:
    """What this process has used so far and uses now, under the names that Prometheus knows."""
    families = ProcessCollector(registry=None).collect()
    return {s.name: s.value for family in families for s in family.samples if s.name in _SUMMED}


_SUMMED = frozenset(
    {
        "process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes",
        "process_open_fds",
    }
)  # fmt: skip


class UsageCollector(Collector):
    """`process_*` of this process, with what its workers use added."""

    def __init__(self, workers: Callable[[], Mapping[str, float]]) -> None:
        self._own = ProcessCollector(registry=None)
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        workers = self._workers()
        for family in self._own.collect():
            family.samples = [s._replace(value=s.value + workers.get(s.name, 0.0)) for s in family.samples]
            yield family


def make_registry(metrics: Metrics, observed: Observed) -> CollectorRegistry:
    """A registry of our own with the process and interpreter metrics people expect."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MoratoriumCollector(metrics, observed))
    registry.register(UsageCollector(observed.workers))
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
