"""`check`: who, what, may it. One pure synchronous function that every door asks.

What it lacks (a key) it returns as a value. It has no clock, socket, environment or log.
"""

from dataclasses import dataclass, field

from proxy.authn.bearer import find_token, token_of
from proxy.authn.cache import TokenCache
from proxy.authn.keyset import KeySet
from proxy.authn.verifier import NeedKey, Trust, verify
from proxy.backends.base import Backend
from proxy.messages import RequestHead
from proxy.policy.callers import Caller, Instant
from proxy.policy.engine import decide
from proxy.policy.model import Policy, Refusal, Verdict
from proxy.policy.operations import Operation
from proxy.policy.reasons import MEANINGS, Reason

Question = tuple[bytes, bytes, bool, frozenset[bytes], list[tuple[bytes, bytes]]]


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything a decision depends on besides request, keys and time. Replaced whole on reload."""

    backend: Backend
    policy: Policy
    trust: Trust
    tokens: TokenCache = field(default_factory=TokenCache)
    _schemes: dict[bytes, bytes | None] = field(init=False)

    def __post_init__(self) -> None:
        schemes: dict[bytes, bytes | None] = dict.fromkeys(self.backend.reads)
        schemes.update(self.backend.slots)
        object.__setattr__(self, "_schemes", schemes)

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


def check(head: RequestHead, rules: Rules, keys: KeySet, now: Instant) -> Verdict | NeedKey:
    """Decide one request at `now`.

    The token comes first, so that a stranger learns nothing about operations or policies (threat T65).
    """
    caller = authenticate(head, rules, keys, now)
    if isinstance(caller, NeedKey):
        return caller
    if isinstance(caller, Refusal):
        return refused(caller, now)
    operation = _classify(head, rules.backend)
    if isinstance(operation, Refusal):
        return refused(operation, now, caller)
    return decide(caller, operation, rules.policy, now)


def _classify(head: RequestHead, backend: Backend) -> Operation | Refusal:
    # A Connection option takes the field it names out of the message at the next hop; were that one the
    # decision reads or the upstream acts on, the two would see different requests (threat T16).
    if head.options and not (
        head.options.isdisjoint(backend.forwards) and head.options.isdisjoint(s.header for s in backend.slots)
    ):
        return Refusal(Reason.REQUEST_AMBIGUOUS, "Connection names a field that the call depends on.")
    if head.upgrade and not backend.upgrades(head):
        return Refusal(Reason.UPGRADE_REFUSED)
    return backend.classify(head)


def authenticate(head: RequestHead, rules: Rules, keys: KeySet, now: Instant) -> Caller | Refusal | NeedKey:
    """Who asks: the token from its slot, from the cache or verified anew."""
    token = find_token(head, rules.backend.slots)
    if isinstance(token, Refusal):
        return token
    known = rules.tokens.get(token, now)
    if known is not None:
        return known
    caller = verify(token, rules.trust, keys, rules.policy, now)
    if isinstance(caller, Caller):
        rules.tokens.put(token, caller, now)
    return caller


def refused(refusal: Refusal, now: Instant, caller: Caller | None = None) -> Verdict:
    """A refusal as a verdict: nothing about it outlives this instant."""
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
