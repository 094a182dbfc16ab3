"""An enforcer with two connections, whose circumstances change, beside what a fresh `check` says."""

import json
from typing import NamedTuple

from proxy.audit.chain import line_of
from proxy.audit.journal import Journal
from proxy.audit.record import fields_of
from proxy.audit.sink import Sink
from proxy.authn.keyset import KeySet, parse_keys
from proxy.authn.subject import SubjectKey
from proxy.authn.verifier import KeySets, NeedKey, Trust
from proxy.backends.generic import Generic
from proxy.enforcer import Denied, Enforcer, Memo
from proxy.messages import NULL, RequestHead, digest_of_head
from proxy.metrics import Metrics
from proxy.pipeline import NeedBody, Rules, check, refused
from proxy.policy.callers import Instant
from proxy.policy.document import build, parse
from proxy.policy.model import Permit, Policy, Refusal, Verdict
from proxy.policy.reasons import Decision, Reason
from proxy.testing import TokenMint
from tests.harness.proxy import MORATORIUM, ROUTES, FixedClock

START = FixedClock.at("2020-06-10T00:00:00Z").now
END = FixedClock.at("2021-06-10T00:00:00Z").now
EXEMPTION = """
[[moratorium.exemption]]
id = "an-hour"
org_ids = ["org-1"]
start = "2020-06-10T01:00:00Z"
end = "2020-06-10T02:00:00Z"
"""
HOUR = 3600.0
INSTANCE = "0123456789ab"
SUBJECT_KEY = SubjectKey(bytes(32))
EDGES = [START, START + HOUR, START + 2 * HOUR, END, START + 300, START + 330, START - 30]
OLD, NEW = (TokenMint(algorithm="EdDSA", kid=kid, clock=lambda: START) for kid in ("old", "new"))
SAME_ID = TokenMint(algorithm="EdDSA", kid="old", clock=lambda: START)


def _keys(*mints: TokenMint) -> KeySet:
    return parse_keys(json.dumps({"keys": [key for mint in mints for key in mint.jwks()["keys"]]}).encode())


KEY_SETS: list[KeySets] = [
    *({OLD.issuer: _keys(*mints)} for mints in ((OLD,), (OLD,), (NEW,), (OLD, NEW), (SAME_ID,))),
    {},
]
"""What may be at hand; nothing: the keys cannot be had."""
TRUST = Trust(OLD.issuer, frozenset({OLD.audience}))


def _policy(text: str) -> Policy:
    return build(parse(text + ROUTES, "memo"))


POLICIES = [
    _policy(MORATORIUM),
    _policy(MORATORIUM + EXEMPTION),
    _policy(MORATORIUM.replace('["police"]', '["school", "commercial"]')),
    _policy(MORATORIUM.replace("2021-06-10", "2020-06-11")),
]


def _heads() -> list[RequestHead]:
    tokens = [
        OLD.token("police", sub="jane", expires_in=10**9),
        OLD.token("police", sub="joe", expires_in=300),
        OLD.token("commercial", expires_in=300, nbf=START + 300),
        OLD.token(["commercial", "police"], expires_in=10**9),
        NEW.token("police", expires_in=10**9),
        "a.b.c",
    ]
    heads = [
        RequestHead(
            b"POST", target, b"1.1", ((b"host", b"a"), (b"authorization", f"Bearer {token}".encode()))
        )
        for token in tokens
        for target in (b"/v1/search", b"/v1/detect", b"/v1/unknown", b"/v1//search")
    ]
    return heads + [other for head in heads if head.target == b"/v1/search" for other in _variants(head)]


def _variants(head: RequestHead) -> list[RequestHead]:
    """The same call in other words, and calls that differ in one thing."""
    headers = head.headers
    return [
        head._replace(headers=(*headers, (b"user-agent", b"x"))),
        head._replace(headers=headers[::-1], length=5),
        head._replace(headers=(*headers, (b"authorization", b"Basic x"))),
        head._replace(headers=(headers[0], (b"authorization", b"Basic x"))),
        head._replace(options=frozenset({b"authorization"})),
        head._replace(method=b"GET"),
        head._replace(target=head.target + b"?a"),
        head._replace(upgrade=True),
    ]


HEADS = _heads()
EQUAL_HEADS = [RequestHead(*head) for head in HEADS]


class Keys:
    """Gives the keys that it is told to."""

    at_hand: KeySets = {}  # noqa: RUF012  (never written to)

    def view(self, now: Instant) -> KeySets:  # noqa: ARG002
        return self.at_hand

    async def seek(self, issuer: str, kid: str | None) -> None:
        """Nothing to do."""


class Step(NamedTuple):
    """One change, or none, and then a question about one of the two heads of the history."""

    head: int
    equal: bool
    clock: float | None
    keys: int | None
    policy: int | None
    memo: int


def _rules(policy: Policy) -> Rules:
    return Rules(Generic(policy.routes), policy, {TRUST.issuer: TRUST}, subject_key=SUBJECT_KEY)


class LastLine(Sink):
    """Keeps the last record in mind."""

    line = b""

    def write(self, line: bytes) -> None:
        super().write(line)
        self.line = line


class History:
    """An enforcer whose circumstances change, with two connections, and what a fresh check says."""

    def __init__(self, heads: tuple[int, int]) -> None:
        self.heads = heads
        self.clock = FixedClock(START)
        self.source = Keys()
        self.source.at_hand = KEY_SETS[0]
        self.sink = LastLine("/dev/null")
        self.enforcer = Enforcer(
            _rules(POLICIES[0]), self.source, Journal(self.sink), Metrics(), self.clock, instance=INSTANCE
        )
        self.memos = Memo(), Memo()

    def change(self, step: Step) -> None:
        if step.clock is not None:
            self.clock.now = step.clock
        if step.keys is not None:
            self.source.at_hand = KEY_SETS[step.keys]
        if step.policy is not None:
            self.enforcer.rules = _rules(POLICIES[step.policy])

    def fresh(self, head: RequestHead) -> Verdict | NeedKey:
        """Without a memory of any kind."""
        outcome = check(head, _rules(self.enforcer.rules.policy), self.source.at_hand, self.clock.now)
        assert not isinstance(outcome, NeedBody)
        return outcome

    def ask(self, step: Step) -> None:
        head = (EQUAL_HEADS if step.equal else HEADS)[self.heads[step.head]]
        expected = self.fresh(head)
        answer = self.enforcer.admit(head, self.memos[step.memo])
        if isinstance(expected, NeedKey):
            assert answer == expected
            expected = refused(Refusal(Reason.TOKEN_KEY_UNKNOWN), self.clock.now)
            answer = self.enforcer.admit(head, self.memos[step.memo], lacking=Reason.TOKEN_KEY_UNKNOWN)
        assert isinstance(answer, Permit | Denied)
        assert answer.verdict._replace(holds_until=0.0) == expected._replace(holds_until=0.0)
        assert isinstance(answer, Permit) is (expected.decision is Decision.ALLOWED)
        # What is remembered may hold shorter than it could, never longer.
        assert answer.verdict.holds_until <= max(expected.holds_until, self.clock.now)
        self.check_record(answer, head, expected)

    def check_record(self, answer: Permit | Denied, head: RequestHead, expected: Verdict) -> None:
        """That the record is the one which is made of this call alone."""
        policy, chain = self.enforcer.rules.policy, self.enforcer.audit.chain
        imprint = digest_of_head(head, Generic.reads), head.length, NULL
        whole = fields_of(
            expected, answer.decision_id.decode(), self.clock.now, revision=policy.revision, mode=policy.mode,
            instance=INSTANCE, backend="generic", imprint=imprint,
        )  # fmt: skip
        record = json.loads(self.sink.line)
        place = {"chain": chain.id, "seq": chain.seq - 1, "prev": record["prev"]}
        assert record == json.loads(line_of(whole | place))
