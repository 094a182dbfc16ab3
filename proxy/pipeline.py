"""`check`: who, what, may it. One pure synchronous function that every door asks.

What it lacks (a key, the body) it returns as a value. It has no clock, socket, environment or log.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.authn.bearer import find_token, token_of
from proxy.authn.cache import TokenCache
from proxy.authn.standing import NO_STANDING, Standing
from proxy.authn.subject import SubjectKey
from proxy.authn.verifier import KeySets, NeedKey, Trusts, verify
from proxy.backends.base import Backend, Sketch
from proxy.messages import RequestHead, digest_of_head
from proxy.policy.callers import Caller, Instant
from proxy.policy.engine import NOTHING, decide, decide_at
from proxy.policy.model import Policy, Refusal, Verdict
from proxy.policy.operations import Operation
from proxy.policy.reasons import MEANINGS, Decision, Reason
from proxy.policy.remembered import Verdicts

Question = tuple[bytes, bytes, bool, frozenset[bytes], list[tuple[bytes, bytes]]]


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything a decision depends on besides request, keys and time. Replaced whole on reload."""

    backend: Backend
    policy: Policy
    trusts: Trusts
    tokens: TokenCache = field(default_factory=TokenCache)
    standing: Standing = NO_STANDING
    verdicts: Verdicts = field(default_factory=Verdicts)
    subject_key: SubjectKey | None = None
    _schemes: dict[bytes, bytes | None] = field(init=False)
    _shown: frozenset[bytes] = field(init=False)

    def __post_init__(self) -> None:
        schemes: dict[bytes, bytes | None] = dict.fromkeys(self.backend.reads)
        schemes.update(self.backend.slots)
        object.__setattr__(self, "_schemes", schemes)
        slots = {slot.header for slot in self.backend.slots}
        object.__setattr__(self, "_shown", self.backend.reads - slots)

    def question(self, head: RequestHead) -> Question:
        """Everything of a request that its decision depends on: equal questions have equal answers.

        A token's place that holds another scheme, such as an SDK's signature, counts as taken and no more.
        """
        schemes = self._schemes
        fields = []
        for name, value in head.headers:
            if name in schemes:
                scheme = schemes[name]
                taken_only = scheme is not None and token_of(value, scheme) is None
                fields.append((name, b"" if taken_only else value))
        return head.method, head.target, head.upgrade, head.options, fields

    def digest(self, head: RequestHead) -> bytes:
        """Over what its decision depends on, but for the places of tokens. For the record, as JSON."""
        return digest_of_head(head, self._shown)


class NeedBody(NamedTuple):
    """The body is needed: ask again with all of it. `most`: the verdict if the body says the most it can."""

    most: Verdict


def check(
    head: RequestHead,
    rules: Rules,
    keys: KeySets,
    now: Instant,
    *,
    doubts: tuple[Instant, ...] = (),
    spent: frozenset[str] = NOTHING,
    body: bytes | None = None,
) -> Verdict | NeedKey | NeedBody:
    """Decide one request at `now`.

    `doubts`: other instants that it may be, at all of which the call must be permitted too. `spent`: keys of
    limited exemptions that are used up. `body`: the whole of it, when it has been asked for; it is read only
    where the head leaves the operation open.

    The token comes first, so that a stranger learns nothing about operations or policies (threat T65).
    """
    if not rules.policy.known:
        return refused(Refusal(Reason.POLICY_UNAVAILABLE), now)
    caller = authenticate(head, rules, keys, now)
    if isinstance(caller, NeedKey):
        return caller
    if isinstance(caller, Refusal):
        return refused(caller, now)
    operation = _classify(head, rules.backend)
    if isinstance(operation, Sketch):
        return _decide_sketch(head, rules, caller, operation, (now, *doubts), spent, body)
    if isinstance(operation, Refusal):
        return refused(operation, now, caller)
    if doubts:
        return decide_at((now, *doubts), caller, operation, rules.policy, spent)
    return judged(caller, operation, rules, now, spent)


def judged(
    caller: Caller, operation: Operation, rules: Rules, now: Instant, spent: frozenset[str] = NOTHING
) -> Verdict:
    """The verdict on a caller that is known: remembered while it holds, else decided."""
    if spent:
        return decide(caller, operation, rules.policy, now, spent)
    verdict = rules.verdicts.get(caller, operation, now)
    if verdict is None:
        verdict = decide(caller, operation, rules.policy, now)
        rules.verdicts.put(verdict, caller, operation, now)
    return verdict


def _decide_sketch(
    head: RequestHead,
    rules: Rules,
    caller: Caller,
    sketch: Sketch,
    instants: tuple[Instant, ...],
    spent: frozenset[str],
    body: bytes | None,
) -> Verdict | NeedBody:
    """Decide by the head alone where the body cannot matter, and by the body where it can."""
    now, policy = instants[0], rules.policy
    if body is None:
        least = decide_at(instants, caller, sketch.least, policy, spent)
        most = decide_at(instants, caller, sketch.most, policy, spent)
        look = sketch.required and most.decision is Decision.ALLOWED
        if look or _outcome(least) != _outcome(most):
            return NeedBody(most)
        return most._replace(holds_until=min(least.holds_until, most.holds_until))
    operation = rules.backend.read(head, body)
    if isinstance(operation, Refusal):
        return refused(operation, now, caller)
    # The next body may say something else, and a memory of heads would not see it.
    return decide_at(instants, caller, operation, policy, spent)._replace(holds_until=now)


def _outcome(verdict: Verdict) -> Verdict:
    """All that follows from a verdict but its name for the operation and how long it holds."""
    return verdict._replace(operation=None, holds_until=0.0)


def _classify(head: RequestHead, backend: Backend) -> Operation | Refusal | Sketch:
    # A Connection option takes the field it names out of the message at the next hop; were that one the
    # decision reads or the upstream acts on, the two would see different requests (threat T16).
    if head.options and not (
        head.options.isdisjoint(backend.forwards) and head.options.isdisjoint(s.header for s in backend.slots)
    ):
        return Refusal(Reason.REQUEST_AMBIGUOUS, "Connection names a field that the call depends on.")
    if head.upgrade and not backend.upgrades(head):
        return Refusal(Reason.UPGRADE_REFUSED)
    return backend.classify(head)


def authenticate(head: RequestHead, rules: Rules, keys: KeySets, now: Instant) -> Caller | Refusal | NeedKey:
    """Who asks: the token from its slot, from the cache or verified anew."""
    token = find_token(head, rules.backend.slots)
    if isinstance(token, Refusal):
        return token
    known = rules.tokens.get(token, now)
    if known is not None:
        return known
    caller = verify(
        token, rules.trusts, keys, rules.policy, now, standing=rules.standing, subject_key=rules.subject_key
    )
    if isinstance(caller, Caller):
        rules.tokens.put(token, caller, now)
    return caller


def refused(refusal: Refusal, now: Instant, caller: Caller | None = None) -> Verdict:
    """A refusal as a verdict: nothing about it outlives this instant."""
    caller = caller or refusal.caller
    if caller is not None:
        org_type = caller.org_types[0]
    else:
        org_type = "other" if refusal.reason is Reason.ORG_TYPE_UNKNOWN else "none"
    return Verdict(
        decision=MEANINGS[refusal.reason].decision,
        reason=refusal.reason,
        caller=caller,
        operation=None,
        holds_until=now,
        org_type=org_type,
        detail=refusal.detail,
    )
