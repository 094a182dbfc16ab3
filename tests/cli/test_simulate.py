"""Records of a running proxy judged by the policy that made them, and by another one."""

import gzip
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from proxy.cli import main
from proxy.testing import TokenMint
from tests.harness.client import call
from tests.harness.proxy import IN_FORCE, FixedClock, Proxy, running_proxy, write_settings

POLICY = """
schema = 1
[vocabulary.circumstances]
camera = ["officer", "fixed"]
[[moratorium]]
id = "pause-2020"
binds.org_types = ["police"]
covers.classes = ["compare", "search", "enroll", "template"]
window = [{ start = "2020-06-10T00:00:00Z", end = "2021-06-10T00:00:00Z" }]
[[moratorium.exemption]]
id = "warrant"
purposes = ["missing-persons"]
circumstances = { camera = ["fixed"] }
obligations = ["human-review"]
evidence = [{ types = ["warrant"], max_age = "24h" }]
"""
NOON = FixedClock.at(IN_FORCE).now


class Calls(NamedTuple):
    """What a proxy wrote, and the policy that it was told."""

    records: Path
    policy: Path
    whole: Path


@pytest_asyncio.fixture(scope="module")
async def calls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Calls]:
    """Nine calls: five that are permitted, two that are blocked, two that the policy was not asked about."""
    folder = tmp_path_factory.mktemp("calls")
    async with running_proxy(policy=POLICY) as proxy:
        await _nine_calls(proxy)
        records = folder / "audit.ndjson"
        lines = proxy.audit_file.read_bytes().splitlines(keepends=True)
        records.write_bytes(b"".join(line for line in lines if b'"kind":"decision"' in line))
        policy = folder / "policy.toml"
        policy.write_bytes(proxy.policy_file.read_bytes())
        whole = folder / "whole.ndjson"
        whole.write_bytes(b"".join(lines))
    yield Calls(records, policy, whole)


async def _nine_calls(proxy: Proxy) -> None:
    warrant = {"type": "warrant", "id": "W-1", "issued_at": NOON - 3600, "issued_by": "superior-court"}
    paper = {"purpose": "missing-persons", "camera": "fixed", "authorization_details": [warrant]}
    for token in (
        proxy.bearer("police"),
        proxy.bearer("commercial"),
        proxy.bearer("police", **paper),
        proxy.bearer("commercial", on_behalf_of={"org_type": "police", "org_id": "sheriff"}),
    ):
        await call(proxy.port, "POST", "/v1/search", [token], b"{}")
    for caller in ("police", "commercial", None):
        await proxy.call("POST", "/v1/detect", b"{}", caller=caller)
    await proxy.call("DELETE", "/v1/faces/17", caller="police")
    await proxy.call("POST", "/v1/nowhere", b"{}", caller="commercial")


def simulate(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, dict[str, Any]]:
    code = main(["simulate", "-o", "json", *map(str, words)])
    return code, json.loads(capsys.readouterr().out)


def edited(calls: Calls, old: str, new: str) -> Path:
    text = calls.policy.read_text("utf-8")
    assert old in text
    other = calls.policy.with_name("other.toml")
    other.write_text(text.replace(old, new), "utf-8")
    return other


def test_the_same_policy_says_the_same(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = simulate(capsys, calls.records, "--policy", calls.policy)

    assert code == 0
    assert (report["lines"], report["judged"], report["flips"]) == (9, 8, 0)
    assert report["not_judged"] == {"refused-before": 1}


def test_records_of_the_audit_itself_are_no_calls(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    frames = calls.whole.read_bytes().count(b"\n") - 9

    _, report = simulate(capsys, calls.whole, "--policy", calls.policy)

    assert frames > 0
    assert report["not_judged"] == {"refused-before": 1, "no-decision": frames}
    assert (report["lines"], report["judged"], report["flips"]) == (9 + frames, 8, 0)


def test_every_call_that_fares_otherwise_is_found_and_no_other(
    calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [json.loads(line) for line in calls.records.read_bytes().splitlines()]
    detected = [r["id"] for r in records if r["operation"] == "/v1/detect" and r["org_type"] == "police"]
    other = edited(calls, 'classes = ["compare", "search",', 'classes = ["detect", "compare", "search",')

    code, report = simulate(capsys, calls.records, "--policy", other)

    assert code == 1
    assert report["flips"] == 1
    (change,) = report["changes"]
    assert change["change"] == "allowed to blocked"
    assert (change["org_type"], change["operation"], change["count"]) == ("police", "/v1/detect", 1)
    assert change["was"]["reason"] == "not-covered"
    assert change["now"]["reason"] == "moratorium"
    assert change["examples"] == detected
    assert report["by"] == {
        "change": {"allowed to blocked": 1},
        "org_type": {"police": 1},
        "operation": {"/v1/detect": 1},
        "rule": {"pause-2020": 1},
    }


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ('end = "2021-06-10', 'end = "2020-06-30', {"blocked to allowed": 2, "reason": 1}),
        ('max_age = "24h"', 'max_age = "30m"', {"allowed to blocked": 1}),
        ('["human-review"]', '["human-review", "notice"]', {"obligations": 1}),
        ('id = "warrant"', 'id = "paper"', {"exemption": 1}),
        ('id = "pause-2020"', 'id = "pause"', {"rule": 5}),
        ('binds.org', 'binds.relations = ["self"]\nbinds.org', {"blocked to allowed": 1}),
        ('path = "/v1/detect"\nclasses = ["detect"]', 'path = "/v1/detect"\nclasses = ["search"]',
         {"allowed to blocked": 1}),
    ],
)  # fmt: skip
def test_each_kind_of_change_is_told_apart(
    calls: Calls, capsys: pytest.CaptureFixture[str], old: str, new: str, changes: dict[str, int]
) -> None:
    _, report = simulate(capsys, calls.records, "--policy", edited(calls, old, new))

    assert report["by"]["change"] == changes


def test_it_can_be_judged_by_what_was_known_on_a_day(
    calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    later = edited(calls, 'start = "2020-06-10', 'recorded = "2020-06-05", start = "2020-06-10')

    known = [
        simulate(capsys, calls.records, "--policy", later, "--known-at", day)[1]["flips"]
        for day in ("2020-06-04", "2020-06-05")
    ]

    assert known == [5, 0]


def test_the_settings_policy_is_the_default(
    tmp_path: Path, calls: Calls, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in write_settings(tmp_path, 1, TokenMint(), policy=POLICY).items():
        monkeypatch.setenv(name, value)
    same = simulate(capsys, calls.records)[0]
    monkeypatch.setenv("MORATORIUM_UNKNOWN_OPERATION", "allow")

    code, report = simulate(capsys, calls.records)

    assert (same, code) == (0, 1)
    assert [c["now"]["reason"] for c in report["changes"]] == ["unknown-operation-allowed"]


def test_what_cannot_be_judged_is_counted_and_named(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    whole = calls.records.read_bytes()
    older = b'{"decision":"allowed","id":"a-1","time":"2020-06-10T00:00:00.000000Z","v":1}\n'
    mixed = calls.records.with_name("mixed.ndjson")
    mixed.write_bytes(whole + older + older + b"\nstarted\n" + whole.splitlines()[0][:-30])

    code, report = simulate(capsys, mixed, "--policy", calls.policy)

    assert code == 0
    assert report["judged"] == 8
    assert report["not_judged"] == {
        "empty": 1, "torn": 1, "not-a-record": 1, "older-version": 2, "refused-before": 1,
    }  # fmt: skip
    assert report["lines"] == report["judged"] + sum(report["not_judged"].values())


def test_nothing_readable_is_no_result(
    tmp_path: Path, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "proxy.log"
    log.write_text("started\nstopped\n")

    assert main(["simulate", str(log), "--policy", str(calls.policy)]) == 2
    assert "no line of these is a record" in capsys.readouterr().err


def test_a_missing_file_is_bad_usage(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "nowhere.ndjson", str(calls.records), "--policy", str(calls.policy)]) == 2
    assert "nowhere.ndjson: no such file" in capsys.readouterr().err


def test_every_problem_of_every_policy_is_told_at_once(
    tmp_path: Path, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, wrong = tmp_path / "broken.toml", tmp_path / "wrong.toml"
    broken.write_text("schema =")
    wrong.write_text("schema")

    assert main(["simulate", str(calls.records), "--policy", str(broken), str(wrong)]) == 3
    told = capsys.readouterr().err
    assert str(broken) in told
    assert str(wrong) in told


def test_compressed_files_and_standard_input_are_read(
    calls: Calls, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = calls.records.read_bytes()
    packed = calls.records.with_name("audit.ndjson.1.gz")
    packed.write_bytes(gzip.compress(whole))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(whole)))

    code, report = simulate(capsys, packed, "-", calls.records, "--policy", calls.policy)

    assert (code, report["lines"], report["judged"]) == (0, 27, 24)


def test_a_compressed_file_that_is_cut_short_counts_up_to_there(
    calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = calls.records.with_name("cut.gz")
    packed.write_bytes(gzip.compress(calls.records.read_bytes() * 500)[:-40])

    code = main(["simulate", "-o", "json", str(packed), "--policy", str(calls.policy)])

    out = capsys.readouterr()
    assert code == 0
    assert json.loads(out.out)["not_judged"]["torn"] == 1
    assert "damaged or cut short" in out.err


def test_no_more_examples_are_told_than_asked_for(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    many = calls.records.with_name("many.ndjson")
    many.write_bytes(calls.records.read_bytes() * 40)
    other = edited(calls, 'id = "pause-2020"', 'id = "pause"')

    counts = {
        limit: [
            len(c["examples"])
            for c in simulate(capsys, many, "--policy", other, "--limit", limit)[1]["changes"]
        ]
        for limit in ("0", "7")
    }

    assert {name: set(lengths) for name, lengths in counts.items()} == {"0": {0}, "7": {7}}


def test_people_get_tables(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    other = edited(calls, 'types = ["warrant"]', 'types = ["consent"]')

    code = main(["simulate", str(calls.records), "--policy", str(other)])

    told = capsys.readouterr().out
    assert code == 1
    for words in (
        "flips         1",
        "by org type",
        "allowed, exempt by pause-2020/warrant",
        "blocked, moratorium",
    ):
        assert words in told
