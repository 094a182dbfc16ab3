"""Numbers on the way of a call. Whoever counts adds to them; nothing is locked, for one thread does."""

from bisect import bisect_left
from collections.abc import Callable
from ctypes import Structure, c_uint64
from itertools import product

from proxy.policy.callers import FOREVER
from proxy.policy.model import Mode, Policy, Verdict
from proxy.policy.operations import Operation
from proxy.policy.reasons import MEANINGS, Decision, Reason

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
