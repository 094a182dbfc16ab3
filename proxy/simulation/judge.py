"""Asks a policy what was asked of another one. Pure: the instant is the record's."""

from collections import deque
from dataclasses import replace

from proxy.audit.replay import Outcome, Recorded, outcome_of, outcome_of_refusal
from proxy.policy.callers import FOREVER, Caller, Instant
from proxy.policy.document import Source, build
from proxy.policy.engine import decide
from proxy.policy.model import Mode, Policy, Refusal, Spend, Verdict
from proxy.policy.operations import UNKNOWN_OPERATION, Operation
from proxy.policy.reasons import Reason


class Judge:
    """One policy as it is for each backend and mode that records name.

    `mode`: instead of the one that each record was decided in.
    """

    def __init__(
        self,
        sources: list[Source],
        *,
        timezone: str = "UTC",
        known_at: Instant = FOREVER,
        allow_unknown: bool = False,
        mode: Mode | None = None,
    ) -> None:
        """Raises `PolicyError`."""
        self._sources = sources
        self._timezone = timezone
        self._known_at = known_at
        self._allow_unknown = allow_unknown
        self._mode = mode
        self._policies: dict[tuple[str, Mode], Policy] = {}
        self._uses: dict[str, deque[Instant]] = {}
        self.policy = self._build(None, mode or Mode.ENFORCE)

    def judge(self, recorded: Recorded, now: Instant) -> tuple[Outcome, Instant]:
        """What would be said at `now`, and until when it would be said of the same question."""
        policy = self._policy(recorded.backend, self._mode or recorded.mode)
        refusal = vocabulary_refuses(recorded.caller, policy)
        if refusal is not None:
            return outcome_of_refusal(refusal), FOREVER
        verdict = self._decide(recorded.caller, operation_now(recorded, policy), policy, now)
        return outcome_of(verdict), now if verdict.spends else verdict.holds_until

    def _decide(self, caller: Caller, operation: Operation, policy: Policy, now: Instant) -> Verdict:
        """As the enforcer does: what a limited exemption lets through uses it up."""
        spent: frozenset[str] = frozenset()
        while True:
            verdict = decide(caller, operation, policy, now, spent)
            used_up = self._take(verdict.spends, now)
            if used_up is None:
                return verdict
            spent |= {used_up}

    def _take(self, spends: tuple[Spend, ...], now: Instant) -> str | None:
        for spend in spends:
            uses = self._uses.setdefault(spend.key, deque())
            while uses and uses[0] <= now - spend.limit.seconds:
                uses.popleft()
            if len(uses) >= spend.limit.uses:
                return spend.key
        for spend in spends:
            self._uses[spend.key].append(now)
        return None

    def _policy(self, backend: str, mode: Mode) -> Policy:
        key = backend, mode
        if key not in self._policies:
            self._policies[key] = self._build(backend, mode)
        return self._policies[key]

    def _build(self, backend: str | None, mode: Mode) -> Policy:
        policy = build(*self._sources, timezone=self._timezone, known_at=self._known_at, backend=backend)
        return replace(policy, mode=mode, unknown_operation="allow" if self._allow_unknown else "refuse")


def operation_now(recorded: Recorded, policy: Policy) -> Operation:
    """What the call would be taken for: by the policy's own routes where they say it, else as it was.

    A record does not say by which path a call came, so a route is known by its name. One that is gone leaves
    its calls unknown.
    """
    was = recorded.operation
    if recorded.backend != "generic" or not policy.routes or was.name == UNKNOWN_OPERATION.name:
        return was
    found = {route.operation for route in policy.routes if route.operation.name == was.name}
    if not found:
        return UNKNOWN_OPERATION
    return found.pop() if len(found) == 1 else was


def vocabulary_refuses(caller: Caller, policy: Policy) -> Refusal | None:
    """Whether a token that says this would be refused by another policy's vocabulary."""
    principals = [principal for _, principal in caller.principals()]
    if any(not policy.org_types.issuperset(principal.org_types) for principal in principals):
        return Refusal(Reason.ORG_TYPE_UNKNOWN)
    if caller.purpose is not None and caller.purpose not in policy.purposes:
        return Refusal(Reason.PURPOSE_UNKNOWN)
    subtypes = {principal.org_subtype for principal in principals} - {None}
    if not policy.org_subtypes.issuperset(subtypes):
        return Refusal(Reason.ORG_SUBTYPE_UNKNOWN)
    # A circumstance that no vocabulary names is a claim like any other: nobody reads it.
    known = policy.circumstances
    if any(name in known and value not in known[name] for name, value in caller.circumstances):
        return Refusal(Reason.CIRCUMSTANCE_UNKNOWN)
    return None
