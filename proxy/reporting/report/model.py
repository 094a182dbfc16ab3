"""What a transparency report says, as frozen values. A number that is None is withheld."""

from enum import StrEnum
from typing import Any, NamedTuple

from proxy.audit.record import stamp
from proxy.policy.callers import Instant
from proxy.policy.instants import format_instant


class Decided(StrEnum):
    """What became of a call. Of those allowed, the ones that would else be blocked are told apart."""

    ALLOWED = "allowed"
    EXEMPT = "exempt"
    """Allowed by an exemption."""
    SHADOW = "shadow"
    """Allowed because the moratorium that would block is in shadow mode."""
    BLOCKED = "blocked"
    REJECTED = "rejected"
    FAILED = "failed"


MEANINGS = {
    Decided.ALLOWED: "no moratorium was in the way",
    Decided.EXEMPT: "a moratorium would block, and one of its exemptions applied",
    Decided.SHADOW: "a moratorium in shadow mode would have blocked",
    Decided.BLOCKED: "a moratorium in force blocked the call",
    Decided.REJECTED: "the token or the request was not acceptable",
    Decided.FAILED: "no decision could be made or carried out",
}
DECIDED = tuple(Decided)


class Range(NamedTuple):
    """A half-open range of time."""

    start: Instant
    end: Instant

    @property
    def since(self) -> str:
        """As records tell time, so that both can be compared."""
        return stamp(self.start)

    @property
    def until(self) -> str:
        return stamp(self.end)

    def members(self) -> dict[str, str]:
        return {"from": format_instant(self.start), "to": format_instant(self.end)}


class Asked(NamedTuple):
    """What is wanted. `made`: the instant that the report names as its own."""

    range: Range
    made: Instant
    release: str
    small: int
    title: str
    operator: str


class Row(NamedTuple):
    """One line of a table: what it is about, and how many decisions of each kind there were."""

    names: tuple[str, ...]
    counts: tuple[int | None, ...]
    total: int | None
    partial: bool = False
    """A week of which the range has only a part."""


class Table(NamedTuple):
    """Decisions by something, each counted in one row. `rows` is None when all of it is withheld."""

    name: str
    title: str
    dimensions: tuple[str, ...]
    rows: tuple[Row, ...] | None


class Totals(NamedTuple):
    """Of the whole range. `decisions` is never withheld; `by` has one number for each of `DECIDED`."""

    decisions: int
    calls: int | None
    by: tuple[int | None, ...]
    odd: int = 0
    """Records that say of their decision what no record can say."""


class Rule(NamedTuple):
    """How small numbers are kept back, and how many numbers are."""

    small: int
    withheld: int
    tables: tuple[str, ...]
    """Those of which all is withheld."""


Period = tuple[str, str]
"""From a time to a time, as records tell it."""


class Revision(NamedTuple):
    """A policy that was in force in the range: when, and the files that have this digest."""

    digest: str
    periods: tuple[Period, ...]
    files: tuple[str, ...] = ()


class Change(NamedTuple):
    """Another policy was loaded, or the same again. `how`: `start` or `reload`. `old`: None if not known."""

    time: str
    how: str
    old: str | None
    new: str
    times: int
    """So many processes say the same."""


class Force(NamedTuple):
    """A span of a moratorium that touches the range, as policy files say. `here`: when these policies were
    in force as well, and so somebody was held to it."""

    policies: tuple[str, ...]
    here: tuple[Period, ...]
    moratorium: str
    title: str
    who: str
    state: str
    start: str | None
    end: str | None
    windows: tuple[str, ...]
    exemptions: tuple[str, ...]


class Seen(NamedTuple):
    """A moratorium that decisions of the range name, and the ends of what blocks that they tell."""

    moratorium: str
    ends: tuple[str, ...]


class GapKind(StrEnum):
    """Why nothing was recorded."""

    BROKEN_OFF = "broken-off"
    """A process ended without closing its chain."""
    STOPPED = "stopped"
    """All had closed their chains, and none was open."""
    TORN = "torn"
    """A record was cut short."""
    UNRECORDED = "unrecorded"
    """Decisions could not be recorded."""
    RETIRED = "retired"
    """A file was removed in order."""


class Gap(NamedTuple):
    """Something that the record does not hold. `end` is None where nobody knows."""

    kind: GapKind
    start: str
    end: str | None
    chain: str
    says: str


class Life(NamedTuple):
    """When a chain was written, for the chart. `closed`: in good order."""

    chain: str
    start: str
    end: str
    closed: bool


class Span(NamedTuple):
    """The part of a chain that lies in the range, and the checkpoint that vouches for it."""

    chain: str
    instance: str
    first: int
    last: int
    first_sha256: str
    last_sha256: str
    checkpoint: str | None
    """The whole line, so that its signature can be checked."""
    signed_to: int | None
    """The number of the last record under that checkpoint; None without a signature."""

    @property
    def unsigned(self) -> int:
        """So many records of the range are under no signature."""
        return self.last - max(self.first - 1, min(self.signed_to or -1, self.last))


class Report(NamedTuple):
    """All of it. `verification`: as `verify` says it; `left_out`: files that no count has."""

    title: str
    operator: str
    made: str
    release: str
    range: Range
    rule: Rule
    totals: Totals
    tables: tuple[Table, ...]
    revisions: tuple[Revision, ...]
    changes: tuple[Change, ...]
    forces: tuple[Force, ...]
    seen: tuple[Seen, ...]
    strangers: tuple[str, ...]
    """Policy files whose digest no record of the range names."""
    gaps: tuple[Gap, ...]
    lives: tuple[Life, ...]
    spans: tuple[Span, ...]
    verification: dict[str, Any]
    left_out: tuple[str, ...] = ()
