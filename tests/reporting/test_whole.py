"""Records, metrics and the face API's own list of a real proxy: they agree, until somebody sees to it."""

import asyncio
import gzip
import json
import os
import re
import shutil
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import main
from proxy.reporting.reconcile.accounts import List, keep_book, reconciled
from tests.audit.logs import lines
from tests.harness.process import Served, serving
from tests.harness.upstream import AwaitBody, RecordingUpstream, Send, reply
from tests.harness.waiting import until

CALLERS = (
    ("commercial", "/v1/search"), ("police", "/v1/search"), ("commercial", "/v1/no"),
    ("martian", "/v1/search"), ("commercial", "/v1/detect"),
)  # fmt: skip
EACH = 8
ALL = 2 * EACH * len(CALLERS)


@pytest.fixture(scope="module")
async def served_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two workers leave behind, one of which was killed and replaced in the middle."""
    folder = tmp_path_factory.mktemp("left")
    said: list[str] = []
    async with (
        RecordingUpstream(script=_script) as upstream,
        serving(folder, upstream, workers="2") as served,
    ):
        said += await _calls(served)
        await _kill_one(served)
        said += await _calls(served)
        (folder / "page").write_bytes((await served.probe("metrics")).body)
        assert await served.end() == 0
        names = [name for message in upstream.messages for name in message.values(b"x-request-id")]
    (folder / "seen").write_bytes(b"".join(b"%b\n" % name for name in names))
    (folder / "said").write_text("".join(said))
    return folder


def _script(message: Any) -> Sequence[Any]:
    """One operation at which the face API breaks."""
    return (
        (AwaitBody(), Send(b"\x00 this is no HTTP\r\n\r\n")) if message.target == b"/v1/detect" else reply()
    )


async def _calls(served: Served) -> list[str]:
    """What clients note of their answers."""
    calls = [CALLERS[number % len(CALLERS)] for number in range(EACH * len(CALLERS))]
    said = []
    for answer in await asyncio.gather(*(served.call(*call) for call in calls)):
        (name,) = answer.values(b"x-decision-id")
        word = "allowed" if answer.status == 200 else answer.json()["title"]
        said.append(f"{name.decode()} {word}\n")
    return said


async def _kill_one(served: Served) -> None:
    (first, *_) = served.workers()
    os.kill(first, signal.SIGKILL)
    await until(lambda: served.said("worker ended, another takes its place"), "the parent to notice")
    await until(lambda: len(served.workers()) == 2, "another worker")


@pytest.fixture
def left(served_log: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    for name in ("audit.jsonl", "page", "seen", "said"):
        shutil.copy(served_log / name, tmp_path)
    return tmp_path


def reconcile(capsys: pytest.CaptureFixture[str], folder: Path, *more: object) -> tuple[int, dict[str, Any]]:
    log = [*folder.glob("audit.jsonl*")]
    brought = ("--metrics", folder / "page", "--upstream", folder / "seen", "--answers", folder / "said")
    code = main(["audit", "reconcile", *map(str, (*log, *brought, *more)), "-o", "json"])
    return code, json.loads(capsys.readouterr().out)


def gaps(capsys: pytest.CaptureFixture[str], folder: Path, *more: object) -> list[tuple[str, str]]:
    code, report = reconcile(capsys, folder, *more)
    assert code == bool(report["findings"])
    return [(finding["gap"], finding["what"]) for finding in report["findings"]]


def test_all_agree(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = reconcile(capsys, left)

    assert (code, report["findings"], report["explained"]) == (0, [], [])
    assert report["answers"] == ALL
    assert report["upstream"] == {"seen": 2 * ALL // 5, "odd": 0}
    assert (report["let_through"], report["then_failed"]) == (2 * ALL // 5, ALL // 5)
    assert {(row["reason"], row["recorded"], row["counted"]) for row in report["rows"]} == {
        ("not-bound", 2 * ALL // 5, 2 * ALL // 5),
        *((r, ALL // 5, ALL // 5) for r in ("moratorium", "operation-unknown", "org-type-unknown")),
        ("upstream-broken", ALL // 5, ALL // 5),
    }


def test_people_are_told_so(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, page, seen = (str(left / name) for name in ("audit.jsonl", "page", "seen"))

    assert main(["audit", "reconcile", log, "--metrics", page, "--upstream", seen]) == 0

    out = capsys.readouterr().out
    assert re.search(rf"^blocked +moratorium +{ALL // 5} +{ALL // 5} *$", out, re.MULTILINE)
    assert out.endswith("\nrecords, metrics and what the face API saw agree\n")


def test_files_are_read_in_the_order_of_writing(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = lines(left / "audit.jsonl")
    (left / "audit.jsonl.9").write_bytes(b"".join(log[:100]))
    (left / "audit.jsonl.10.gz").write_bytes(gzip.compress(b"".join(log[100:150])))
    (left / "audit.jsonl").write_bytes(b"".join(log[150:]))

    assert gaps(capsys, left) == []


def test_a_call_went_round_the_proxy(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (left / "seen").open("ab") as file:
        file.write(b"0123456789ab-000000000001\n-\nany other id\n")

    assert gaps(capsys, left) == [
        ("went-round", "0123456789ab-000000000001"), ("went-round", "-"), ("went-round", "any other id"),
    ]  # fmt: skip


def test_a_denied_call_arrived(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (denied, *_) = [
        line.split()[0] for line in (left / "said").read_text().splitlines() if "moratorium" in line
    ]
    with (left / "seen").open("a") as file:
        file.write(f"{denied}\n")

    assert gaps(capsys, left) == [("went-round", denied)]


def test_a_call_arrived_twice(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (first, *_) = names = (left / "seen").read_text().splitlines(keepends=True)
    (left / "seen").write_text("".join([first, *names]))

    assert gaps(capsys, left) == [("seen-again", first.strip())]


def test_an_answered_call_never_arrived(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    served = {line.split()[0] for line in (left / "said").read_text().splitlines() if "allowed" in line}
    names = (left / "seen").read_text().splitlines()
    last = next(name for name in reversed(names) if name in served)
    (left / "seen").write_text("".join(f"{name}\n" for name in names if name != last))

    assert gaps(capsys, left) == [("unseen", last)]


def test_a_record_was_taken_out(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = lines(left / "audit.jsonl")
    gone = json.loads(next(line for line in log if b'"decision":"blocked"' in line))
    (left / "audit.jsonl").write_bytes(b"".join(line for line in log if gone["id"].encode() not in line))

    found = gaps(capsys, left)

    # Whether the chain itself says how many there are depends on whether it was killed.
    assert {gap for gap, _ in found} - {"miscounted"} == {"no-record", "unrecorded"}
    assert ("no-record", gone["id"]) in found
    assert ("unrecorded", "blocked moratorium police search enforce") in found


def test_a_decision_was_not_counted(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (left / "page").read_text()
    text, times = re.subn(rf'(reason="moratorium"\}} ){ALL // 5}\.0\n', rf"\g<1>{ALL // 5 - 1}.0\n", page)
    assert times == 1
    (left / "page").write_text(text)

    assert [gap for gap, _ in gaps(capsys, left)] == ["incomplete"]


def test_another_decision_was_counted(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (left / "page").read_text()
    (left / "page").write_text(
        page.replace('reason="moratorium"', "X")
        .replace('reason="org-type-unknown"', 'reason="moratorium"')
        .replace("X", 'reason="org-type-unknown"')
    )

    assert {gap for gap, _ in gaps(capsys, left)} == {"uncounted", "unrecorded"}


def test_a_client_was_told_something_else(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (left / "said").read_text()
    (name, *_) = re.findall(r"(\S+) moratorium\n", text)
    (left / "said").write_text(text.replace(f"{name} moratorium", f"{name} allowed"))

    assert gaps(capsys, left) == [("other-decision", name)]


def test_calls_after_the_page_are_not_held_against_it(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (left / "page").read_text()
    counts = re.findall(r'moratorium_chain_decisions_total\{chain="(\w+)"\} (\d+)', page)
    (chain, made), *_ = [(chain, int(made)) for chain, made in counts if int(made)]
    last = _last_series(left, chain)
    page = page.replace(f'{{chain="{chain}"}} {made}.0', f'{{chain="{chain}"}} {made - 1}.0')
    text, times = re.subn(
        rf'(moratorium_decisions_total\{{[^}}]*reason="{last}"\}}) ([0-9.]+)',
        lambda match: f"{match[1]} {float(match[2]) - 1}",
        page,
    )
    assert times >= 1
    (left / "page").write_text(text)

    code, report = reconcile(capsys, left)

    assert (code, report["findings"]) == (0, [])
    assert report["after_the_pages"] == {chain: 1}
    says = "decisions recorded after the pages were read, or in a kill"
    assert report["explained"] == [{"says": says, "number": 1}]


def _last_series(folder: Path, chain: str) -> str:
    records = [json.loads(line) for line in lines(folder / "audit.jsonl")]
    (*_, last) = [r for r in records if r["chain"] == chain and r["kind"] == "decision"]
    return str(last["reason"])


def test_ids_are_found_in_an_access_log(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = (left / "seen").read_text().splitlines()
    rows = [f'10.0.0.1 - - "POST /v1/search" 200 "{name}"\n' for name in names]
    (left / "seen").write_text("".join(["started\n", *rows, '10.0.0.9 - - "POST /v1/search" 200 ""\n']))

    found = gaps(capsys, left, "--upstream-pattern", r'"([^"]*)"$')

    assert found == [("went-round", "-")]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("page", "nonsense{", "page: no page of metrics"),
        ("page", "up 1\n", "so it is of no proxy"),
        ("said", "an-id perhaps\n", "said:1: neither a decision nor a reason: perhaps"),
    ],
)
def test_what_cannot_be_read_is_an_error(
    left: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, says: str
) -> None:
    (left / name).write_text(text)
    brought = ("--metrics", left / "page", "--answers", left / "said")

    assert main(["audit", "reconcile", *map(str, (left / "audit.jsonl", *brought))]) == 2

    assert says in capsys.readouterr().err


def test_two_pages_of_one_process_are_an_error(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = str(left / "page")

    assert main(["audit", "reconcile", str(left / "audit.jsonl"), "--metrics", page, "--metrics", page]) == 2

    assert "another page speaks for chain" in capsys.readouterr().err


def test_nobody_at_the_address_is_an_error(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/metrics"

    assert main(["audit", "reconcile", str(left / "audit.jsonl"), "--metrics", url]) == 2

    assert f"{url}: " in capsys.readouterr().err


def test_a_file_that_was_packed_meanwhile_is_read_all_the_same(left: Path) -> None:
    log = left / "audit.jsonl"
    (left / "audit.jsonl.gz").write_bytes(gzip.compress(log.read_bytes()))
    whole = keep_book([log], []).elsewhere
    log.unlink()

    assert keep_book([log], []).elsewhere == whole
    assert whole.total() == ALL + 2 * EACH


def test_a_damaged_file_is_an_error(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = left / "audit.jsonl.gz"
    packed.write_bytes(gzip.compress((left / "audit.jsonl").read_bytes())[:-20])

    assert main(["audit", "reconcile", str(packed)]) == 2

    assert "the compressed file is damaged or cut short" in capsys.readouterr().err


def test_calls_that_arrive_meanwhile_are_seen(left: Path) -> None:
    """The list goes on while records are read: what is new on it has gone round nobody yet."""
    names = (left / "seen").read_bytes().splitlines(keepends=True)
    (left / "seen").write_bytes(b"".join(names[:5]) + names[5][:7])
    seen = List(left / "seen")
    (left / "seen").write_bytes(b"".join([*names, b"0123456789ab-000000000001\n", b"01234"]))

    found = reconciled([left / "audit.jsonl"], [], seen)

    assert (found.findings, found.explained) == ([], [])
    assert found.seen is not None
    assert found.seen.lines == 5


async def test_a_proxy_is_asked_while_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with RecordingUpstream(script=_script) as upstream, serving(tmp_path, upstream) as served:
        await _calls(served)
        at = f"http://127.0.0.1:{served.metrics_port}"
        words = ["audit", "reconcile", str(tmp_path / "audit.jsonl"), "-o", "json", "--metrics"]

        good = main([*words, f"{at}/metrics"]), json.loads(capsys.readouterr().out)
        bad = main([*words, f"{at}/no"]), capsys.readouterr().err

    assert (good[0], good[1]["findings"], good[1]["explained"]) == (0, [], [])
    assert sum(row["counted"] for row in good[1]["rows"]) == EACH * 6
    assert bad == (2, f"moratorium: 1 problem with the settings:\n  {at}/no: status 404\n")
