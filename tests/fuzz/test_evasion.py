"""No spelling of a blocked call goes on for a bound caller, whatever the operator lets unbound ones do."""

import random
from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import h11
import pytest

from proxy.messages import NO_TRAIL, RequestHead
from proxy.pipeline import check
from proxy.policy.model import Verdict
from proxy.policy.reasons import Decision
from proxy.relay.framing import parse_request
from tests.fuzz.disguises import OVERRIDES, Call, around, disguises, piled_up, spellings, values
from tests.fuzz.rule import read_one, sent
from tests.fuzz.world import KEYS, NOW, World, with_tokens, world
from tests.harness.client import AnswerCutError, RawClient
from tests.harness.proxy import running_proxy

PILED_UP = 1000
OVER_THE_WIRE = 60
POLICE = b"Authorization: Bearer <police>"
JSON = b"Content-Type: application/json"
TARGET = b"X-Amz-Target"
_AWS = (b"X-Amz-Security-Token: <police>", b"Content-Type: application/x-amz-json-1.1")


class Subject(NamedTuple):
    """A blocked call and a harmless one of the same backend."""

    backend: str
    blocked: Call
    harmless: Call


def _aws(operation: bytes) -> Call:
    return Call(b"POST", b"/", (*_AWS, TARGET + b": RekognitionService." + operation))


SUBJECTS = [
    Subject("aws-rekognition", _aws(b"CompareFaces"), _aws(b"DetectFaces")),
    Subject("aws-rekognition", _aws(b"SearchFacesByImage"), _aws(b"DetectText")),
    Subject("deepface", Call(b"POST", b"/verify", (POLICE,)), Call(b"POST", b"/analyze", (POLICE,))),
    Subject("deepface", Call(b"POST", b"/represent", (POLICE,)), Call(b"GET", b"/", (POLICE,))),
    Subject(
        "azure-face",
        Call(b"POST", b"/face/v1.0/detect?returnFaceId=true", (POLICE,)),
        Call(b"POST", b"/face/v1.0/detect?returnFaceId=false", (POLICE,)),
    ),
    Subject(
        "compreface",
        Call(b"POST", b"/api/v1/detection/detect?face_plugins=calculator", (POLICE, JSON)),
        Call(b"POST", b"/api/v1/detection/detect", (POLICE, JSON)),
    ),
    Subject("generic", Call(b"POST", b"/v1/search", (POLICE,)), Call(b"POST", b"/v1/detect", (POLICE,))),
    Subject("generic", Call(b"PUT", b"/v1/search", (POLICE,)), Call(b"GET", b"/v1/version", (POLICE,))),
]
by_name = pytest.mark.parametrize(
    "subject",
    SUBJECTS,
    ids=lambda s: f"{s.backend}-{(s.blocked.target + s.blocked.fields[-1][-12:]).decode()}",
)


def disguised(subject: Subject) -> list[Call]:
    """Every disguise, and some of disguises."""
    blocked = subject.blocked
    if subject.backend == "aws-rekognition":
        name, value = TARGET, blocked.fields[-1].partition(b": ")[2]
        other = subject.harmless.fields[-1].partition(b": ")[2]
        calls = [replace(blocked, fields=(*_AWS, *lines)) for lines in values(name, value, other)]
        calls += [*disguises(blocked, b"/x"), *around(blocked)]
        calls += [replace(blocked, target=target) for target in _smithy(value)]
    else:
        calls = [*disguises(blocked, subject.harmless.target)]
    return [*calls, *piled_up(calls, _pile, PILED_UP)]


def _smithy(value: bytes) -> list[bytes]:
    """Other protocols of the same service name the operation in the target."""
    service, _, operation = value.partition(b".")
    return [
        b"/service/%b/operation/%b" % (service, operation),
        b"/?Action=%b" % operation,
        b"/?X-Amz-Target=%b" % value,
        b"/" + operation,
        b"/" + value,
    ]


def _pile(call: Call, rng: random.Random) -> Call:
    """One more disguise: of the target, or around it."""
    if call.target == b"/" or rng.random() < 0.4:
        return rng.choice([*around(call)])
    spelled = [*spellings(call.target[:40])]
    return replace(call, target=rng.choice(spelled))


def judged(raw: bytes, where: World) -> tuple[RequestHead, Verdict] | None:
    head = parse_request(with_tokens(raw))
    if not isinstance(head, RequestHead):
        return None
    verdict = check(head, where.rules, KEYS, NOW)
    assert isinstance(verdict, Verdict)
    return head, verdict


def forwarded(head: RequestHead, where: World) -> h11.Request:
    """What the face API would read."""
    return read_one(sent(head, where, NO_TRAIL), head.length)


def operation_of(method: bytes, target: bytes, fields: dict[bytes, bytes]) -> tuple[bytes, bytes, bytes]:
    """What any reader must take for the operation: nothing is decoded, folded or trimmed."""
    return method, target.partition(b"?")[0], fields.get(b"x-amz-target", b"")


@by_name
@pytest.mark.parametrize("unknown", ["refuse", "allow"])
def test_a_disguised_call_never_goes_on(subject: Subject, unknown: str) -> None:
    where = world(subject.backend, unknown)
    counted: Counter[str] = Counter()
    evaded = []
    for call in disguised(subject):
        answer = judged(call.raw(), where)
        counted["malformed" if answer is None else answer[1].reason] += 1
        if (
            answer is not None
            and answer[1].decision is Decision.ALLOWED
            and not _is_harmless(answer[0], subject, where)
        ):
            evaded.append((call.raw(), answer[1].reason))

    assert evaded == []
    assert counted.total() > 1500
    # Some spellings say the same, and some only change what has no meaning: those are known and blocked.
    assert counted["moratorium"] > 0
    assert set(counted) > {"malformed", "moratorium", "operation-unknown"}


def _is_harmless(head: RequestHead, subject: Subject, where: World) -> bool:
    """The call goes on as the harmless one, and nothing of the blocked one goes with it."""
    request = forwarded(head, where)
    fields = dict(request.headers)
    calm = subject.harmless
    named = calm.fields[-1].partition(b": ")[2] if subject.backend == "aws-rekognition" else b""
    same = operation_of(request.method, request.target, fields) == (calm.method, calm.target, named)
    hint = subject.blocked.target if not named else subject.blocked.fields[-1].rpartition(b".")[2]
    return same and not any(hint.lower() in value.lower() for value in fields.values())


@by_name
def test_hints_at_the_blocked_call_do_not_go_with_a_harmless_one(subject: Subject) -> None:
    where = world(subject.backend)
    aws = subject.backend == "aws-rekognition"
    hint = subject.blocked.fields[-1].partition(b": ")[2] if aws else subject.blocked.target
    hints = [b"%b: %b" % (name.encode(), subject.blocked.target) for name in OVERRIDES]
    hints += [
        b"X_Amz_Target: " + hint,
        b"X-Amz-Target2: " + hint,
        b"X-Operation: " + hint,
        b"Cookie: a=" + hint,
    ]
    hints += [b"X-HTTP-Method-Override: " + subject.blocked.method]
    allowed = 0
    for line in hints:
        answer = judged(subject.harmless.having(line).raw(), where)
        assert answer is not None
        if answer[1].decision is Decision.ALLOWED:
            allowed += 1
            fields = dict(forwarded(answer[0], where).headers)
            name, _, value = line.partition(b": ")
            # We write this one ourselves, of other things than what came: the target "/" is in our "http/".
            assert value not in fields.pop(b"forwarded") or value == b"/"
            assert name.lower() not in fields

    assert allowed == len(hints)


@by_name
async def test_disguises_do_not_arrive_over_the_wire(subject: Subject) -> None:
    sample = random.Random(1).sample(disguised(subject), OVER_THE_WIRE)  # noqa: S311  (seeded, no secret)
    async with running_proxy(backend=subject.backend) as proxy:
        token = proxy.mint.token("police").encode()
        for call in sample:
            async with RawClient.to(proxy.port) as client:
                await client.send(call.raw().replace(b"<police>", token))
                try:
                    answer = await client.answer(call.method if call.method == b"HEAD" else b"GET")
                except AnswerCutError as cut:
                    raise AssertionError(call.raw()) from cut
            assert answer.status >= 400, call.raw()

        assert proxy.upstream.connections == []
        assert len(proxy.audit()) >= len(sample)
