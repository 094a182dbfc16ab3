"""The nouns of deciding: windows, exemptions, moratoria, policies, verdicts, refusals, permits.

Frozen values only; what a condition means is in `proxy.policy.conditions`, the decision in
`proxy.policy.engine`. Instants are seconds since the Unix epoch (UTC) as floats: the engine compares numbers
and never sees a time zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple

from proxy.messages import NO_IMPRINT, Imprint
from proxy.policy.callers import ALWAYS, FOREVER, Caller, Instant, Relation
from proxy.policy.conditions import Condition, Lasting, Party
from proxy.policy.operations import Medium, Operation, OperationClass, Trait
from proxy.policy.reasons import Decision, Reason


class Mode(StrEnum):
    """Whether a moratorium blocks, or only says that it would."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class Window(NamedTuple):
    """Half-open: in force at `start`, no longer in force at `end`.

    `places`: it counts only where one of these jurisdictions is concerned (local midnights differ); empty: it
    counts everywhere.
    """

    start: Instant = ALWAYS
    end: Instant = FOREVER
    places: frozenset[str] = frozenset()

    def holds(self, now: Instant) -> bool:
        return self.start <= now < self.end


UNLIMITED = Window()


class Chapter(NamedTuple):
    """One entry of a moratorium's history as its file tells it, in effect or replaced."""

    id: str
    reason: str
    window: Window
    recorded: Instant
    replaced_by: str | None = None


class Limit(NamedTuple):
    """How often an exemption may be used: `uses` in any `seconds` (infinite: ever), counted by evidence or
    by organisation."""

    uses: int
    seconds: float = FOREVER
    by: Literal["evidence", "organisation"] = "evidence"


@dataclass(frozen=True, slots=True)
class Exemption:
    """Lifts its own moratorium for calls that meet all its conditions.

    `classes` and `media`: what it opens, empty for everything covered. `obligations`: what the caller owes
    for using it, told in the answer and the record.
    """

    id: str
    conditions: tuple[Condition, ...] = ()
    classes: frozenset[OperationClass] = frozenset()
    media: frozenset[Medium] = frozenset()
    window: Window = UNLIMITED
    limit: Limit | None = None
    obligations: tuple[str, ...] = ()
    title: str = ""
    changing: bool = field(init=False)
    """Whether time alone can begin or end it."""

    def __post_init__(self) -> None:
        lasting = self.window == UNLIMITED and all(isinstance(c, Lasting) for c in self.conditions)
        object.__setattr__(self, "changing", not lasting)


@dataclass(frozen=True, slots=True)
class Authority:
    """Whose promise or rule it is, for the answer and the docs."""

    name: str = ""
    citation: str = ""
    url: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """Whom a moratorium binds: who is one of the parties and not one of the exceptions."""

    parties: tuple[Party, ...]
    exceptions: tuple[Party, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which operations a moratorium is about.

    `operations`: by the backend's own names, whatever their class. `traits`: narrows `analyze` to these.
    `media`: narrows all of it to these. `results`: whether fetching what was started before is covered too.
    """

    classes: frozenset[OperationClass]
    operations: frozenset[str] = frozenset()
    traits: frozenset[Trait] = frozenset()
    media: frozenset[Medium] = frozenset()
    results: bool = True


@dataclass(frozen=True, slots=True)
class Moratorium:
    """Binds parties, covers operations, concerns some calls of theirs, holds in windows, has exemptions.

    `concerns`: further conditions, of place, purpose or circumstances, which all must be met.
    """

    id: str
    binds: Binding
    covers: Coverage
    windows: tuple[Window, ...]
    title: str = ""
    concerns: tuple[Condition, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    mode: Mode = Mode.ENFORCE
    authority: Authority = field(default_factory=Authority)
    history: tuple[Chapter, ...] = ()
    backends: frozenset[str] = frozenset()
    local: bool = field(init=False)
    """Whether some window counts in some places only."""
    named: frozenset[str] | None = field(init=False)
    """The organisation types without one of which nobody is bound; None when there are no such."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "local", any(window.places for window in self.windows))
        named = [party.org_types for party in self.binds.parties]
        object.__setattr__(self, "named", frozenset().union(*named) if all(named) else None)

    def may_bind(self, org_type: str) -> bool:
        """Whether an organisation of this type can be one of the parties, for what its type says."""
        return any(not party.org_types or org_type in party.org_types for party in self.binds.parties)


Covering = tuple[tuple[Moratorium, frozenset[str] | None, frozenset[OperationClass]], ...]


class Route(NamedTuple):
    """One line of the operator's own table for the `generic` backend.

    `path` is exact, or ends a segment pattern: `{name}` stands for one non-empty segment.
    """

    methods: frozenset[str]
    path: str
    operation: Operation
    websocket: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """All that is decided by. The vocabularies are closed: a value outside them is refused.

    `routes` is the operation table of the `generic` backend. `revision` is the SHA-256 (hex) of
    what the policy was read from; `serial` counts the revisions of a distributed one. Not `known`: there is
    none yet, and nothing can be decided.
    """

    moratoria: tuple[Moratorium, ...]
    org_types: frozenset[str]
    purposes: frozenset[str]
    mode: Mode = Mode.ENFORCE
    unknown_operation: Literal["refuse", "allow"] = "refuse"
    routes: tuple[Route, ...] = ()
    revision: str = ""
    org_subtypes: frozenset[str] = frozenset()
    circumstances: Mapping[str, frozenset[str]] = field(default_factory=dict)
    serial: int = 0
    known: bool = True
    covering: dict[Operation, Covering] = field(init=False, repr=False, compare=False, default_factory=dict)
    """What the engine has worked out of each operation: the same as asking again, sooner."""


class Spend(NamedTuple):
    """One use of a limited exemption, to be taken before the call goes on. `key` names what is counted."""

    key: str
    limit: Limit


class Verdict(NamedTuple):
    """One decision and why. It stays true in `[now, holds_until)` for the same question.

    `rule` is the moratorium that decided, `exemption` the one that lifted it, `evidence` the digest of what
    was shown for that. `until` is the end of what blocks, None when it is open. `spends`: uses that must be
    taken first. `window`: the one of the rule that is in force; `until` is later where windows touch.
    """

    decision: Decision
    reason: Reason
    caller: Caller | None
    operation: Operation | None
    holds_until: Instant
    org_type: str = "none"
    rule: Moratorium | None = None
    exemption: str | None = None
    until: Instant | None = None
    detail: str = ""
    relation: Relation = Relation.SELF
    evidence: str | None = None
    obligations: tuple[str, ...] = ()
    spends: tuple[Spend, ...] = ()
    window: Window | None = None


class Refusal(NamedTuple):
    """Why something is not acceptable, as a value. `detail` is for people and never quotes the request.

    `caller`: who asks, where the token was good and the caller is not acceptable.
    """

    reason: Reason
    detail: str = ""
    caller: Caller | None = None


class Permit(NamedTuple):
    """The right to forward one call. Only `proxy.enforcer` makes these, after the record is written."""

    decision_id: bytes
    verdict: Verdict
    lines: bytes = b""
    """Field lines about the decision that the answer gets on its way down."""
    revision: str = ""
    """That of the policy by which it was decided."""
    imprint: Imprint = NO_IMPRINT
    """What its record keeps of the request."""
