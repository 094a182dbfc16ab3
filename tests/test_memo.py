"""The memo of one connection changes how long an answer takes, never the answer."""

import json
from pathlib import Path

import pytest

from proxy.audit.journal import Journal
from proxy.audit.sink import Sink
from proxy.authn.keyset import parse_keys
from proxy.authn.verifier import KeySets, Trust
from proxy.backends.registry import make_backend
from proxy.enforcer import Denied, Enforcer, Memo
from proxy.messages import RequestHead
from proxy.metrics import Metrics
from proxy.pipeline import Rules
from proxy.policy.callers import Instant
from proxy.policy.document import Source, build
from proxy.policy.model import Permit
from proxy.policy.shorthand import document_of
from proxy.testing import TokenMint

START = 1_600_000_000.0
MINT = TokenMint(clock=lambda: START)
POLICY = build(Source("test", document_of(blocked_org_types=("police",), start="2020-09-13T12:30:00Z")))


class Keys:
    """Keys at hand."""

    def __init__(self) -> None:
        self.keys: KeySets = {MINT.issuer: parse_keys(json.dumps(MINT.jwks()).encode())}

    def view(self, now: Instant) -> KeySets:  # noqa: ARG002
        return self.keys

    async def seek(self, issuer: str, kid: str | None) -> None: ...


class World:
    """An enforcer whose clock, keys and rules can be moved."""

    def __init__(self, path: Path) -> None:
        self.now = START
        self.keys = Keys()
        self.path = path
        self.enforcer = Enforcer(
            rules=self.rules(), keys=self.keys, audit=Journal(Sink(str(path))), metrics=Metrics(),
            clock=lambda: self.now, instance="0" * 12,
        )  # fmt: skip
        self.memo = Memo()

    def rules(self) -> Rules:
        trust = Trust(MINT.issuer, frozenset({MINT.audience}))
        return Rules(make_backend("aws-rekognition"), POLICY, {trust.issuer: trust})

    def ask(self, head: RequestHead) -> str:
        outcome = self.enforcer.admit(head, self.memo)
        assert isinstance(outcome, Permit | Denied)
        return str(outcome.verdict.reason)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "audit")


def head(token: str, operation: str = "CompareFaces", **more: str) -> RequestHead:
    fields = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"RekognitionService.{operation}"}
    fields |= {"x-amz-security-token": token, **{k.replace("_", "-"): v for k, v in more.items()}}
    return RequestHead(b"POST", b"/", b"1.1", tuple((k.encode(), v.encode()) for k, v in fields.items()))


def test_the_same_question_is_asked_once_however_the_rest_of_the_head_changes(world: World) -> None:
    token = MINT.token("police", expires_in=3600)
    for number in range(5):
        assert (
            world.ask(head(token, x_amz_date=str(number), authorization=f"AWS4 {number}")) == "outside-window"
        )

    assert (world.enforcer.rules.tokens.hits, world.enforcer.rules.tokens.misses) == (4, 1)
    assert len(world.path.read_bytes().splitlines()) == 5


def test_another_operation_token_or_connection_option_is_another_question(world: World) -> None:
    token, other = MINT.token("police", expires_in=3600), MINT.token("commercial", expires_in=3600)
    world.now = START + 1000

    assert world.ask(head(token)) == "moratorium"
    assert world.ask(head(token, "DetectFaces")) == "not-covered"
    assert world.ask(head(other)) == "not-bound"
    assert world.ask(head(token)._replace(options=frozenset({b"x-amz-target"}))) == "request-ambiguous"
    assert world.ask(head(token, authorization=f"Bearer {other}")) == "credentials-ambiguous"
    assert world.ask(head(token)) == "moratorium"


def test_a_window_that_opens_ends_the_memo(world: World) -> None:
    token = MINT.token("police", expires_in=3600)
    opening = POLICY.moratoria[0].windows[0].start

    world.now = opening - 0.001
    assert world.ask(head(token)) == "outside-window"
    world.now = opening
    assert world.ask(head(token)) == "moratorium"


def test_a_token_that_ends_ends_the_memo(world: World) -> None:
    token = MINT.token("commercial", expires_in=60)

    assert world.ask(head(token)) == "not-bound"
    world.now = START + 90
    assert world.ask(head(token)) == "token-expired"


def test_a_clock_that_steps_back_ends_the_memo(world: World) -> None:
    token = MINT.token("police", expires_in=3600)
    world.now = POLICY.moratoria[0].windows[0].start + 5
    assert world.ask(head(token)) == "moratorium"

    world.now = POLICY.moratoria[0].windows[0].start - 5

    assert world.ask(head(token)) == "outside-window"


def test_withdrawn_keys_end_the_memo(world: World) -> None:
    token = MINT.token("commercial")
    assert world.ask(head(token)) == "not-bound"

    world.keys.keys = {MINT.issuer: parse_keys(json.dumps(TokenMint(kid=MINT.kid).jwks()).encode())}

    assert world.ask(head(token)) == "token-signature"


def test_new_rules_end_the_memo(world: World) -> None:
    token = MINT.token("police", expires_in=3600)
    world.now = POLICY.moratoria[0].windows[0].start
    assert world.ask(head(token)) == "moratorium"

    nobody = build(Source("test", document_of(blocked_org_types=("press",))))
    world.enforcer.rules = Rules(make_backend("aws-rekognition"), nobody, world.enforcer.rules.trusts)

    assert world.ask(head(token)) == "not-bound"
