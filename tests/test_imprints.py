"""What records keep of requests and of whose they were: by the definition in docs/audit-records.md, made anew
here; and that neither changes what is decided."""

import contextlib
import hashlib
import hmac
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import SettingsError
from tests.audit.valid import whole_records, wrong
from tests.harness.client import RawClient, call, request
from tests.harness.process import serving
from tests.harness.proxy import MORATORIUM, Proxy, running_proxy
from tests.harness.upstream import AwaitBody, Close, RecordingUpstream
from tests.wire.bodies import CHUNKED, FORBIDDEN, HARMLESS, ask, chunked, reading, sized

SECRET = "0123456789abcdef" * 2
SEARCH = ("POST", "/v1/search", b"{}")
Records = list[dict[str, Any]]
NOTHING = {"request_sha256": None, "request_bytes": None, "body_sha256": None}


def of(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def subject(issuer: str, name: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"{issuer}\0{name}".encode(), hashlib.sha256).hexdigest()


def imprints(records: Records) -> Records:
    return [{name: record[name] for name in NOTHING} for record in records]


def reasons(records: Records) -> list[str]:
    return [record["reason"] for record in records]


def imprint(text: str, size: int | None, body: bytes | None = None) -> dict[str, Any]:
    return {
        "request_sha256": of(text),
        "request_bytes": size,
        "body_sha256": of(body) if body is not None else None,
    }


# ------------------------------------------------------------ requests


async def test_every_outcome_has_the_imprint_of_its_request() -> None:
    async with running_proxy() as proxy:
        for caller in ("commercial", "police", "unheard-of", None):
            await proxy.call("POST", "/v1/search?q=1", b"12345", caller=caller)
        await proxy.call("GET", "/v1/version")
        records = proxy.audit()

    assert [record["decision"] for record in records][:3] == ["allowed", "blocked", "rejected"]
    assert imprints(records) == [imprint("POST /v1/search?q=1\n", 5)] * 4 + [imprint("GET /v1/version\n", 0)]


async def test_calls_on_one_connection_each_have_their_own() -> None:
    async with running_proxy() as proxy, RawClient.to(proxy.port) as client:
        token = proxy.bearer()
        for target, body in [("search", b"1"), ("search", b"22"), ("detect", b"1"), ("search", b"1")]:
            fields = [token, ("Content-Length", str(len(body)))]
            await client.send(request("POST", f"/v1/{target}", fields) + body)
            await client.answer()
        await client.send(request("POST", "/v1/search", [token, CHUNKED]) + b"1\r\nx\r\n0\r\n\r\n")
        await client.answer()
        records = proxy.audit()

    search, detect = "POST /v1/search\n", "POST /v1/detect\n"
    assert imprints(records) == [
        imprint(search, 1), imprint(search, 2), imprint(detect, 1), imprint(search, 1), imprint(search, None),
    ]  # fmt: skip


async def test_fields_that_the_backend_reads_are_in_it_and_tokens_are_not() -> None:
    async with running_proxy(backend="aws-rekognition") as proxy:
        fields = [
            ("X-Amz-Target", "RekognitionService.CompareFaces"), ("X-Amz-Date", "20200701T120000Z"),
            ("Content-Type", " application/x-amz-json-1.1 "), ("Authorization", "AWS4-HMAC-SHA256 Name=x"),
        ]  # fmt: skip
        for token in ("one", "two"):
            mark = ("X-Amz-Security-Token", proxy.mint.token("police", jti=token))
            await call(proxy.port, "POST", "/", [mark, *fields], b"{}")
        records = proxy.audit()

    text = "POST /\nx-amz-target:RekognitionService.CompareFaces\ncontent-type:application/x-amz-json-1.1\n"
    assert imprints(records) == [imprint(text, 2)] * 2


async def test_what_never_became_a_question_has_none() -> None:
    async with running_proxy(max_body_bytes="10") as proxy:
        async with RawClient.to(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n")
            await client.answer()
        await proxy.call("POST", "/v1/search", bytes(11))
        records = proxy.audit()

    assert (reasons(records), imprints(records)) == (["request-malformed", "body-too-large"], [NOTHING] * 2)


async def test_a_body_that_was_read_is_in_it() -> None:
    async with reading() as (proxy, _), RawClient.to(proxy.port) as client:
        in_chunks = ask(proxy, CHUNKED) + chunked(HARMLESS, 3)
        for sent in (sized(proxy, FORBIDDEN), sized(proxy, HARMLESS), in_chunks):
            await client.send(sent)
            await client.answer()
        # Decided by its head alone: nobody has read it.
        await client.send(sized(proxy, HARMLESS, caller="commercial"))
        await client.answer()
        records = proxy.audit()

    text = "POST /v1/ask\n"
    assert reasons(records) == ["moratorium", "not-covered", "not-covered", "not-bound"]
    assert imprints(records) == [
        imprint(text, len(FORBIDDEN), FORBIDDEN), *[imprint(text, len(HARMLESS), HARMLESS)] * 2,
        imprint(text, len(HARMLESS)),
    ]  # fmt: skip


async def test_a_body_for_which_there_is_no_room_is_not_read() -> None:
    async with reading(max_buffered_bytes="10") as (proxy, _), RawClient.to(proxy.port) as client:
        await client.send(ask(proxy, ("Content-Length", "100")) + bytes(50))
        await client.answer()
        records = proxy.audit()

    assert (reasons(records), imprints(records)) == (["overloaded"], [imprint("POST /v1/ask\n", 100)])


async def test_a_call_that_fails_has_that_of_its_permit() -> None:
    async with (
        RecordingUpstream(lambda _: (AwaitBody(), Close())) as upstream,
        reading(upstream) as (proxy, _),
    ):
        await call(proxy.port, "POST", "/v1/ask", [proxy.bearer("police")], HARMLESS)
        await call(proxy.port, "POST", "/v1/ask?x", [proxy.bearer()], b"abc")
        records = proxy.audit()

    one, other = imprint("POST /v1/ask\n", len(HARMLESS), HARMLESS), imprint("POST /v1/ask?x\n", 3)
    assert [record["decision"] for record in records] == ["allowed", "failed"] * 2
    assert imprints(records) == [one, one, other, other]


async def test_a_call_whose_record_is_on_no_disk_has_that_of_its_permit() -> None:
    async with running_proxy(audit_durability="synced") as proxy:
        descriptor = proxy.application.audit.sink.descriptor
        assert descriptor is not None
        reader, writer = os.pipe()  # takes records and is on no disk
        os.dup2(writer, descriptor)
        await proxy.call("POST", "/v1/detect", b"12345")
        records = [json.loads(line) for line in os.read(reader, 65536).splitlines()]
        os.close(reader)
        os.close(writer)

    assert reasons(records) == ["not-bound", "audit-unwritable"]
    assert imprints(records) == [imprint("POST /v1/detect\n", 5)] * 2


# ------------------------------------------------------------ windows


async def test_what_is_blocked_names_the_window() -> None:
    async with running_proxy() as proxy:
        await proxy.call(*SEARCH, caller="police")
        await proxy.call(*SEARCH)
        records = proxy.audit()

    blocked, allowed = records
    assert blocked["rule_window"] == {"start": "2020-06-10T00:00:00Z", "end": "2021-06-10T00:00:00Z"}
    assert (allowed["rule_window"], allowed["policy_serial"]) == (None, None)


async def test_one_window_hands_over_to_the_next() -> None:
    first, second = ("2020-06-10T00:00:00Z", "2020-07-02T00:00:00Z"), ("2020-07-02T00:00:00Z", None)
    windows = f'[{{ start = "{first[0]}", end = "{first[1]}" }}, {{ start = "{second[0]}" }}]'
    policy = re.sub(r"window = .*", f"window = {windows}", MORATORIUM)
    async with running_proxy(policy=policy) as proxy, RawClient.to(proxy.port) as client:
        token = proxy.bearer("police", expires_in=10 * 86400)
        for moment in ("01T23:59:59.999Z", "02T00:00:00Z"):
            proxy.clock.set(f"2020-07-{moment}")
            await client.send(request("POST", "/v1/search", [token]))
            await client.answer()
        records = proxy.audit()

    assert [record["until"] for record in records] == [None, None]
    assert [(r["rule_window"]["start"], r["rule_window"]["end"]) for r in records] == [first, second]


async def test_what_fails_names_neither_rule_nor_window() -> None:
    async with (
        RecordingUpstream(lambda _: (AwaitBody(), Close())) as upstream,
        running_proxy(upstream=upstream, mode="shadow") as proxy,
    ):
        await proxy.call(*SEARCH, caller="police")
        records = proxy.audit()

    assert reasons(records) == ["shadow-blocked", "upstream-broken"]
    assert [record["rule"] for record in records] == ["pause-2020", None]
    assert [record["rule_window"] is None for record in records] == [False, True]


# ------------------------------------------------------------ subjects


@contextlib.asynccontextmanager
async def keyed(folder: Path, secret: str = SECRET + "\n") -> AsyncIterator[Proxy]:
    (folder / "subject.key").write_text(secret, "utf-8")
    async with running_proxy(audit_subject_key_file=str(folder / "subject.key")) as proxy:
        yield proxy


async def test_a_record_says_whose_token_it_was(tmp_path: Path) -> None:
    async with keyed(tmp_path) as proxy:
        for org_type in ("commercial", "police"):
            for name in ("jane", "joe", "jane"):
                await call(proxy.port, *SEARCH[:2], [proxy.bearer(org_type, sub=name)], SEARCH[2])
        await call(proxy.port, *SEARCH[:2], [proxy.bearer(sub=None)], SEARCH[2])
        await proxy.call(*SEARCH, caller=None)
        tellings = len(proxy.application.enforcer._told)
        records = proxy.audit()

    jane, joe = subject(proxy.mint.issuer, "jane"), subject(proxy.mint.issuer, "joe")
    assert [r["subject_hmac"] for r in records] == [jane, joe, jane, jane, joe, jane, None, None]
    assert tellings == 2  # what follows from a verdict is not made for each subject


async def test_without_a_key_nobody_is_told_apart() -> None:
    async with running_proxy() as proxy:
        await call(proxy.port, *SEARCH[:2], [proxy.bearer(sub="jane")], SEARCH[2])
        records = proxy.audit()

    assert [record["subject_hmac"] for record in records] == [None]


async def test_a_reload_reads_the_key_again_and_refuses_one_that_is_too_short(tmp_path: Path) -> None:
    async with keyed(tmp_path) as proxy:
        token = proxy.bearer(sub="jane")
        for secret in (SECRET, "short", SECRET[::-1]):
            (tmp_path / "subject.key").write_text(secret, "utf-8")
            await proxy.application.reload()
            await call(proxy.port, *SEARCH[:2], [token], SEARCH[2])
        records = proxy.audit()

    old, new = (subject(proxy.mint.issuer, "jane", secret) for secret in (SECRET, SECRET[::-1]))
    assert [record["subject_hmac"] for record in records] == [old, old, new]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"x" * 31 + b"\n\n", "the key has 31 bytes, and must have 32 or more"),
        (b"", "the key has 0 bytes, and must have 32 or more"),
        (b"\xff" * 40, "not UTF-8 text"),
        (None, "No such file or directory"),
    ],
)
async def test_a_key_that_is_none_starts_nothing(tmp_path: Path, content: bytes | None, why: str) -> None:
    file = tmp_path / "subject.key"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SettingsError) as caught:
        async with running_proxy(audit_subject_key_file=str(file)):
            pass

    (problem,) = caught.value.problems
    assert problem.endswith(f"{file}: {why}")


async def test_all_workers_make_the_same_digest(tmp_path: Path) -> None:
    (tmp_path / "subject.key").write_text(SECRET, "utf-8")
    key = str(tmp_path / "subject.key")
    async with (
        RecordingUpstream() as upstream,
        serving(tmp_path, upstream, workers="2", audit_subject_key_file=key) as served,
    ):
        mint = served.mint
        for _ in range(20):
            fields = [("Authorization", f"Bearer {mint.token('police', sub='jane')}")]
            await call(served.port, *SEARCH[:2], fields, SEARCH[2])
        records = whole_records(served.folder / "audit.jsonl")

    decisions = [record for record in records if record["kind"] == "decision"]
    assert len({record["instance"] for record in decisions}) == 2
    assert {record["subject_hmac"] for record in decisions} == {subject(mint.issuer, "jane")}
    assert [said for record in records for said in wrong(record)] == []


# ------------------------------------------------------------ the page


def test_the_command_on_the_page_makes_the_digest() -> None:
    page = (Path(__file__).parents[1] / "docs/audit-records.md").read_text("utf-8")
    (command,) = [line for line in page.splitlines() if line.startswith("printf 'POST /")]

    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout

    text = "POST /\ncontent-type:application/x-amz-json-1.1\nx-amz-target:RekognitionService.CompareFaces\n"
    assert said.split()[0] == of(text)
