"""WHY: one decision taken apart: what each moratorium asks of the call, what is met, what would change it.

Nothing is decided here. Whether something is met is asked of the engine and of the conditions themselves,
each on its own, so that an explanation cannot differ from the decision.
"""

from dataclasses import replace
from typing import NamedTuple

from proxy.policy.callers import FOREVER, Caller, Instant, Principal, Relation
from proxy.policy.conditions import Question
from proxy.policy.engine import decide, judge
from proxy.policy.model import Chapter, Exemption, Moratorium, Policy, Verdict
from proxy.policy.operations import Operation, OperationClass
from proxy.policy.reasons import Decision, Reason
from proxy.policy.scope import Bound, bound_by, covered_by, windows_for
from proxy.policy.steps import (
    Kind,
    Step,
    concern_steps,
    exemption_steps,
    mode_step,
    operation_step,
    party_step,
    question_of,
    window_step,
)
from proxy.policy.windows import end_of_force

_MOST_TURNS = 5
_MOST_EDGES = 100
_BLOCKING = frozenset({Reason.MORATORIUM, Reason.SHADOW_BLOCKED, Reason.OPERATION_UNKNOWN})
IN_FORCE = _BLOCKING | {Reason.EXEMPT}


class Offer(NamedTuple):
    """One exemption as it stands to the call. `opens`: everything that it asks is met."""

    exemption: Exemption
    opens: bool
    steps: tuple[Step, ...]


class Entry(NamedTuple):
    """One window of a moratorium's history: whether it counts, is replaced, or was not known yet."""

    chapter: Chapter
    counts: bool
    known: bool


class Account(NamedTuple):
    """What one moratorium says of the call, and why.

    `steps` are all that it asks, in the order of deciding; the first that is not met gives `says`.
    """

    moratorium: Moratorium
    says: Reason
    bound: tuple[tuple[Relation, Principal], ...]
    steps: tuple[Step, ...]
    offers: tuple[Offer, ...]
    history: tuple[Entry, ...]
    ends: Instant | None
    """When the windows that are in force end; None when none is."""

    @property
    def unmet(self) -> tuple[Step, ...]:
        """What keeps the moratorium away from the call."""
        return tuple(step for step in self.steps if not step.met)


class Change(NamedTuple):
    """What would make one moratorium say something else.

    `to` is what it would say then. `every`: all of `steps` would have to become so; otherwise any one of
    them would have to cease. `exemption`: whose conditions these are. `still`: who would go on blocking.
    """

    moratorium: str
    to: Decision
    steps: tuple[Step, ...]
    exemption: str | None = None
    every: bool = True
    still: tuple[str, ...] = ()


class Turn(NamedTuple):
    """What becomes of the same call at a later instant. No verdict: the token is not valid any more."""

    at: Instant
    verdict: Verdict | None


class Explanation(NamedTuple):
    """One decision and everything that there is to say about it."""

    verdict: Verdict
    now: Instant
    accounts: tuple[Account, ...]
    changes: tuple[Change, ...]
    turns: tuple[Turn, ...]


def explain(
    caller: Caller, operation: Operation, policy: Policy, now: Instant, known_at: Instant = FOREVER
) -> Explanation:
    """Decide and take the decision apart. `known_at`: as of when the policy was built."""
    verdict = decide(caller, operation, policy, now)
    accounts = tuple(account(m, caller, operation, policy, now, known_at) for m in policy.moratoria)
    changes = tuple(
        sorted(_changes(accounts), key=lambda change: (change.to is verdict.decision, len(change.steps)))
    )
    return Explanation(
        verdict, now, accounts, changes, tuple(_turns(verdict, caller, operation, policy, now))
    )


def account(
    moratorium: Moratorium,
    caller: Caller,
    operation: Operation,
    policy: Policy,
    now: Instant,
    known_at: Instant = FOREVER,
) -> Account:
    """What one moratorium says of one call, step by step."""
    bound = bound_by(moratorium.binds, caller.principals())
    unknown = OperationClass.UNKNOWN in operation.classes
    covered = operation.classes if unknown else covered_by(moratorium.covers, operation)
    question = question_of(caller, operation, covered, bound, now)
    windows = windows_for(moratorium, caller, bound)
    steps = (
        party_step(moratorium.binds, caller.principals(), bound),
        operation_step(moratorium.covers, operation, covered),
        *(step for step in concern_steps(moratorium, question) if not unknown or step.kind is Kind.PLACE),
        window_step(windows, now),
    )
    offers: tuple[Offer, ...] = ()
    if bound and covered and not unknown:
        offers = tuple(_offer(exemption, question) for exemption in moratorium.exemptions)
    end = end_of_force(windows, now)
    return Account(
        moratorium,
        _says(moratorium, caller, bound, operation, policy, now, steps),
        tuple(bound),
        steps,
        offers,
        history_of(moratorium, known_at),
        end if end > now else None,
    )


def _says(
    moratorium: Moratorium,
    caller: Caller,
    bound: Bound,
    operation: Operation,
    policy: Policy,
    now: Instant,
    steps: tuple[Step, ...],
) -> Reason:
    if OperationClass.UNKNOWN not in operation.classes:
        return judge(moratorium, caller, bound, operation, policy.mode, now).reason
    alone = decide(caller, operation, replace(policy, moratoria=(moratorium,)), now)
    if alone.rule is not None:
        return alone.reason
    failed = next(step.kind for step in steps if not step.met)
    return _WHY_NOT[failed]


_WHY_NOT = {
    Kind.PARTY: Reason.NOT_BOUND,
    Kind.PLACE: Reason.OUTSIDE_JURISDICTION,
    Kind.WINDOW: Reason.OUTSIDE_WINDOW,
}


def _offer(exemption: Exemption, question: Question) -> Offer:
    steps = tuple(exemption_steps(exemption, question))
    return Offer(exemption, all(step.met for step in steps), steps)


def history_of(moratorium: Moratorium, known_at: Instant = FOREVER) -> tuple[Entry, ...]:
    """A moratorium's windows as they were written down, and which of them count."""
    recorded = {chapter.id: chapter.recorded for chapter in moratorium.history}
    found = []
    for chapter in moratorium.history:
        known = chapter.recorded <= known_at
        gone = chapter.replaced_by is not None and recorded[chapter.replaced_by] <= known_at
        found.append(Entry(chapter, known and not gone and chapter.window in moratorium.windows, known))
    return tuple(found)


def _changes(accounts: tuple[Account, ...]) -> list[Change]:
    """What would lift each block, and what would turn each other moratorium into one."""
    blocking = [a.moratorium.id for a in accounts if a.says in _BLOCKING - {Reason.SHADOW_BLOCKED}]
    found: list[Change] = []
    for one in accounts:
        name = one.moratorium.id
        still = tuple(other for other in blocking if other != name)
        if one.says is Reason.SHADOW_BLOCKED:
            found.append(Change(name, Decision.BLOCKED, (mode_step(),)))
        if one.says in _BLOCKING:
            found += [
                Change(name, Decision.ALLOWED, _unmet(offer), offer.exemption.id, still=still)
                for offer in one.offers
            ]
            if one.ends is not None and one.ends < FOREVER:
                over = next(step for step in one.steps if step.kind is Kind.WINDOW)
                found.append(Change(name, Decision.ALLOWED, (over,), every=False, still=still))
        elif one.says is Reason.EXEMPT:
            found += [
                Change(name, Decision.BLOCKED, offer.steps, offer.exemption.id, every=False)
                for offer in one.offers
                if offer.opens
            ]
        else:
            found.append(Change(name, Decision.BLOCKED, one.unmet))
    return found


def _unmet(offer: Offer) -> tuple[Step, ...]:
    return tuple(step for step in offer.steps if not step.met)


def _turns(
    verdict: Verdict, caller: Caller, operation: Operation, policy: Policy, now: Instant
) -> list[Turn]:
    """What happens at `holds_until`, and when the answer next becomes another one after that."""
    found: list[Turn] = []
    before, at = verdict, verdict.holds_until
    for _ in range(_MOST_EDGES):
        if not now < at < FOREVER or len(found) == _MOST_TURNS:
            break
        if at >= caller.valid_until:
            found.append(Turn(at, None))
            break
        later = decide(caller, operation, policy, at)
        if not found or _answer(later) != _answer(before):
            found.append(Turn(at, later))
        before, now, at = later, at, later.holds_until
    return found


def _answer(verdict: Verdict) -> tuple[object, ...]:
    return verdict.decision, verdict.reason, verdict.rule and verdict.rule.id, verdict.exemption
