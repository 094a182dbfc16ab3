"""`moratorium audit report`: its numbers are those of the records, and it says what the records are worth."""

import csv
import gzip
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from proxy.audit.checkpoint import Signer, Verifier
from proxy.cli import main
from proxy.policy.operations import OperationClass
from tests.audit.logs import OTHER_PEM
from tests.reporting.sample import PEM, POLICIES, ROOT, write

FROM, TO = "2026-09-07", "2026-10-14T12:00:00Z"
TWO = ("--format", "json", "--format", "html")
Made = tuple[int, Path]
Make = Callable[..., Made]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six weeks of three processes, the second of which was killed, and keys."""
    folder = tmp_path_factory.mktemp("sample")
    (folder / "log").mkdir()
    write(folder / "log" / "audit.jsonl", weeks=6, share=0.25)
    (folder / "private.pem").write_bytes(PEM)
    (folder / "public.pem").write_bytes(Signer(PEM).public_pem)
    (folder / "other.pem").write_bytes(Signer(OTHER_PEM).public_pem)
    return folder


@pytest.fixture(scope="module")
def make(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Make:
    def run(*words: object, files: Path = sample / "log", start: str = FROM, end: str = TO) -> Made:
        out = tmp_path_factory.mktemp("out")
        told = ["audit", "report", files, "--from", start, "--to", end, "--out", out, *words]
        return main([*map(str, told), "--at", "2026-11-03T09:00:00Z"]), out

    return run


@pytest.fixture(scope="module")
def whole(sample: Path, make: Make) -> Path:
    """The report in all of its forms."""
    policies = [[ROOT / "config" / "policies" / f"{name}.toml" for name in names] for names in POLICIES]
    given = [word for files in policies for word in ("--policy", *files)]
    keys = ("--key", sample / "public.pem", "--sign", sample / "private.pem")
    code, out = make(*keys, *given, "--operator", "Example")
    assert code == 0
    return out


def read(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "report.json").read_bytes())
    return found


def counted(log: Path) -> dict[str, Counter[tuple[str, ...]]]:
    """The same counts, made in the plainest way."""
    found: dict[str, Counter[tuple[str, ...]]] = {}
    since, until = f"{FROM}T00:00:00.000000Z", "2026-10-14T12:00:00.000000Z"
    for line in log.read_bytes().splitlines():
        record = json.loads(line)
        if record["kind"] != "decision" or not since <= record["time"] < until:
            continue
        day = datetime.fromisoformat(record["time"])
        told = {"exempt": "exempt", "shadow-blocked": "shadow"}.get(record["reason"], record["decision"])
        classes = [c for c in OperationClass if c in (record["classes"] or [])]
        rows = {
            "weeks": ((day - timedelta(days=day.weekday())).date().isoformat(),),
            "org_types": (record["org_type"],),
            "operations": ("+".join(classes) or "none",),
            "purposes": (record["purpose"] or "none",),
            "rules": (record["rule"] or "none", record["exemption"] or "none"),
        }
        for table, row in rows.items():
            for decided in (told, "all"):
                found.setdefault(table, Counter())[*row, decided] += 1
    return found


def published(report: dict[str, Any]) -> dict[str, dict[tuple[str, ...], int | None]]:
    """The numbers of all tables by table, row and decision."""
    return {
        name: {
            (*(row[dimension] for dimension in table["dimensions"]), decided): number
            for row in table["rows"]
            for decided, number in [*row["by"].items(), ("all", row["all"])]
        }
        for name, table in report["tables"].items()
    }


def test_numbers_are_those_of_a_plain_count(sample: Path, make: Make) -> None:
    code, out = make("--small", 1, "--format", "json")

    report = read(out)
    wanted = counted(sample / "log" / "audit.jsonl")
    assert code == 0
    for name, numbers in published(report).items():
        assert {at: number for at, number in numbers.items() if number} == wanted[name], name
    assert report["decisions"]["all"] == sum(n for at, n in wanted["weeks"].items() if at[-1] == "all")
    assert report["rule"]["withheld"] == 0
    assert list(published(report)) == list(sorted(wanted))


def test_small_numbers_are_withheld_and_all_others_are_true(sample: Path, whole: Path) -> None:
    report, wanted = read(whole), counted(sample / "log" / "audit.jsonl")

    withheld = 0
    for name, numbers in published(report).items():
        for at, number in numbers.items():
            true = wanted[name][at]
            withheld += number is None
            assert number == true if number is not None else true > 0, (name, at)
            assert number is None or not 0 < number < 5, (name, at)
    hidden = sum(number is None for number in report["decisions"]["by"].values())
    assert withheld + hidden == report["rule"]["withheld"] > 0


def test_a_call_that_failed_is_two_decisions_of_one_call(whole: Path) -> None:
    decisions = read(whole)["decisions"]

    assert decisions["all"] - decisions["calls"] == decisions["by"]["failed"] > 0


def test_weeks_that_the_range_cuts_are_marked(whole: Path) -> None:
    rows = read(whole)["tables"]["weeks"]["rows"]

    assert [row["week"] for row in rows][::5] == ["2026-09-07", "2026-10-12"]
    assert [row["partial"] for row in rows] == [False] * 5 + [True]


def test_the_table_for_spreadsheets_has_the_same_numbers(whole: Path) -> None:
    rows = [*csv.DictReader(io.StringIO((whole / "report.csv").read_text("utf-8")))]

    report = read(whole)
    for name, numbers in published(report).items():
        dimensions = report["tables"][name]["dimensions"]
        found = {
            (*(row[d] for d in dimensions), row["decision"]): int(row["count"]) if row["count"] else None
            for row in rows
            if row["table"] == name
        }
        assert found == numbers
    assert {row["withheld"] for row in rows if not row["count"]} == {"1"}


# ---------------------------------------------------------------- what the record is worth


def test_policies_and_windows_are_told(whole: Path) -> None:
    policies = read(whole)["policies"]

    assert [revision["files"] for revision in policies["revisions"]] == [
        [f"{name}.toml" for name in names] for names in POLICIES
    ]
    assert [change["how"] for change in policies["changes"]] == ["reload", "start", "start", "reload"]
    assert [change["time"] for change in policies["changes"]][::3] == [
        "2026-09-15T09:00:00Z", "2026-10-14T07:12:00Z",
    ]  # fmt: skip
    boston = [force for force in policies["in_force"] if force["moratorium"] == "us-boston"]
    assert [force["start"] for force in boston] == ["2020-06-24T04:00:00Z"]
    assert boston[0]["here"][0][0] == "2026-09-15T09:00:00.000000Z"
    assert policies["files_not_named"] == []


def test_a_policy_that_no_record_names_is_said(make: Make) -> None:
    _, out = make("--policy", ROOT / "config" / "policies" / "ibm-2020.toml", "--format", "json")

    policies = read(out)["policies"]
    assert policies["files_not_named"] == ["ibm-2020.toml"]
    assert policies["in_force"] == []
    assert [seen["moratorium"] for seen in policies["named_by_decisions"]] == ["us-boston", "us-ma"]


def test_gaps_are_told(whole: Path) -> None:
    gaps = read(whole)["gaps"]

    assert [gap["kind"] for gap in gaps] == ["stopped", "broken-off"]
    assert (gaps[0]["start"], gaps[1]["end"]) == (
        "2026-09-22T09:36:00.000000Z",
        "2026-10-07T08:24:00.000000Z",
    )


def test_the_range_comes_with_what_vouches_for_it(sample: Path, whole: Path) -> None:
    key = Verifier.of_pem((sample / "public.pem").read_bytes())
    log = (sample / "log" / "audit.jsonl").read_bytes().splitlines()
    records = {(r["chain"], r["seq"]): r for r in map(json.loads, log)}

    for span in read(whole)["chains"]:
        checkpoint = json.loads(span["checkpoint"])
        assert key.vouches(checkpoint)
        assert checkpoint["seq"] == span["signed_to"]
        assert records[span["chain"], span["first"]]["time"] >= FROM
        following = records.get((span["chain"], span["last"] + 1))
        assert following is None or following["prev"] == span["last_sha256"]
        assert span["unsigned"] == max(0, span["last"] - span["signed_to"])
    assert [span["unsigned"] > 0 for span in read(whole)["chains"]] == [False, True, False]


def test_a_log_that_was_cut_ends_with_one_and_the_report_says_so(
    sample: Path, tmp_path: Path, make: Make
) -> None:
    log = (sample / "log" / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "audit.jsonl").write_bytes(b"".join(log[:2500] + log[2501:]))

    code, out = make("--key", sample / "public.pem", *TWO, files=tmp_path / "audit.jsonl")

    assert code == 1
    assert read(out)["verification"]["findings"][0]["flaw"] == "missing"
    page = (out / "report.html").read_text("utf-8")
    assert page.index("Verification failed") < page.index("<main")


def test_a_damaged_file_is_not_counted_and_that_is_said(sample: Path, tmp_path: Path, make: Make) -> None:
    log = (sample / "log" / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "audit.jsonl").write_bytes(b"".join(log[2500:]))
    (tmp_path / "audit.jsonl.1.gz").write_bytes(gzip.compress(b"".join(log[:2500]))[:-2000])

    code, out = make(*TWO, files=tmp_path, end="2026-11-01")

    assert code == 1
    assert read(out)["left_out"] == ["audit.jsonl.1.gz"]
    assert str(tmp_path) not in (out / "report.json").read_text("utf-8")
    assert "Not counted" in (out / "report.html").read_text("utf-8")

    (tmp_path / "audit.jsonl").unlink()
    assert make(files=tmp_path)[0] == 2


def test_a_range_without_records_is_a_report_too(make: Make) -> None:
    code, out = make(start="2030-01-01", end="2030-01-15")

    report = read(out)
    assert code == 0
    assert (report["decisions"]["all"], report["decisions"]["calls"], report["chains"]) == (0, 0, [])
    assert [row["all"] for row in report["tables"]["weeks"]["rows"]] == [0, 0, 0]
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")


# ---------------------------------------------------------------- who says so


def test_the_same_log_makes_the_same_bytes(whole: Path, sample: Path, make: Make) -> None:
    policies = [[ROOT / "config" / "policies" / f"{name}.toml" for name in names] for names in POLICIES]
    given = [word for files in policies for word in ("--policy", *files)]
    _, again = make(
        "--key", sample / "public.pem", "--sign", sample / "private.pem", *given, "--operator", "Example"
    )

    for kind in ("json", "html", "csv", "pdf"):
        assert (again / f"report.{kind}").read_bytes() == (whole / f"report.{kind}").read_bytes(), kind


@pytest.mark.parametrize(
    ("key", "change", "code"),
    [
        ("public.pem", (b"", b""), 0),
        ("other.pem", (b"", b""), 1),
        ("public.pem", (b'"shadow":0', b'"shadow":1'), 1),
        ("public.pem", (b'"shadow":0', b'"shadow": 0'), 1),
        ("public.pem", (b'"schema":"moratorium-report/1"', b'"schema":"moratorium-report/2"'), 1),
        ("public.pem", (b'"signature":"', b'"signature":"A'), 1),
        ("public.pem", (b"}\n", b""), 1),
    ],
)
def test_a_signature_is_of_this_report_alone(
    sample: Path, whole: Path, tmp_path: Path, key: str, change: tuple[bytes, bytes], code: int
) -> None:
    old = (whole / "report.json").read_bytes()
    new = old.replace(*change, 1) if change[0] else old
    assert (new == old) is not any(change)
    (tmp_path / "report.json").write_bytes(new)

    words = ["audit", "report", "--check", str(tmp_path / "report.json"), "--key", str(sample / key)]
    assert main(words) == code


def test_a_report_that_is_not_signed_is_told_from_one_that_is(sample: Path, make: Make) -> None:
    _, out = make("--format", "json")

    words = ["audit", "report", "--check", str(out / "report.json"), "--key", str(sample / "public.pem")]
    assert main(words) == 1
    assert read(out)["signature"] is None


@pytest.mark.parametrize(
    "words",
    [
        ["--from", "2026-09-07"],
        ["LOG", "--from", "2026-09-07", "--to", "2026-09-07", "--out", "OUT"],
        ["LOG", "--from", "yesterday", "--to", "2026-09-07", "--out", "OUT"],
        ["LOG", "--from", "2026-09-07", "--to", "2026-09-14", "--out", "OUT", "--small", "0"],
        ["LOG", "--from", "2026-09-07", "--to", "2026-09-14", "--out", "OUT", "--title", " "],
        ["--check", "LOG"],
    ],
)
def test_what_cannot_be_done_ends_with_two(sample: Path, tmp_path: Path, words: list[str]) -> None:
    places = {"LOG": str(sample / "log" / "audit.jsonl"), "OUT": str(tmp_path / "out")}

    assert main(["audit", "report", *(places.get(word, word) for word in words)]) == 2
    assert not (tmp_path / "out").exists()


def test_help_needs_neither_engine_nor_typesetter() -> None:
    told = "import sys, proxy.cli.audit.report; print({'duckdb', 'typst'} & {*sys.modules})"

    assert (
        subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout
        == "set()\n"
    )
