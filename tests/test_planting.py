"""Marked text is planted in every part of calls and looked for in everything that the proxy says of them."""

import asyncio
import base64
import contextlib
import dataclasses
import gzip
import hashlib
import io
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.backends.base import Denial, Native, Sketch
from proxy.backends.generic import Generic
from proxy.logs import set_up
from proxy.messages import RequestHead
from proxy.policy.model import Refusal
from proxy.policy.operations import Operation
from tests.audit.logs import PEM
from tests.audit.valid import wrong
from tests.harness.client import AnswerCutError, RawClient, call
from tests.harness.proxy import Proxy, running_proxy
from tests.harness.upstream import AwaitBody, Close, RecordingUpstream, Send, reply
from tests.harness.waiting import until

MARK = "PLANTED-7f3a"
TEXT = f"{MARK} & sons"
"""With blanks it is no id of an organisation, which would be told as it is."""
SECRET = f"{MARK}-{MARK}-{MARK}-key-for-subjects"
POLICY = """
schema = 1
[vocabulary]
circumstances.media_source = ["officer-camera"]
[[moratorium]]
id = "pause-2020"
binds.org_types = ["police"]
covers.classes = ["compare", "search", "enroll", "template", "analyze"]
window = [{ start = "2020-06-10T00:00:00Z" }]
exemption = [{ id = "warrant", evidence = [{ types = ["warrant"], max_age = "30d" }] }]
"""
CLAIMS: dict[str, Any] = {
    "nothing": {},
    "texts": {"sub": TEXT, "name": TEXT, "jti": TEXT, "client_id": TEXT, "case_id": TEXT, "email": TEXT},
    **{name: {name: TEXT} for name in (
        "org_type", "org_id", "org_subtype", "org_level", "jurisdiction", "subject_jurisdiction",
        "place_jurisdiction", "purpose", "org_path", "on_behalf_of", "act", "authorization_details",
        "media_source", "iss", "aud", "exp", "nbf",
    )},
    "units": {"org_path": [TEXT, {"org_id": TEXT}]},
    "principal": {"on_behalf_of": {"org_type": TEXT, "org_id": TEXT, TEXT: TEXT}},
    "actors": {"act": {"sub": TEXT, "org_type": "commercial", "act": {"org_id": TEXT}}},
    "evidence": {"authorization_details": [{"type": TEXT}, {
        "type": "warrant", "id": TEXT, "issued_at": 1593604000, "issued_by": "court", "note": TEXT,
    }]},
    "half a paper": {"authorization_details": [{"type": "warrant", "id": TEXT, "issued_by": TEXT}]},
    "member": {TEXT: {TEXT: [TEXT]}},
}  # fmt: skip
HEADERS = ({"kid": TEXT}, {"typ": TEXT}, {"crit": [TEXT]}, {"jku": TEXT}, {TEXT: TEXT})
JSON = json.dumps({"img": f"data:image/{TEXT}", "actions": [TEXT], TEXT: TEXT}).encode()
FORM = f"img=data:image/{MARK}&actions={MARK}".encode()
PARTS = (
    f'--{MARK}\r\nContent-Disposition: form-data; name="img"; filename="{TEXT}"\r\n\r\n{TEXT}\r\n'
    f'--{MARK}\r\nContent-Disposition: form-data; name="{TEXT}"\r\n\r\n{TEXT}\r\n--{MARK}--\r\n'
).encode()
# MessagePack: {"images": {"data": [MARK as bytes]}, MARK: MARK}, and one that ends too soon.
PACKED = (
    b"\x82\xa6images\x81\xa4data\x91\xc4%c%b" % (len(MARK), MARK.encode())
    + b"%c%b%c%b" % (0xA0 + len(MARK), MARK.encode(), 0xA0 + len(MARK), MARK.encode())
)  # fmt: skip
BODIES = (
    ("application/json", JSON),
    ("application/json", JSON[:-5]),
    (f"application/json; {MARK}={MARK}", JSON),
    ("application/x-www-form-urlencoded", FORM),
    (f"multipart/form-data; boundary={MARK}", PARTS),
    (f"multipart/form-data; boundary={MARK}", PARTS[:40]),
    ("application/msgpack", PACKED),
    ("application/msgpack", PACKED[:-5]),
    (f"text/{MARK}", TEXT.encode()),
)
AWS = [
    ("X-Amz-Target", "RekognitionService.CompareFaces"),
    ("Content-Type", "application/x-amz-json-1.1"),
    ("X-Amz-Date", MARK),
]
TARGETS = {
    "generic": ("/v1/search", f"/{MARK}", f"/v1/detect?{MARK}={MARK}"),
    "aws-rekognition": ("/", f"/{MARK}", f"/?{MARK}={MARK}"),
}
EXTRA = [(name, MARK) for name in (
    "User-Agent", "Cookie", "X-Extra", "X-Request-Id", "Traceparent", "Tracestate", "Forwarded", "Via",
    "X-Forwarded-For", "Referer", "If-None-Match", f"X-{MARK}",
)]  # fmt: skip


def forms(text: str) -> set[str]:
    """As it is, and as the ways of writing bytes make it."""
    raw = text.encode()
    return {text, text.lower(), base64.b64encode(raw).decode().rstrip("=")[:-1], raw.hex(), raw.hex().upper()}


MARKS = forms(MARK) | {hashlib.sha256(TEXT.encode()).hexdigest()}
"""A digest without a key tells what can be guessed: only case numbers and papers are recorded by it."""


def found(place: str, marks: set[str] = MARKS) -> list[str]:
    """Where a mark is, with what is around it."""
    return [place[max(0, at - 60) : at + 60] for mark in marks if (at := place.find(mark)) >= 0]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Standard error as in service, with everything that can be logged."""
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    root, ours = logging.getLogger(), logging.getLogger("moratorium")
    before = root.handlers[:], root.level, ours.level
    set_up("debug")
    yield said
    root.handlers[:], level, our_level = before
    root.setLevel(level)
    ours.setLevel(our_level)


@contextlib.asynccontextmanager
async def planted(
    folder: Path, backend: str = "generic", upstream: RecordingUpstream | None = None
) -> AsyncIterator[Proxy]:
    """A proxy with everything switched on that writes or tells something."""
    (folder / "key.pem").write_bytes(PEM)
    (folder / "subject.key").write_text(SECRET, "utf-8")
    async with running_proxy(
        backend=backend,
        policy=POLICY,
        upstream=upstream,
        audit_key_file=str(folder / "key.pem"),
        audit_subject_key_file=str(folder / "subject.key"),
        audit_witness=str(folder / "witness"),
        admin_listen="127.0.0.1:0",
        upstream_assertion_key_file=str(folder / "key.pem"),
    ) as proxy:
        yield proxy


async def said_of(proxy: Proxy, folder: Path) -> str:
    """Records (closed and packed as well), witness, pages, and what objects say of themselves."""
    archive, journal = proxy.application.archive, proxy.application.audit
    journal.flush(proxy.clock())
    said, descriptor = [proxy.audit_file.read_text("utf-8")], journal.sink.descriptor
    assert descriptor is not None
    archive.cut(proxy.audit_file, descriptor, proxy.clock())
    await archive.tidy()
    (packed,) = proxy.audit_file.parent.glob("*.gz")
    said += [gzip.decompress(packed.read_bytes()).decode(), (folder / "witness").read_text("utf-8")]
    for page in ("healthz", "startupz", "readyz", "metrics", MARK):
        answer = await call(proxy.metrics_port, "GET", f"/{page}")
        said += [str(answer.headers), answer.body.decode()]
    (door,) = proxy.application._doors
    answer = await call(int(door.addresses[0][1]), "GET", "/.well-known/jwks.json")
    said += [str(answer.headers), answer.body.decode()]
    application, rules = proxy.application, proxy.application.enforcer.rules
    objects: list[Any] = [application, application.relay, application.relay.context.connections]
    objects += [application.identity, rules.tokens, rules.verdicts, rules.subject_key]
    return "\n".join([*said, *map(repr, objects)])


def decisions(said: str) -> list[dict[str, Any]]:
    """Once from the file, once from the segment."""
    records = [json.loads(line) for line in said.splitlines() if line.endswith('"v":2}')]
    made = {record["id"]: record for record in records if record["kind"] == "decision"}
    assert [text for record in records for text in wrong(record)] == []
    assert {"open", "outcomes", "checkpoint"} <= {record["kind"] for record in records}
    return [*made.values()]


# ------------------------------------------------------------ tokens, heads, bodies


@pytest.mark.parametrize("backend", ["generic", "aws-rekognition"])
async def test_nothing_of_a_token_or_a_head_is_told(backend: str, tmp_path: Path, log: io.StringIO) -> None:
    async with planted(tmp_path, backend) as proxy:
        tokens = [proxy.mint.token(**({"org_type": "police"} | claims)) for claims in CLAIMS.values()]
        tokens += [proxy.mint.token("police", headers=header) for header in HEADERS]
        tokens += [f"{MARK}.{MARK}.{MARK}", MARK, f"{tokens[0]}{MARK}"]
        answers = []
        for token in tokens:
            for target in TARGETS[backend]:
                fields = [("Authorization", f"Bearer {token}"), *AWS, *EXTRA]
                answers.append(await call(proxy.port, "POST", target, fields, JSON))
        said = await said_of(proxy, tmp_path)
        records = decisions(said)

    # What the face API answered is the face API's.
    answered = [str(a.headers) + a.body.decode() for a in answers if a.status != 200]
    everything = "\n".join([said, *answered, log.getvalue()])
    assert found(_without_papers(everything)) == []
    assert [token for token in tokens if token in everything or token.split(".")[-1] in everything] == []
    assert len(records) == len(answers) == 3 * len(tokens)
    assert {"blocked", "rejected"} <= {record["decision"] for record in records}
    assert any(record["subject_hmac"] for record in records)
    assert all(record["request_sha256"] for record in records)


def _without_papers(text: str) -> str:
    """Without the digests of case numbers and papers, which are to be there."""
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    for name in ("case_sha256", "sha256", "evidence_sha256"):
        text = text.replace(f'"{name}":"{digest}"', "")
    return text


@pytest.mark.parametrize("backend", ["deepface", "insightface-rest"])
async def test_nothing_of_a_body_is_told(backend: str, tmp_path: Path, log: io.StringIO) -> None:
    target = "/analyze" if backend == "deepface" else "/extract"
    async with planted(tmp_path, backend) as proxy:
        answers = []
        for org_type in ("police", "commercial"):
            for kind, body in BODIES:
                fields = [proxy.bearer(org_type, sub=TEXT), ("Content-Type", kind)]
                answers.append(await call(proxy.port, "POST", target, fields, body))
        said = await said_of(proxy, tmp_path)
        records = decisions(said)

    answered = [str(a.headers) + a.body.decode() for a in answers if a.status != 200]
    assert found("\n".join([said, *answered, log.getvalue()])) == []
    assert len(records) == len(answers)
    assert any(record["body_sha256"] for record in records)
    assert {"allowed", "rejected"} <= {record["decision"] for record in records}


async def test_nothing_of_what_is_no_request_is_told(tmp_path: Path, log: io.StringIO) -> None:
    heads = [
        f"{MARK} /v1/search HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET {TEXT} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET / {MARK}\r\nHost: x\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: {TEXT}\r\nBad {MARK}: 1\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: {MARK}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {MARK}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nExpect: {MARK}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: {MARK}\r\nConnection: upgrade, {MARK}\r\n\r\n",
        f"GET http://{MARK}/ HTTP/1.1\r\nHost: x\r\nX: {MARK}\x00\r\n\r\n",
    ]
    seen = b""
    async with planted(tmp_path) as proxy:
        await proxy.call("POST", "/v1/detect", b"{}")  # so that something has come to its end, too
        for head in heads:
            async with RawClient.to(proxy.port) as client:
                await client.send(head.encode())
                seen += await client.remainder()
        said = await said_of(proxy, tmp_path)
        records = decisions(said)

    assert found("\n".join([said, seen.decode(), log.getvalue()])) == []
    assert len(records) == len(heads) + 1


# ------------------------------------------------------------ what goes wrong


class Exploding(Generic):
    """Fails with all that it was given in its hand."""

    def classify(self, head: RequestHead) -> Operation | Refusal | Sketch:
        if head.path == b"/v1/classify":
            raise RuntimeError(f"{TEXT} in {head!r}")
        return super().classify(head)

    def native(self, denial: Denial) -> Native:
        raise ValueError(f"{TEXT} in {denial!r}")


async def test_nothing_is_told_by_a_crash(tmp_path: Path, log: io.StringIO) -> None:
    async with planted(tmp_path) as proxy:
        await proxy.call("POST", "/v1/detect", b"{}")
        enforcer = proxy.application.enforcer
        whole = enforcer.rules
        enforcer.rules = dataclasses.replace(whole, backend=Exploding(whole.policy.routes))
        with pytest.raises(AnswerCutError):  # the answer fails as well, and the connection with it
            await call(proxy.port, "POST", "/v1/classify", [proxy.bearer(sub=TEXT), *EXTRA], JSON)
        await until(lambda: proxy.faults, "the crash")
        told = proxy.faults.copy()
        proxy.faults.clear()
        enforcer.rules = whole

        async def fails() -> None:
            raise RuntimeError(TEXT)

        task = proxy.application.spawn(fails())
        await until(lambda: task not in proxy.application._tasks, "the end of the task")
        for context in told:  # what the loop would have said to nobody but the log
            asyncio.get_running_loop().default_exception_handler(context)
        said = await said_of(proxy, tmp_path)
    logged = log.getvalue()

    assert found("\n".join([said, logged])) == []
    assert logged.count('"trace"') == 3
    for error in ("RuntimeError", "ValueError"):
        assert f'"error": "{error}"' in logged


ANSWERS = (
    *reply(TEXT.encode(), headers=[f"X-{MARK}: {TEXT}".encode(), f"Set-Cookie: {MARK}".encode()]),
), (
    AwaitBody(), Send(f"HTTP/1.1 200 OK\r\nContent-Length: {MARK}\r\n\r\n".encode()),
), (
    AwaitBody(), Send(MARK.encode() * 100), Close(),
), (
    AwaitBody(), Send(f"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{TEXT}".encode()), Close(),
)  # fmt: skip


async def test_nothing_of_an_answer_is_told(tmp_path: Path, log: io.StringIO) -> None:
    answers = iter(ANSWERS)
    async with (
        RecordingUpstream(lambda _: next(answers)) as upstream,
        planted(tmp_path, upstream=upstream) as proxy,
    ):
        seen = ""
        for _ in ANSWERS:
            with contextlib.suppress(AnswerCutError):
                answer = await proxy.call("POST", "/v1/detect", b"{}")
                seen += str(answer.headers) + answer.body.decode() if answer.status != 200 else ""
        said = await said_of(proxy, tmp_path)
        records = decisions(said)

    assert found("\n".join([said, seen, log.getvalue()])) == []
    assert [record["reason"] for record in records].count("upstream-broken") == 3
