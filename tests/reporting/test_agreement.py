"""One log, and all who are asked about it: the same numbers, in files that nobody takes for the log."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from proxy.audit.checkpoint import Signer
from proxy.cli import main
from proxy.cli.output import visible
from proxy.policy.operations import OperationClass
from proxy.reporting.questions import Question
from proxy.reporting.store import Store
from tests.reporting.sample import PEM, write

ORG = "police-us-ma-wor"
LABELS = ("decision", "reason", "org_type", "operation", "mode")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log of nine weeks, in which processes ended and one was killed."""
    folder = tmp_path_factory.mktemp("agreement")
    (folder / "log").mkdir()
    write(folder / "log" / "audit.jsonl", share=0.05)
    (folder / "public.pem").write_bytes(Signer(PEM).public_pem)
    (folder / "metrics").write_text(_page(_decisions(folder / "log" / "audit.jsonl")), "utf-8")
    return folder / "log"


def _decisions(file: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in file.read_bytes().splitlines()]
    return [record for record in records if record["kind"] == "decision"]


def _page(decisions: list[dict[str, Any]]) -> str:
    """What a proxy that decided all of these would show."""

    def labels(record: dict[str, Any]) -> tuple[str, ...]:
        failed = record["decision"] == "failed"  # whose call that was is not counted
        classes = [] if failed else [c for c in OperationClass if c in (record["classes"] or [])]
        org_type = "none" if failed else record["org_type"]
        return record["decision"], record["reason"], org_type, "+".join(classes) or "none", record["mode"]

    lines = ["# TYPE moratorium_decisions_total counter"]
    for values, number in Counter(map(labels, decisions)).items():
        told = ",".join(f'{name}="{value}"' for name, value in zip(LABELS, values, strict=True))
        lines.append(f"moratorium_decisions_total{{{told}}} {number}")
    lines.append("# TYPE moratorium_chain_decisions_total counter")
    for chain, number in Counter(record["chain"] for record in decisions).items():
        lines.append(f'moratorium_chain_decisions_total{{chain="{chain}"}} {number}')
    return "\n".join(lines) + "\n"


def ask(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    assert main(["audit", *map(str, words), "-o", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_all_commands_count_the_same(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, metrics = log.parent / "public.pem", log.parent / "metrics"
    span = ("--from", "2026-09-01", "--to", "2026-11-10")
    verified = ask(capsys, "verify", log, "--key", key)
    counted = ask(capsys, "query", log, "--by", "decision,reason")
    reconciled = ask(capsys, "reconcile", log, "--metrics", metrics)
    reported = ask(capsys, "report", log, "--key", key, *span, "--small", 1, "--out", tmp_path / "r")
    report = json.loads((tmp_path / "r" / "report.json").read_bytes())
    exported = ask(capsys, "export", log, "--key", key, "--org", ORG, *span, "--out", tmp_path / "b")
    listed = ask(capsys, "query", log, "--org", ORG, *span)

    by_reason = {(row["decision"], row["reason"]): row["count"] for row in counted}
    for what in ("recorded", "counted"):
        numbers: Counter[tuple[str, str]] = Counter()
        for row in reconciled["rows"]:
            numbers[row["decision"], row["reason"]] += row[what]
        assert numbers == by_reason
    assert reported["decisions"] == verified["decisions"] == sum(by_reason.values())
    exempt = by_reason["allowed", "exempt"]
    by = report["decisions"]["by"]
    assert by["exempt"] == exempt > 0
    assert by["allowed"] + exempt + by["shadow"] == reconciled["let_through"]
    assert by["blocked"] == by_reason["blocked", "moratorium"]
    assert sum(exported["parts"].values()) == len(listed) > 0


def test_whoever_reads_the_beginning_alone_hears_no_complaint(log: Path) -> None:
    for words in (
        ["query", log, "-o", "ndjson"],
        ["query", log, "-o", "json"],
        ["query", log, "--limit", 99],
    ):
        command = [sys.executable, "-m", "proxy", "audit", *map(str, words)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asked:
            assert asked.stdout is not None
            assert asked.stderr is not None
            asked.stdout.close()
            said = asked.stderr.read()
        assert (asked.returncode, said) == (1, b"")


def test_results_are_not_put_among_the_audit_files(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, key = sorted(log.iterdir()), log.parent / "public.pem"
    span = ("--from", "2026-09-01", "--to", "2026-11-10")
    for words in (
        ("query", log, "-o", "csv", "--out", log / "out.csv"),
        ("query", log, "--cache", log),
        ("report", log, *span, "--out", log),
        ("export", log, "--key", key, "--org", ORG, "--out", log / "b.zip"),
    ):
        assert main(["audit", *map(str, words)]) == 2
        assert "all in this folder is read as audit files" in capsys.readouterr().err
    assert sorted(log.iterdir()) == before


@pytest.mark.parametrize("form", ["csv", "ndjson", "json"])
def test_an_answer_that_breaks_off_takes_nobodys_place(log: Path, tmp_path: Path, form: str) -> None:
    out, cut = tmp_path / "out", tmp_path / "log"
    cut.mkdir()
    out.write_bytes(b"before")
    (cut / "audit.jsonl.gz").write_bytes(b"")

    assert main(["audit", "query", str(cut), "-o", form, "--out", str(out)]) == 2
    assert out.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "out"]


def test_a_full_disk_is_said(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no disk that is always full")
    assert main(["audit", "query", str(log), "-o", "ndjson", "--out", "/dev/full"]) == 2
    assert "--out: /dev/full: No space left on device" in capsys.readouterr().err
    assert Path("/dev/full").is_char_device()


def test_a_report_that_cannot_be_written_whole_leaves_the_one_before(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.csv").mkdir()
    (tmp_path / "report.json").write_bytes(b"before")
    words = ("report", log, "--from", "2026-09-01", "--to", "2026-11-10", "--out", tmp_path)

    assert main(["audit", *map(str, words), "--format", "csv"]) == 2
    assert "report.csv: Is a directory" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.csv", "report.json"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["report", "--from", "2026-09-01", "--to", "9999-12-31"], "a report is over 20 years at most"),
        (["report", "--from", "2026-09-02", "--to", "2026-09-01"], "--from must be before --to"),
        (
            ["export", "--org", ORG, "--from", "2026-09-02", "--to", "2026-09-01"],
            "--from must be before --to",
        ),
        (["query", "--from", ""], "--from: '' is not a date"),
        (["query", "-o", "parquet", "--out", "/nowhere/x"], "--out: /nowhere: no such folder"),
        (["query", "--memory", "1"], "--memory: must be at least"),
        (["reconcile", "--metrics", "http://[::1/metrics"], "Invalid IPv6 URL"),
    ],
)
def test_what_makes_no_sense_is_said(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    verb, *options = words
    if verb in ("report", "export"):
        options += ["--out", str(tmp_path / "out"), "--key", str(log.parent / "public.pem")]
    assert main(["audit", verb, str(log), *options]) == 2
    assert says in capsys.readouterr().err


def test_what_stands_in_records_is_shown_and_does_nothing(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = _decisions(log / "audit.jsonl")[0]
    names = ["[bold]x[/nothing]", "=cmd|'/C calc'!A0", "\x1b[31mred", "\u202egnp", "o'\"r"]
    file = tmp_path / "audit.jsonl"
    file.write_bytes(b"".join(json.dumps({**record, "org_id": n}).encode() + b"\n" for n in names))

    assert main(["audit", "query", str(file), "--by", "org_id"]) == 0
    told = capsys.readouterr().out
    assert [name in told for name in names] == [True, True, False, False, True]
    assert "\\x1b[31mred" in told
    assert "\\u202egnp" in told
    assert main(["audit", "query", str(file), "--by", "org_id", "-o", "csv"]) == 0
    assert "'=cmd|'/C calc'!A0,1" in capsys.readouterr().out
    assert visible("Zürich 东京\n") == "Zürich 东京\n"


def test_what_does_not_fit_into_memory_goes_to_a_folder_of_its_own(log: Path, tmp_path: Path) -> None:
    before = sorted(os.listdir())
    store = Store([log / "audit.jsonl"], memory=200)
    folder = store.spilled
    assert folder.stat().st_mode & 0o077 == 0
    many = "SELECT range AS n, repeat(md5(range::VARCHAR), 40) AS text FROM range(300000) ORDER BY text"
    spilled, rows = 0, 0
    for chunk in store.chunks(many):
        spilled, rows = max(spilled, len(os.listdir(folder))), rows + len(chunk)
    found = store.ask(*Question(by=("decision",)).sql())
    store.close()

    assert (rows, spilled > 0) == (300_000, True)
    assert sum(row[1] for row in found.rows) == len(_decisions(log / "audit.jsonl"))
    assert not folder.exists()
    assert sorted(os.listdir()) == before
