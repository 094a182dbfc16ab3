"""What is read elsewhere at the moment of a scrape."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from proxy.policy.callers import Instant
from proxy.policy.model import Policy


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
