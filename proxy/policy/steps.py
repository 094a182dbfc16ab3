"""What a rule asks of a call, one step at a time, in words, and whether the call is so.

Each step is put to the engine alone, as a rule that asks nothing else.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from proxy.policy.callers import ALWAYS, FOREVER, Caller, Instant
from proxy.policy.conditions import (
    EVERY_RELATION,
    BoundIs,
    CircumstanceIs,
    Condition,
    HasCase,
    Party,
    PlaceIs,
    PurposeIs,
    PurposeIsNot,
    Question,
    Shows,
    within,
)
from proxy.policy.engine import opens
from proxy.policy.instants import format_instant
from proxy.policy.model import UNLIMITED, Binding, Coverage, Exemption, Limit, Moratorium, Window
from proxy.policy.operations import Operation, OperationClass
from proxy.policy.scope import Bound, bound_by, covered_by
from proxy.policy.windows import in_force, next_edge


class Kind(StrEnum):
    """What a step looks at."""

    PARTY = "party"
    OPERATION = "operation"
    PLACE = "place"
    PURPOSE = "purpose"
    CIRCUMSTANCE = "circumstance"
    CASE = "case"
    EVIDENCE = "evidence"
    WINDOW = "window"
    MEDIA = "media"
    LIMIT = "limit"
    MODE = "mode"


class Step(NamedTuple):
    """One thing that is asked, and whether the call is so.

    `asks` ends a sentence that begins with "needs"; `why` says more about the call.
    `changes_at`: the first instant at which time alone may change the answer.
    """

    kind: Kind
    asks: str
    met: bool
    why: str = ""
    changes_at: Instant = FOREVER


def question_of(
    caller: Caller, operation: Operation, covered: frozenset[OperationClass], bound: Bound, now: Instant
) -> Question:
    """The call as conditions see it."""
    return Question(caller, operation, covered, tuple(principal for _, principal in bound), now)


# ---------------------------------------------------------------- whom, what, when


def party_step(binds: Binding, principals: Bound, bound: Bound) -> Step:
    """Whether one of the call's organisations is bound, and as what."""
    if bound:
        why = "bound as " + ", ".join(dict.fromkeys(str(relation) for relation, _ in bound))
    else:
        why = _why_unbound(binds, principals)
    return Step(Kind.PARTY, describe_binding(binds), bool(bound), why)


def _why_unbound(binds: Binding, principals: Bound) -> str:
    if bound_by(Binding(binds.parties), principals):
        for exception in binds.exceptions:
            if not bound_by(Binding(binds.parties, (exception,)), principals):
                return f"excepted as {describe_party(exception)}"
        return "excepted"
    anyhow = tuple(party._replace(relations=EVERY_RELATION) for party in binds.parties)
    if related := bound_by(Binding(anyhow), principals):
        return f"is one as {related[0][0]}, which does not count here"
    return "none of the call's organisations is one"


def describe_binding(binds: Binding) -> str:
    """Whom it binds, as the end of a sentence."""
    text = ", or ".join(map(describe_party, binds.parties))
    if binds.exceptions:
        text += ", but not " + ", nor ".join(map(describe_party, binds.exceptions))
    return text


def describe_party(party: Party) -> str:
    """One description of organisations."""
    text = str(BoundIs(party)) or "any organisation"
    if party.relations != EVERY_RELATION:
        text += f" (as {_one_of(party.relations)})"
    if party.contractors:
        text += " or who works for one"
    return text


def operation_step(covers: Coverage, operation: Operation, covered: frozenset[OperationClass]) -> Step:
    """Whether the operation is covered. `covered`: its classes that are."""
    asks = describe_coverage(covers)
    if OperationClass.UNKNOWN in operation.classes:
        return Step(
            Kind.OPERATION, asks, met=True, why="nobody can say what it does, so it counts as covered"
        )
    if covered:
        return Step(Kind.OPERATION, asks, met=True, why=f"covers {_all_of(covered)}")
    return Step(Kind.OPERATION, asks, met=False, why=_why_uncovered(covers, operation))


def _why_uncovered(covers: Coverage, operation: Operation) -> str:
    """What would have to be left out of the rule for it to cover this operation."""
    if covered_by(replace(covers, media=frozenset()), operation):
        return f"takes faces from {_one_of(operation.media)} only"
    if covered_by(replace(covers, results=True), operation):
        return "fetches results, which is not covered here"
    if covered_by(replace(covers, traits=frozenset()), operation):
        return f"reads {_all_of(operation.traits)} only"
    return f"is of class {_all_of(operation.classes)}"


def describe_coverage(covers: Coverage) -> str:
    """What it covers."""
    parts = []
    if covers.classes:
        parts.append(f"of class {_one_of(covers.classes)}")
    if covers.operations:
        parts.append(f"called {_one_of(covers.operations)}")
    text = "an operation " + " or ".join(parts)
    if covers.traits:
        text += f", analyze only of {_one_of(covers.traits)}"
    if covers.media:
        text += f", on faces from {_one_of(covers.media)}"
    return text if covers.results else text + ", not counting results"


def window_step(windows: tuple[Window, ...], now: Instant) -> Step:
    """Whether one of the windows that count for the call holds."""
    edge = next_edge(windows, now)
    if not windows:
        return Step(Kind.WINDOW, "a time in a window", met=False, why="no window counts at this place")
    asks = "a time " + ", or ".join(describe_window(window) for window in sorted(windows))
    if in_force(windows, now) is not None:
        return Step(Kind.WINDOW, asks, True, "", edge)
    if edge < FOREVER:
        return Step(Kind.WINDOW, asks, False, f"begins at {format_instant(edge)}", edge)
    return Step(Kind.WINDOW, asks, False, f"over since {format_instant(max(w.end for w in windows))}", edge)


def describe_window(window: Window) -> str:
    """From when until when."""
    if window.start == ALWAYS and window.end == FOREVER:
        text = "at any time"
    elif window.end == FOREVER:
        text = f"from {format_instant(window.start)} until further notice"
    elif window.start == ALWAYS:
        text = f"before {format_instant(window.end)}"
    else:
        text = f"from {format_instant(window.start)} until {format_instant(window.end)}"
    return f"{text} in {_one_of(window.places)}" if window.places else text


def mode_step() -> Step:
    """Of a moratorium in shadow mode: that it only counts."""
    return Step(Kind.MODE, "the moratorium to be enforced", met=False, why="it is in shadow mode")


# ---------------------------------------------------------------- conditions


_KINDS: dict[type[Condition], Kind] = {
    BoundIs: Kind.PARTY,
    PurposeIs: Kind.PURPOSE,
    PurposeIsNot: Kind.PURPOSE,
    HasCase: Kind.CASE,
    CircumstanceIs: Kind.CIRCUMSTANCE,
    PlaceIs: Kind.PLACE,
    Shows: Kind.EVIDENCE,
}


def concern_steps(moratorium: Moratorium, question: Question) -> Iterator[Step]:
    """Which calls of those bound it is about."""
    return (_condition_step(condition, question) for condition in moratorium.concerns)


def _condition_step(condition: Condition, question: Question) -> Step:
    silent = _unsaid(condition, question)
    return Step(
        _KINDS[type(condition)],
        str(condition),
        condition.met(question),
        "the token does not say" if silent else "",
        condition.changes_at(question),
    )


def _unsaid(condition: Condition, question: Question) -> bool:
    """Whether the token leaves open what the condition asks about."""
    caller = question.caller
    match condition:
        case PurposeIs() | PurposeIsNot():
            return caller.purpose is None
        case CircumstanceIs():
            return all(name != condition.name for name, _ in caller.circumstances)
        case PlaceIs():
            places = condition.of.places(question)
            return None in places and not any(within(place, condition.jurisdictions) for place in places)
        case Shows():
            return all(evidence.type not in condition.types for evidence in caller.evidence)
        case _:
            return False


def exemption_steps(exemption: Exemption, question: Question) -> Iterator[Step]:
    """All that an exemption asks. The call must be of somebody who is bound, and covered."""
    name = exemption.id
    if exemption.window != UNLIMITED:
        step = window_step((exemption.window,), question.now)
        yield step._replace(met=opens(Exemption(name, window=exemption.window), question))
    if exemption.classes:
        yield Step(
            Kind.OPERATION,
            f"an operation of no covered class but {_one_of(exemption.classes)}",
            opens(Exemption(name, classes=exemption.classes), question),
            f"covered here: {_all_of(question.covered)}",
        )
    if exemption.media:
        asks = f"an operation that is only on faces from {_one_of(exemption.media)}"
        yield Step(Kind.MEDIA, asks, opens(Exemption(name, media=exemption.media), question))
    for condition in exemption.conditions:
        yield _condition_step(condition, question)
    if exemption.limit is not None:
        shown = tuple(condition for condition in exemption.conditions if isinstance(condition, Shows))
        countable = opens(Exemption(name, conditions=shown, limit=exemption.limit), question)
        yield Step(Kind.LIMIT, _describe_limit(exemption.limit), countable, "the proxy counts them")


def _describe_limit(limit: Limit) -> str:
    whose = "piece of evidence" if limit.by == "evidence" else "organisation that has an id"
    per = "" if limit.seconds == FOREVER else f" in {limit.seconds / 3600:g} hours"
    return f"fewer than {limit.uses} uses{per} for each {whose}"


def _one_of(values: Iterable[str]) -> str:
    return " or ".join(sorted(map(str, values)))


def _all_of(values: Iterable[str]) -> str:
    return " and ".join(sorted(map(str, values)))
