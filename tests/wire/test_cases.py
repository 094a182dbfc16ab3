"""Runs the cases in `cases/`: what a client may send and what an upstream may answer, byte by byte.

After each case the same connection (or, where it was closed, a new one) carries an ordinary call, which must
arrive and be answered as if nothing had happened.
"""

from collections.abc import Sequence

import pytest

from tests.harness.client import AnswerCutError, RawClient, request
from tests.harness.proxy import Proxy, running_proxy
from tests.harness.upstream import Message, RecordingUpstream, Step, ordinary, reply
from tests.harness.waiting import until
from tests.wire.loading import RequestCase, ResponseCase, request_cases, response_cases, wire

PROBE = "/v1/faces/probe"
REKOGNITION = [
    ("X-Amz-Target", "RekognitionService.DetectFaces"),
    ("Content-Type", "application/x-amz-json-1.1"),
]
BYTE_BY_BYTE = 1500
"""Longer cases are sent in one piece only."""


@pytest.mark.parametrize("slowly", [False, True], ids=["whole", "bytes"])
@pytest.mark.parametrize("case", request_cases())
async def test_requests(case: RequestCase, slowly: bool) -> None:
    async with (
        running_proxy(backend=case.backend, **case.settings) as proxy,
        RawClient.to(proxy.port) as client,
    ):
        sent = case.sent(proxy.mint)
        if slowly and len(sent) > BYTE_BY_BYTE:
            return
        await (client.send_slowly(sent) if slowly else client.send(sent))
        methods = case.methods * len(case.answers) if len(case.methods) == 1 else case.methods
        answers = [await client.answer(method.encode()) for method in methods]

        assert [answer.status for answer in answers] == [status for status, _ in case.answers]
        assert proxy.reasons() == case.reasons
        assert all(answer.values(b"x-decision-id") for answer in answers)
        _check_upstream(case, proxy.upstream, sent)
        kept = answers[-1].values(b"connection") != [b"close"]
        assert case.then in ("either", "kept" if kept else "closed")
        if kept:
            await _probe(proxy, client)
        else:
            assert await client.remainder() == b""
        assert len(proxy.upstream.complete) == case.allowed - case.unfinished + kept
        assert proxy.upstream.broken == []


def _check_upstream(case: RequestCase, upstream: RecordingUpstream, sent: bytes) -> None:
    messages = upstream.messages if not case.unfinished else upstream.complete
    assert len(messages) == case.allowed - case.unfinished
    if case.upstream is None and case.raw is None and messages:
        method, target, _ = sent.split(b"\r\n")[0].split(b" ")
        assert (messages[0].method, messages[0].target) == (method, target)
        assert messages[0].body == wire(case.body)
    for message, want in zip(messages, case.upstream or [], strict=False):
        assert message.method == wire(want.get("method", "POST"))
        assert message.target == wire(want.get("target", "/v1/detect"))
        assert message.body == wire(want.get("body", ""))
    for message in messages:
        _check_head(message, upstream, [wire(name) for name in case.lacks])
    assert case.upstream is None or len(case.upstream) == len(messages)


def _check_head(message: Message, upstream: RecordingUpstream, lacks: Sequence[bytes]) -> None:
    """What holds for every head that goes up: the upstream's Host, at most one framing, no credential."""
    names = {name for name, _ in message.headers}
    assert message.values(b"host") == [b"127.0.0.1:%d" % upstream.port]
    assert len(message.values(b"content-length")) + len(message.values(b"transfer-encoding")) <= 1
    assert not names & {
        b"authorization",
        b"x-amz-security-token",
        b"connection",
        b"te",
        b"trailer",
        b"upgrade",
    }
    assert not names & set(lacks)


@pytest.mark.parametrize("case", response_cases())
async def test_responses(case: ResponseCase) -> None:
    def script(message: Message) -> Sequence[Step]:
        return case.steps() if message.target != PROBE.encode() else _mine(message)

    async with (
        RecordingUpstream(script) as upstream,
        running_proxy(upstream=upstream, **case.settings) as proxy,
        RawClient.to(proxy.port) as client,
    ):
        await client.send(case.sent(proxy.mint))
        kept = False
        if case.cut:
            with pytest.raises(AnswerCutError) as raised:
                await client.answer(case.method)
            assert raised.value.seen.startswith(b"HTTP/1.1 %d " % case.status)
        else:
            answer = await client.answer(case.method)
            kept = answer.values(b"connection") != [b"close"]
            assert (answer.status, list(answer.interim)) == (case.status, case.interim)
            lines = [b"%b: %b" % field for field in answer.headers]
            assert [line for line in map(wire, case.has) if line not in lines] == []
            assert [line for line in lines if line.split(b":")[0] in map(wire, case.lacks)] == []
            assert case.reason is not None or answer.body == wire(case.body)
        assert proxy.reasons() == ["not-bound", *([case.reason] if case.reason is not None else [])]
        assert len(upstream.messages) == 1
        if case.settle:
            await until(lambda: upstream.connections[0].closed, "the upstream connection to close")
        if kept:
            await _probe(proxy, client)
        else:
            assert case.cut or await client.remainder() == b""
            async with RawClient.to(proxy.port) as other:
                await _probe(proxy, other)
        await until(lambda: case.reused or upstream.connections[0].closed, "the upstream connection to close")
        assert len(upstream.connections) == (1 if case.reused else 2)
        assert "moratorium_requests_in_flight 0.0" in await proxy.metrics()


def _mine(message: Message) -> Sequence[Step]:
    return reply(b"mine") if message.method == b"GET" else ordinary(message)


async def _probe(proxy: Proxy, client: RawClient) -> None:
    """An ordinary call: exactly one more message upstream, and its own answer."""
    before = len(proxy.upstream.messages)
    if proxy.application.settings.backend == "generic":
        method, target, fields = "GET", PROBE, [proxy.bearer()]
    else:
        method, target, fields = "POST", "/", [proxy.bearer(), *REKOGNITION]
    await client.send(request(method, target, fields))
    answer = await client.answer()

    assert (answer.status, answer.body) in ((200, b"ok"), (200, b"mine"))
    assert [message.target for message in proxy.upstream.messages[before:]] == [target.encode()]
