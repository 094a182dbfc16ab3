"""MAY IT: one caller, one operation, one policy, one instant; one verdict.

Pure. Deny overrides: one moratorium that blocks is enough, and an exemption lifts only its own. There is no
clock here, and no shortcut such as "police is worse": a moratorium binds the types it names.
"""

from typing import NamedTuple

from proxy.policy.model import (
    FOREVER,
    Caller,
    Exemption,
    Instant,
    Mode,
    Moratorium,
    Operation,
    OperationClass,
    Policy,
    Verdict,
)
from proxy.policy.reasons import MEANINGS, Reason
from proxy.policy.windows import end_of_force, in_force, next_edge


def decide(caller: Caller, operation: Operation, policy: Policy, now: Instant) -> Verdict:
    """Say whether `caller` may do `operation` at `now`.

    The verdict names the rule that decided: a block before a shadow block before an exemption before a
    window that is shut before a class that is not covered.
    """
    bound = [m for m in policy.moratoria if not m.binds.isdisjoint(caller.org_types)]
    if OperationClass.UNKNOWN in operation.classes:
        return _decide_unknown(caller, operation, policy, bound, now)

    best = Finding(Reason.NOT_BOUND)
    holds_until = caller.valid_until
    for moratorium in bound:
        finding = judge(moratorium, caller, operation, policy.mode, now)
        holds_until = min(holds_until, finding.holds_until)
        if _RANK[finding.reason] > _RANK[best.reason]:
            best = finding
    return _verdict(best, caller, operation, holds_until, now)


class Finding(NamedTuple):
    """What one moratorium says of one call."""

    reason: Reason
    moratorium: Moratorium | None = None
    holds_until: Instant = FOREVER
    exemption: str | None = None


_RANK = {
    Reason.NOT_BOUND: 0,
    Reason.NOT_COVERED: 1,
    Reason.OUTSIDE_WINDOW: 2,
    Reason.EXEMPT: 3,
    Reason.SHADOW_BLOCKED: 4,
    Reason.MORATORIUM: 5,
}


def judge(moratorium: Moratorium, caller: Caller, operation: Operation, mode: Mode, now: Instant) -> Finding:
    """What one moratorium says of one call, whatever others say."""
    if moratorium.binds.isdisjoint(caller.org_types):
        return Finding(Reason.NOT_BOUND, moratorium)
    covered = moratorium.covers & operation.classes
    if not covered:
        return Finding(Reason.NOT_COVERED, moratorium)
    edge = next_edge(moratorium.windows, now)
    if in_force(moratorium.windows, now) is None:
        return Finding(Reason.OUTSIDE_WINDOW, moratorium, edge)

    for exemption in moratorium.exemptions:
        # An exemption's own edges change the answer even while it does not apply.
        edge = min(edge, next_edge((exemption.window,), now))
    for exemption in moratorium.exemptions:
        if _meets(caller, exemption, covered, now):
            return Finding(Reason.EXEMPT, moratorium, edge, exemption.id)
    shadow = Mode.SHADOW in (mode, moratorium.mode)
    return Finding(Reason.SHADOW_BLOCKED if shadow else Reason.MORATORIUM, moratorium, edge)


def _meets(caller: Caller, exemption: Exemption, covered: frozenset[OperationClass], now: Instant) -> bool:
    """Whether every condition that the exemption states is met, and it opens every covered class."""
    return (
        exemption.window.holds(now)
        and (not exemption.classes or covered <= exemption.classes)
        and (not exemption.org_ids or caller.org_id in exemption.org_ids)
        and (not exemption.org_types or not exemption.org_types.isdisjoint(caller.org_types))
        and (not exemption.purposes or caller.purpose in exemption.purposes)
        and (not exemption.requires_case or caller.case_digest is not None)
    )


def _decide_unknown(
    caller: Caller, operation: Operation, policy: Policy, bound: list[Moratorium], now: Instant
) -> Verdict:
    """Nobody can say what an unknown operation does, so a bound caller never gets one through."""
    holds_until = min([caller.valid_until, *(next_edge(m.windows, now) for m in bound)])
    for moratorium in bound:
        if in_force(moratorium.windows, now) is not None:
            shadow = Mode.SHADOW in (policy.mode, moratorium.mode)
            if shadow and policy.unknown_operation == "allow":
                finding = Finding(Reason.SHADOW_BLOCKED, moratorium)
            else:
                finding = Finding(Reason.OPERATION_UNKNOWN, moratorium)
            return _verdict(finding, caller, operation, holds_until, now)
    allowed = policy.unknown_operation == "allow"
    finding = Finding(Reason.UNKNOWN_OPERATION_ALLOWED if allowed else Reason.OPERATION_UNKNOWN)
    return _verdict(finding, caller, operation, holds_until, now)


def _verdict(
    finding: Finding, caller: Caller, operation: Operation, holds_until: Instant, now: Instant
) -> Verdict:
    rule = finding.moratorium
    org_type = caller.org_types[0]
    until: Instant | None = None
    if rule is not None:
        org_type = next(t for t in caller.org_types if t in rule.binds)
        end = end_of_force(rule.windows, now)
        until = end if now < end < FOREVER else None
    return Verdict(
        decision=MEANINGS[finding.reason].decision,
        reason=finding.reason,
        caller=caller,
        operation=operation,
        holds_until=holds_until,
        org_type=org_type,
        rule=rule,
        exemption=finding.exemption,
        until=until,
    )
