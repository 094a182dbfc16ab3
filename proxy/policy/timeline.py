"""WHO IS BLOCKED WHEN: a policy as lanes, one for each moratorium and organisation type.

A lane is about a type of organisation and not about one call: what the token would have to say besides (a
purpose, a place, evidence) stays open, and an exemption that might apply makes a span `exempt-only`.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import combinations, pairwise
from typing import NamedTuple

from proxy.policy.callers import ALWAYS, FOREVER, Caller, Instant, Principal, Relation
from proxy.policy.conditions import BoundIs, Party, PlaceIs, Question, within
from proxy.policy.engine import opens
from proxy.policy.explain import Entry, history_of
from proxy.policy.model import UNLIMITED, Exemption, Mode, Moratorium, Policy, Window
from proxy.policy.operations import OperationClass, operation
from proxy.policy.scope import bound_by

EVERYONE = "everyone"


class State(StrEnum):
    """What a lane's organisations meet while a window holds."""

    BLOCKED = "blocked"
    EXEMPT_ONLY = "exempt-only"
    """Blocked, unless an exemption applies."""
    SHADOW = "shadow"
    EXEMPT = "exempt"
    """An exemption asks no more than what the type says."""


class Span(NamedTuple):
    """A half-open span in one state. `windows`: ids of those that hold; `places`: empty for everywhere."""

    start: Instant
    end: Instant
    state: State
    windows: tuple[str, ...]
    exemptions: tuple[str, ...] = ()
    places: frozenset[str] = frozenset()


class Lane(NamedTuple):
    """One moratorium as it meets organisations of one type, `who`.

    `org_type` is None where it is not a type that binds. `some`: not all of the type are bound, it depends on
    the subtype, level or id. `history` is what does not count any more, or not yet.
    """

    moratorium: Moratorium
    who: str
    org_type: str | None
    some: bool
    classes: frozenset[OperationClass]
    spans: tuple[Span, ...]
    history: tuple[Entry, ...]

    @property
    def gaps(self) -> tuple[Window, ...]:
        """The times between spans in which it is not in force."""
        return tuple(Window(a.end, b.start) for a, b in pairwise(self.spans) if a.end < b.start)

    def at(self, now: Instant) -> Span | None:
        """The span that holds at an instant."""
        return next((span for span in self.spans if span.start <= now < span.end), None)


class Edge(NamedTuple):
    """An instant at which lanes of a moratorium change their state. None: not in force.

    `begun` and `ended`: exemptions that may apply from then on, or no more, while it stays in force.
    """

    at: Instant
    moratorium: str
    who: tuple[str, ...]
    before: State | None
    after: State | None
    begun: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()


class Overlap(NamedTuple):
    """A time in which two moratoria block the same types from the same classes."""

    start: Instant
    end: Instant
    moratoria: tuple[str, str]
    who: tuple[str, ...]
    classes: frozenset[OperationClass]


class Timeline(NamedTuple):
    """A policy in time."""

    lanes: tuple[Lane, ...]
    overlaps: tuple[Overlap, ...]
    edges: tuple[Edge, ...]


def timeline(
    policy: Policy,
    org_types: Iterable[str] = (),
    classes: Iterable[OperationClass] = (),
    known_at: Instant = FOREVER,
) -> Timeline:
    """The lanes of these organisation types and operation classes; without any, of all that are bound."""
    types, asked = tuple(org_types), frozenset(classes)
    lanes = tuple(
        lane
        for moratorium in policy.moratoria
        for lane in _lanes(moratorium, types, asked, policy.mode, known_at)
    )
    return Timeline(lanes, tuple(_overlaps(lanes)), tuple(_edges(lanes)))


# ---------------------------------------------------------------- lanes


def _lanes(
    moratorium: Moratorium,
    types: tuple[str, ...],
    asked: frozenset[OperationClass],
    mode: Mode,
    known_at: Instant,
) -> Iterator[Lane]:
    classes = moratorium.covers.classes & asked if asked else moratorium.covers.classes
    if asked and not classes:
        return
    history = history_of(moratorium, known_at)
    for who, org_type in _who(moratorium, types):
        member = Principal((org_type,) if org_type else ())
        if org_type and any(party.fits_wholly(member) for party in moratorium.binds.exceptions):
            continue
        spans = tuple(_spans(moratorium, member, classes, mode, history))
        some = bool(org_type) and not _binds_all(moratorium, member)
        past = tuple(entry for entry in history if not entry.counts)
        yield Lane(moratorium, who, org_type, some, classes, spans, past)


def _who(moratorium: Moratorium, types: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """The lanes' names, each with its type."""
    if types:
        return [(name, name) for name in types if moratorium.may_bind(name)]
    parties = moratorium.binds.parties
    if any(not _stated(party) for party in parties):
        return [(EVERYONE, None)]
    named = sorted({name for party in parties for name in party.org_types})
    others = sorted({word for party in parties if not party.org_types for word in _stated(party)})
    return [(name, name) for name in named] + ([(", ".join(others), None)] if others else [])


def _stated(party: Party) -> frozenset[str]:
    return party.org_types | party.org_subtypes | party.org_ids | party.levels


def _spans(
    moratorium: Moratorium,
    member: Principal,
    classes: frozenset[OperationClass],
    mode: Mode,
    history: tuple[Entry, ...],
) -> Iterator[Span]:
    """Cut where a window or an exemption begins or ends; neighbours that say the same are one."""
    windows = moratorium.windows
    cuts = {edge for window in windows for edge in window[:2]}
    cuts |= {edge for e in moratorium.exemptions if e.window != UNLIMITED for edge in e.window[:2]}
    last: Span | None = None
    for start, end in pairwise(sorted(cuts)):
        holding = [window for window in windows if window.start <= start < window.end]
        if not holding:
            continue
        found = _span(moratorium, member, classes, mode, holding, start)._replace(
            end=end, windows=_names(history, holding)
        )
        if last is not None and last.end == found.start and last[2:] == found[2:]:
            last = last._replace(end=end)
            continue
        if last is not None:
            yield last
        last = found
    if last is not None:
        yield last


def _span(
    moratorium: Moratorium,
    member: Principal,
    classes: frozenset[OperationClass],
    mode: Mode,
    holding: list[Window],
    start: Instant,
) -> Span:
    places: frozenset[str] = frozenset()
    if all(window.places for window in holding):
        places = places.union(*(window.places for window in holding))
    if Mode.SHADOW in (mode, moratorium.mode):
        return Span(start, FOREVER, State.SHADOW, (), (), places)
    call = Question(Caller("", member.org_types or ("",)), operation("", *classes), classes, (member,), start)
    open_to = [e for e in moratorium.exemptions if _may_open(e, member, classes, start)]
    names = tuple(exemption.id for exemption in open_to)
    if any(member.org_types and opens(exemption, call) for exemption in open_to):
        return Span(start, FOREVER, State.EXEMPT, (), names, places)
    return Span(start, FOREVER, State.EXEMPT_ONLY if names else State.BLOCKED, (), names, places)


def _may_open(
    exemption: Exemption, member: Principal, classes: frozenset[OperationClass], at: Instant
) -> bool:
    """Whether it can open something for a call of such an organisation, whatever else the call says."""
    if exemption.classes and classes and exemption.classes.isdisjoint(classes):
        return False
    return exemption.window.holds(at) and not any(
        isinstance(condition, BoundIs)
        and member.org_types
        and condition.party.org_types
        and condition.party.org_types.isdisjoint(member.org_types)
        for condition in exemption.conditions
    )


def _names(history: tuple[Entry, ...], holding: list[Window]) -> tuple[str, ...]:
    return tuple(e.chapter.id for e in history if e.counts and e.chapter.window in holding)


# ---------------------------------------------------------------- what lanes do together


def _edges(lanes: tuple[Lane, ...]) -> list[Edge]:
    """All of them in the order of time. Lanes of one moratorium that change alike are told together."""
    found: dict[Edge, list[str]] = {}
    for lane in lanes:
        for at in sorted(
            {edge for span in lane.spans for edge in (span.start, span.end)} - {ALWAYS, FOREVER}
        ):
            before = next((span for span in lane.spans if span.end == at), None)
            after = next((span for span in lane.spans if span.start == at), None)
            found.setdefault(_edge(at, lane.moratorium.id, before, after), []).append(lane.who)
    edges = [edge._replace(who=tuple(who)) for edge, who in found.items()]
    return sorted(edges, key=lambda edge: (edge.at, edge.moratorium))


def _edge(at: Instant, moratorium: str, before: Span | None, after: Span | None) -> Edge:
    begun: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    if before is not None and after is not None:
        begun = tuple(name for name in after.exemptions if name not in before.exemptions)
        ended = tuple(name for name in before.exemptions if name not in after.exemptions)
    return Edge(at, moratorium, (), before and before.state, after and after.state, begun, ended)


def _overlaps(lanes: tuple[Lane, ...]) -> list[Overlap]:
    found: dict[tuple[Instant, Instant, tuple[str, str], frozenset[OperationClass]], list[str]] = {}
    for one, other in combinations(lanes, 2):
        classes = one.classes & other.classes
        who = _both(one, other)
        if one.moratorium.id == other.moratorium.id or not who or not classes or _apart(one, other):
            continue
        names = (one.moratorium.id, other.moratorium.id)
        for start, end in _meet(one.spans, other.spans):
            found.setdefault((start, end, names, classes), []).append(who)
    return sorted(
        (
            Overlap(start, end, names, tuple(dict.fromkeys(who)), classes)
            for (start, end, names, classes), who in found.items()
        ),
        key=lambda overlap: (overlap.start, overlap.end, overlap.moratoria),
    )


def _both(one: Lane, other: Lane) -> str | None:
    """Of whom both lanes are, as far as types say."""
    if one.who == other.who or other.who == EVERYONE:
        return one.who
    return other.who if one.who == EVERYONE else None


def _apart(one: Lane, other: Lane) -> bool:
    """Whether the two are about different places, so that few calls are about both."""
    places = [[c for c in lane.moratorium.concerns if isinstance(c, PlaceIs)] for lane in (one, other)]
    return any(
        a.of == b.of
        and all(within(place, b.jurisdictions) is False for place in a.jurisdictions)
        and all(within(place, a.jurisdictions) is False for place in b.jurisdictions)
        for a in places[0]
        for b in places[1]
    )


def _meet(one: tuple[Span, ...], other: tuple[Span, ...]) -> Iterator[tuple[Instant, Instant]]:
    """The times in which both block, neighbours put together."""
    last: tuple[Instant, Instant] | None = None
    blocks = (State.BLOCKED, State.EXEMPT_ONLY)
    pairs = [(max(a.start, b.start), min(a.end, b.end)) for a in one for b in other
             if a.state in blocks and b.state in blocks]  # fmt: skip
    for start, end in sorted(pair for pair in pairs if pair[0] < pair[1]):
        if last is not None and last[1] == start:
            last = (last[0], end)
            continue
        if last is not None:
            yield last
        last = (start, end)
    if last is not None:
        yield last


def _binds_all(moratorium: Moratorium, member: Principal) -> bool:
    """Whether the type alone is enough to be bound, whatever else an organisation says of itself."""
    named = any(Relation.SELF in party.relations and party.fits(member) for party in moratorium.binds.parties)
    return named and bool(bound_by(moratorium.binds, [(Relation.SELF, member)]))
