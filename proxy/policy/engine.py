"""MAY IT: one caller, one operation, one policy, one instant; one verdict.

Pure. Deny overrides: one moratorium that blocks is enough, and an exemption lifts only its own. There is no
clock here, and no shortcut such as "police is worse": a moratorium binds the parties it names.
"""

import hashlib
from typing import NamedTuple

from proxy.policy.callers import FOREVER, Caller, Instant, Principal, Relation
from proxy.policy.conditions import PlaceIs, Question, Shows, within
from proxy.policy.model import (
    UNLIMITED,
    Binding,
    Coverage,
    Exemption,
    Mode,
    Moratorium,
    Policy,
    Spend,
    Verdict,
    Window,
)
from proxy.policy.operations import Operation, OperationClass
from proxy.policy.reasons import MEANINGS, Decision, Reason
from proxy.policy.windows import end_of_force, in_force, next_edge

Bound = list[tuple[Relation, Principal]]

NOTHING: frozenset[str] = frozenset()


class Finding(NamedTuple):
    """What one moratorium says of one call. `bound`: those of its organisations that it binds."""

    reason: Reason
    moratorium: Moratorium | None = None
    holds_until: Instant = FOREVER
    exemption: Exemption | None = None
    bound: Bound = []  # noqa: RUF012  (never changed)
    evidence: str | None = None
    spend: Spend | None = None


def decide(
    caller: Caller, operation: Operation, policy: Policy, now: Instant, spent: frozenset[str] = NOTHING
) -> Verdict:
    """Say whether `caller` may do `operation` at `now`. `spent`: keys of limited exemptions that are used up.

    The verdict names the rule that decided: a block before a shadow block before an exemption before a
    window that is shut, a place or scope that is another, a class that is not covered.
    """
    principals = caller.principals()
    if OperationClass.UNKNOWN in operation.classes:
        return _decide_unknown(caller, principals, operation, policy, now)

    best, rank = _UNBOUND, 0
    holds_until = caller.valid_until
    used: list[Finding] = []
    for moratorium in policy.moratoria:
        bound = bound_by(moratorium.binds, principals)
        if not bound:
            continue
        finding = judge(moratorium, caller, bound, operation, policy.mode, now, spent)
        if finding.holds_until < holds_until:
            holds_until = finding.holds_until
        if finding.exemption is not None:
            used.append(finding)
        if _RANK[finding.reason] > rank:
            best, rank = finding, _RANK[finding.reason]
    return _verdict(best, caller, operation, holds_until, now, used)


def decide_at(
    instants: tuple[Instant, ...],
    caller: Caller,
    operation: Operation,
    policy: Policy,
    spent: frozenset[str] = NOTHING,
) -> Verdict:
    """The strictest verdict of several instants: for when nobody can say which of them it is.

    The first is the one that is believed; the others can turn its answer into a block, never the reverse.
    """
    verdict = decide(caller, operation, policy, instants[0], spent)
    for instant in instants[1:]:
        if verdict.decision is not Decision.ALLOWED:
            break
        other = decide(caller, operation, policy, instant, spent)
        if other.decision is not Decision.ALLOWED:
            verdict = other
    return verdict._replace(holds_until=instants[0]) if len(instants) > 1 else verdict


_RANK = {
    Reason.NOT_BOUND: 0,
    Reason.NOT_COVERED: 1,
    Reason.OUTSIDE_SCOPE: 2,
    Reason.OUTSIDE_JURISDICTION: 3,
    Reason.OUTSIDE_WINDOW: 4,
    Reason.EXEMPT: 5,
    Reason.SHADOW_BLOCKED: 6,
    Reason.MORATORIUM: 7,
}
_UNBOUND = Finding(Reason.NOT_BOUND)


def bound_by(binds: Binding, principals: Bound) -> Bound:
    """Those of a call's organisations that are one of the parties and none of the exceptions."""
    bound = [
        (relation, principal)
        for relation, principal in principals
        if any(relation in party.relations and party.fits(principal) for party in binds.parties)
    ]
    for exception in binds.exceptions if bound else ():
        if exception.contractors and any(
            relation is Relation.ON_BEHALF_OF and exception.fits_wholly(principal)
            for relation, principal in principals
        ):
            bound = [entry for entry in bound if entry[0] is Relation.ACTOR]
        bound = [
            (relation, principal)
            for relation, principal in bound
            if not (relation in exception.relations and exception.fits_wholly(principal))
        ]
    return bound


def covered_by(covers: Coverage, operation: Operation) -> frozenset[OperationClass]:
    """Those of an operation's classes that are covered. What its table does not say counts as everything."""
    if covers.media and operation.media and covers.media.isdisjoint(operation.media):
        return frozenset()
    if operation.is_result and not covers.results:
        return frozenset()
    if operation.name in covers.operations:
        return operation.classes
    covered = covers.classes & operation.classes
    if covers.traits and operation.traits and covers.traits.isdisjoint(operation.traits):
        covered -= {OperationClass.ANALYZE}
    return covered


def windows_for(moratorium: Moratorium, caller: Caller) -> tuple[Window, ...]:
    """The windows that count where the call is made. One whose place nobody can rule out counts."""
    if not moratorium.local:
        return moratorium.windows
    place = caller.place_jurisdiction or caller.jurisdiction
    return tuple(w for w in moratorium.windows if not w.places or within(place, w.places) is not False)


def judge(
    moratorium: Moratorium,
    caller: Caller,
    bound: Bound,
    operation: Operation,
    mode: Mode,
    now: Instant,
    spent: frozenset[str] = NOTHING,
) -> Finding:
    """What one moratorium says of one call of somebody it binds, whatever others say."""
    if not bound:
        return Finding(Reason.NOT_BOUND, moratorium)
    covered = covered_by(moratorium.covers, operation)
    if not covered:
        return Finding(Reason.NOT_COVERED, moratorium, bound=bound)
    question = Question(caller, operation, covered, tuple(principal for _, principal in bound), now)
    for condition in moratorium.concerns:
        if not condition.met(question):
            elsewhere = isinstance(condition, PlaceIs)
            reason = Reason.OUTSIDE_JURISDICTION if elsewhere else Reason.OUTSIDE_SCOPE
            return Finding(reason, moratorium, bound=bound)
    windows = windows_for(moratorium, caller)
    edge = next_edge(windows, now)
    if in_force(windows, now) is None:
        return Finding(Reason.OUTSIDE_WINDOW, moratorium, edge, bound=bound)
    return _judge_exemptions(moratorium, question, bound, mode, edge, spent)


def _judge_exemptions(
    moratorium: Moratorium,
    question: Question,
    bound: Bound,
    mode: Mode,
    edge: Instant,
    spent: frozenset[str],
) -> Finding:
    """Of a moratorium in force that binds, covers and concerns: exempt, or blocked."""
    lifted: Finding | None = None
    for exemption in moratorium.exemptions:
        # An exemption's own edges change the answer even while it does not apply.
        edge = min(edge, edge_of(exemption, question))
        if lifted is None and opens(exemption, question):
            spend = _spend(moratorium, exemption, question)
            if spend is None or spend.key not in spent:
                evidence = _shown(exemption, question)
                lifted = Finding(Reason.EXEMPT, moratorium, FOREVER, exemption, bound, evidence, spend)
    if lifted is not None:
        # One use is one call: the next call must ask again.
        return lifted._replace(holds_until=question.now if lifted.spend else edge)
    shadow = Mode.SHADOW in (mode, moratorium.mode)
    return Finding(Reason.SHADOW_BLOCKED if shadow else Reason.MORATORIUM, moratorium, edge, bound=bound)


def opens(exemption: Exemption, question: Question) -> bool:
    """Whether every condition is met, and every covered class is opened."""
    return (
        exemption.window.holds(question.now)
        and (not exemption.classes or question.covered <= exemption.classes)
        and (not exemption.media or (bool(media := question.operation.media) and media <= exemption.media))
        and all(condition.met(question) for condition in exemption.conditions)
        and (exemption.limit is None or _counted_by(exemption, question) is not None)
    )


def edge_of(exemption: Exemption, question: Question) -> Instant:
    """The first instant after now at which the exemption may apply or cease to."""
    edge = FOREVER if exemption.window is UNLIMITED else next_edge((exemption.window,), question.now)
    for condition in exemption.conditions:
        edge = min(edge, condition.changes_at(question))
    return edge


def _shown(exemption: Exemption, question: Question) -> str | None:
    for condition in exemption.conditions:
        if isinstance(condition, Shows) and (evidence := condition.shown(question)) is not None:
            return evidence.digest
    return None


def _counted_by(exemption: Exemption, question: Question) -> str | None:
    """Whose uses are counted together; None when the call does not say, and then it cannot be exempt."""
    assert exemption.limit is not None  # noqa: S101
    if exemption.limit.by == "evidence":
        return _shown(exemption, question)
    return question.bound[0].org_id


def _spend(moratorium: Moratorium, exemption: Exemption, question: Question) -> Spend | None:
    if exemption.limit is None:
        return None
    whose = _counted_by(exemption, question)
    key = hashlib.sha256("\n".join((moratorium.id, exemption.id, str(whose))).encode()).hexdigest()
    return Spend(key, exemption.limit)


def _decide_unknown(
    caller: Caller, principals: Bound, operation: Operation, policy: Policy, now: Instant
) -> Verdict:
    """Nobody can say what an unknown operation does, so a bound caller never gets one through.

    Only the place can take a moratorium out of it: purposes and circumstances are of calls that are known.
    """
    holds_until = caller.valid_until
    found: Finding | None = None
    for moratorium in policy.moratoria:
        bound = bound_by(moratorium.binds, principals)
        question = Question(caller, operation, operation.classes, tuple(p for _, p in bound), now)
        if not bound or not all(c.met(question) for c in moratorium.concerns if isinstance(c, PlaceIs)):
            continue
        windows = windows_for(moratorium, caller)
        holds_until = min(holds_until, next_edge(windows, now))
        if in_force(windows, now) is None:
            continue
        shadow = Mode.SHADOW in (policy.mode, moratorium.mode)
        if not (shadow and policy.unknown_operation == "allow"):
            found = Finding(Reason.OPERATION_UNKNOWN, moratorium, bound=bound)
            break
        found = found or Finding(Reason.SHADOW_BLOCKED, moratorium, bound=bound)
    if found is None:
        allowed = policy.unknown_operation == "allow"
        found = Finding(Reason.UNKNOWN_OPERATION_ALLOWED if allowed else Reason.OPERATION_UNKNOWN)
    return _verdict(found, caller, operation, holds_until, now, [])


def _verdict(
    finding: Finding,
    caller: Caller,
    operation: Operation,
    holds_until: Instant,
    now: Instant,
    used: list[Finding],
) -> Verdict:
    rule = finding.moratorium
    relation, org_type = Relation.SELF, caller.org_types[0]
    until: Instant | None = None
    if rule is not None:
        relation, principal = finding.bound[0]
        org_type = _bound_type(rule, principal) or org_type
        end = end_of_force(windows_for(rule, caller), now)
        until = end if now < end < FOREVER else None
    decision = MEANINGS[finding.reason].decision
    if decision is not Decision.ALLOWED:
        used = []
    return Verdict(
        decision=decision,
        reason=finding.reason,
        caller=caller,
        operation=operation,
        holds_until=holds_until,
        org_type=org_type,
        rule=rule,
        exemption=finding.exemption.id if finding.exemption is not None else None,
        until=until,
        relation=relation,
        evidence=finding.evidence,
        obligations=tuple(dict.fromkeys(o for f in used if f.exemption for o in f.exemption.obligations)),
        spends=tuple(f.spend for f in used if f.spend is not None),
    )


def _bound_type(rule: Moratorium, principal: Principal) -> str | None:
    """The type by which an organisation is bound, else its first."""
    for org_type in principal.org_types:
        if any(org_type in party.org_types for party in rule.binds.parties):
            return org_type
    return principal.org_types[0] if principal.org_types else None
