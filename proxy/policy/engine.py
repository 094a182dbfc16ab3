"""MAY IT: one caller, one operation, one policy, one instant; one verdict.

Pure. Deny overrides: one moratorium that blocks is enough, and an exemption lifts only its own. There is no
clock here, and no shortcut such as "police is worse": a moratorium binds the parties it names.
"""

import hashlib
from typing import NamedTuple

from proxy.policy.callers import FOREVER, Caller, Instant, Principal, Relation
from proxy.policy.conditions import PlaceIs, Question, Shows
from proxy.policy.model import (
    UNLIMITED,
    Covering,
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
from proxy.policy.scope import Bound, bound_by, bound_type, covered_by, windows_for
from proxy.policy.windows import end_of_force, in_force, next_edge, state

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
    if _UNKNOWN in operation.classes:
        return _decide_unknown(caller, caller.principals(), operation, policy, now)
    org_types = caller.every_org_type()
    may_bind = [
        entry
        for entry in _covering(policy, operation)
        if entry[1] is None or not entry[1].isdisjoint(org_types)
    ]
    if not may_bind:
        return _verdict(_UNBOUND, caller, operation, caller.valid_until, now, [])

    principals = caller.principals()
    best, rank = _UNBOUND, 0
    holds_until = caller.valid_until
    used: list[Finding] = []
    others: list[Moratorium] = []
    for moratorium, _, covered in may_bind:
        if not covered:
            others.append(moratorium)
            continue
        bound = bound_by(moratorium.binds, principals)
        if not bound:
            continue
        call = Question(caller, operation, covered, _organisations(bound), now)
        finding = _judge_covered(moratorium, call, bound, policy.mode, spent)
        if finding.holds_until < holds_until:
            holds_until = finding.holds_until
        if finding.exemption is not None:
            used.append(finding)
        if _RANK[finding.reason] > rank:
            best, rank = finding, _RANK[finding.reason]
            if rank == _BLOCKED:
                break  # what comes later can neither lift this nor be named instead of it
    if not rank:
        best = _first_bound(others, principals)
    return _verdict(best, caller, operation, holds_until, now, used)


def _covering(policy: Policy, operation: Operation) -> Covering:
    """Each moratorium with the types that it names and the classes that it covers. Worked out once."""
    found = policy.covering.get(operation)
    if found is None:
        found = tuple((m, m.named, covered_by(m.covers, operation)) for m in policy.moratoria)
        if len(policy.covering) < _MOST_OPERATIONS:
            policy.covering[operation] = found
    return found


def _organisations(bound: Bound) -> tuple[Principal, ...]:
    return (bound[0][1],) if len(bound) == 1 else tuple([principal for _, principal in bound])


def _first_bound(others: list[Moratorium], principals: Bound) -> Finding:
    """Of moratoria that are about other operations, the first that binds the caller."""
    for moratorium in others:
        bound = bound_by(moratorium.binds, principals)
        if bound:
            return Finding(Reason.NOT_COVERED, moratorium, bound=bound)
    return _UNBOUND


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
_DECISIONS = {reason: meaning.decision for reason, meaning in MEANINGS.items()}
_UNKNOWN = OperationClass.UNKNOWN
_BLOCKED = _RANK[Reason.MORATORIUM]
# An enumeration's member is slow to look up in Python 3.11.
_SELF, _SHADOW, _ALLOWED = Relation.SELF, Mode.SHADOW, Decision.ALLOWED
_OUTSIDE_WINDOW, _EXEMPT = Reason.OUTSIDE_WINDOW, Reason.EXEMPT
_SHADOW_BLOCKED, _MORATORIUM = Reason.SHADOW_BLOCKED, Reason.MORATORIUM
_MOST_OPERATIONS = 1000
_IN_FORCE = frozenset({Reason.EXEMPT, Reason.SHADOW_BLOCKED, Reason.MORATORIUM, Reason.OPERATION_UNKNOWN})


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
    call = Question(caller, operation, covered, _organisations(bound), now)
    return _judge_covered(moratorium, call, bound, mode, spent)


def _judge_covered(
    moratorium: Moratorium,
    call: Question,
    bound: Bound,
    mode: Mode,
    spent: frozenset[str],
) -> Finding:
    """Of a moratorium that binds and covers: about other calls, out of its windows, exempt, or blocked."""
    for condition in moratorium.concerns:
        if not condition.met(call):
            elsewhere = isinstance(condition, PlaceIs)
            reason = Reason.OUTSIDE_JURISDICTION if elsewhere else Reason.OUTSIDE_SCOPE
            return Finding(reason, moratorium, FOREVER, None, bound)
    force, edge = state(windows_for(moratorium, call.caller, bound), call.now)
    if not force:
        return Finding(_OUTSIDE_WINDOW, moratorium, edge, None, bound)
    if moratorium.exemptions:
        return _judge_exemptions(moratorium, call, bound, mode, edge, spent)
    return _blocked(moratorium, bound, mode, edge)


def _blocked(moratorium: Moratorium, bound: Bound, mode: Mode, edge: Instant) -> Finding:
    shadow = mode is _SHADOW or moratorium.mode is _SHADOW
    return Finding(_SHADOW_BLOCKED if shadow else _MORATORIUM, moratorium, edge, None, bound)


def _judge_exemptions(
    moratorium: Moratorium,
    question: Question,
    bound: Bound,
    mode: Mode,
    edge: Instant,
    spent: frozenset[str],
) -> Finding:
    """Of a moratorium in force: exempt, or blocked."""
    lifted: Finding | None = None
    for exemption in moratorium.exemptions:
        # An exemption's own edges change the answer even while it does not apply.
        if exemption.changing:
            edge = min(edge, edge_of(exemption, question))
        if lifted is None and opens(exemption, question):
            spend = _spend(moratorium, exemption, question)
            if spend is not None and spend.key in spent:
                edge = question.now  # uses become free again at an instant that only their count knows
            else:
                evidence = _shown(exemption, question)
                lifted = Finding(_EXEMPT, moratorium, FOREVER, exemption, bound, evidence, spend)
    if lifted is not None:
        # One use is one call: the next call must ask again.
        return lifted._replace(holds_until=question.now if lifted.spend else edge)
    return _blocked(moratorium, bound, mode, edge)


def opens(exemption: Exemption, question: Question) -> bool:
    """Whether every condition is met, and every covered class is opened."""
    if exemption.window is not UNLIMITED and not exemption.window.holds(question.now):
        return False
    if exemption.classes and not question.covered <= exemption.classes:
        return False
    if exemption.media and not (question.operation.media and question.operation.media <= exemption.media):
        return False
    for condition in exemption.conditions:
        if not condition.met(question):
            return False
    return exemption.limit is None or _counted_by(exemption, question) is not None


def edge_of(exemption: Exemption, question: Question) -> Instant:
    """The first instant after now at which the exemption may apply or cease to."""
    edge = next_edge((exemption.window,), question.now)
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
        question = Question(caller, operation, operation.classes, _organisations(bound), now)
        if not bound or not all(c.met(question) for c in moratorium.concerns if isinstance(c, PlaceIs)):
            continue
        force, edge = state(windows_for(moratorium, caller, bound), now)
        holds_until = min(holds_until, edge)
        if not force:
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
    relation, org_type = _SELF, caller.org_types[0]
    until: Instant | None = None
    window: Window | None = None
    if rule is not None:
        relation, principal = finding.bound[0]
        org_type = bound_type(rule, principal) or org_type
        if finding.reason in _IN_FORCE:
            windows = windows_for(rule, caller, finding.bound)
            window = in_force(windows, now)
            if window is not None and window.end < FOREVER:
                end = end_of_force(windows, window.end)
                until = end if end < FOREVER else None
    decision = _DECISIONS[finding.reason]
    obligations: tuple[str, ...] = ()
    spends: tuple[Spend, ...] = ()
    if used and decision is _ALLOWED:
        obligations = tuple(dict.fromkeys(o for f in used if f.exemption for o in f.exemption.obligations))
        spends = tuple(f.spend for f in used if f.spend is not None)
    return Verdict(
        decision,
        finding.reason,
        caller,
        operation,
        holds_until,
        org_type,
        rule,
        finding.exemption.id if finding.exemption is not None else None,
        until,
        "",
        relation,
        finding.evidence,
        obligations,
        spends,
        window,
    )
