"""Audit files of a running proxy are asked about, and held against reading them line by line."""

import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.audit.record import fields_of
from proxy.cli import main
from proxy.errors import SettingsError
from proxy.pipeline import refused
from proxy.policy.model import Mode, Refusal
from proxy.policy.reasons import Decision, Reason
from proxy.reporting import cached
from proxy.reporting.columns import ALL, DECISION, PLACE
from proxy.reporting.questions import FILTERS, GROUPS, Question
from proxy.reporting.store import Store
from tests.harness.client import call
from tests.harness.proxy import Proxy, running_proxy

Record = dict[str, Any]


class Log(NamedTuple):
    """What a proxy wrote, and the same as values."""

    file: Path
    records: list[Record]

    def decisions(self) -> list[Record]:
        return [record for record in self.records if record["kind"] == "decision"]


@pytest_asyncio.fixture(scope="module")
async def log(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Log]:
    """Calls of several organisations, forwarded and not; closed in good order, so all of it is there."""
    file = tmp_path_factory.mktemp("log") / "audit.jsonl"
    async with running_proxy(audit_file=str(file)) as proxy:
        proxy.audit_file.touch()  # it is looked at when the proxy ends
        await _calls(proxy)
    yield Log(file, [json.loads(line) for line in file.read_bytes().splitlines()])


async def _calls(proxy: Proxy) -> None:
    for caller in ("police", "commercial", "research", None):
        for path in ("/v1/search", "/v1/detect"):
            await proxy.call("POST", path, b"{}", caller=caller)
    for_police = {"org_type": "police", "org_id": "sheriff"}
    unit = [{"org_type": "government", "org_id": "state-u"}]
    for token in (
        proxy.bearer("commercial", on_behalf_of=for_police, purpose="research"),
        proxy.bearer("research", org_path=unit, act={"org_type": "commercial", "org_id": "acme"}),
    ):
        await call(proxy.port, "POST", "/v1/detect", [token], b"{}")
    await proxy.call("POST", "/v1/nowhere", b"{}", caller="commercial")


def ask(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[list[Record], str]:
    code = main(["audit", "query", "-o", "ndjson", *map(str, words)])
    told = capsys.readouterr()
    assert code == 0
    return [json.loads(line) for line in told.out.splitlines()], told.err


def test_every_member_of_a_record_has_a_column() -> None:
    verdict = refused(Refusal(Reason.TOKEN_EXPIRED), 0.0)
    fields = fields_of(verdict, "id", 0.0, revision="r", mode=Mode.ENFORCE, instance="i", backend="generic")

    assert set(fields) == set(PLACE) | set(DECISION)


def test_every_kind_of_record_has_its_columns() -> None:
    schema = json.loads(Path("config/audit-record.schema.json").read_text("utf-8"))
    kinds = [kind for kind in schema["$defs"].values() if "kind" in kind.get("properties", {})]

    assert len(kinds) == 8
    assert {name for kind in kinds for name in kind["properties"]} == set(ALL)


def test_all_decisions_come_back_as_they_were_written(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    rows, said = ask(capsys, log.file)

    members = [{name: row[name] for name in (*PLACE, *DECISION)} for row in rows]
    assert members == sorted(log.decisions(), key=lambda r: (r["time"], r["chain"], r["seq"]))
    assert said == ""


def test_a_decision_is_told_with_the_end_of_its_call(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    ended = {c["id"]: c for r in log.records if r["kind"] == "outcomes" for c in r["calls"]}
    rows, _ = ask(capsys, log.file)

    assert len(ended) >= 4
    for row in rows:
        end = ended.get(row["id"], {})
        assert (row["status"], row["microseconds"], row["complete"], row["sent_bytes"]) == (
            end.get("status"), end.get("microseconds"), end.get("complete"), end.get("request_bytes"),
        )  # fmt: skip


ROLES: dict[str, Callable[[Record], set[str]]] = {
    "caller": lambda r: {"acme"} if r["org_id"] == "acme" else set(),
    "behind": lambda r: {r["on_behalf_of"]["org_id"]} if r["on_behalf_of"] else set(),
    "above": lambda r: {unit["org_id"] for unit in r["org_path"] or []},
    "actor": lambda r: {actor["org_id"] for actor in r["actors"] or []},
}


@pytest.mark.parametrize(
    ("organisation", "role"), [("sheriff", "behind"), ("state-u", "above"), ("acme", "actor")]
)
def test_an_organisation_is_found_in_every_part(
    log: Log, capsys: pytest.CaptureFixture[str], organisation: str, role: str
) -> None:
    wanted = [r["id"] for r in log.decisions() if organisation in ROLES[role](r)]
    rows, _ = ask(capsys, log.file, "--org", organisation)

    assert wanted
    assert [row["id"] for row in rows] == wanted


_MEMBER = {"org_type": "org_type", "decision": "decision", "reason": "reason", "operation": "operation"}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_filters_find_what_reading_finds(log: Log, data: st.DataObject) -> None:
    decisions = log.decisions()
    wanted: dict[str, list[str]] = {}
    for name, member in _MEMBER.items():
        known = sorted({r[member] for r in decisions if r[member]})
        wanted[name] = data.draw(st.lists(st.sampled_from(known), max_size=2))
    classes = data.draw(st.lists(st.sampled_from(["detect", "search", "compare"]), max_size=2))
    since, until = sorted(data.draw(st.tuples(*[st.sampled_from([r["time"] for r in decisions])] * 2)))

    def fits(record: Record) -> bool:
        return (
            all(not wanted[name] or record[member] in wanted[name] for name, member in _MEMBER.items())
            and (not classes or bool({*classes} & {*(record["classes"] or [])}))
            and since <= record["time"] < until
        )

    store = Store([log.file])
    found = store.ask(*Question({**wanted, "class": classes}, since, until).sql())
    counted = store.ask(
        *Question({**wanted, "class": classes}, since, until, by=("reason", "org_type")).sql()
    )

    at = found.columns.index("id")
    expected = [r for r in decisions if fits(r)]
    assert Counter(row[at] for row in found.rows) == Counter(r["id"] for r in expected)
    assert {row[:2]: row[2] for row in counted.rows} == Counter(
        (r["reason"], r["org_type"]) for r in expected
    )


@pytest.mark.parametrize("name", sorted(FILTERS.keys() - {"decision", "reason", "class"}))
def test_values_are_never_part_of_the_question(log: Log, name: str) -> None:
    sly = "x') OR true --"

    sql, parameters = Question({name: [sly]}).sql()

    assert sly not in sql
    assert Store([log.file]).ask(sql, parameters).rows == []


@pytest.mark.parametrize("by", GROUPS)
def test_whatever_is_counted_by_adds_up(log: Log, by: str) -> None:
    found = Store([log.file]).ask(*Question(by=(by,)).sql())

    assert found.columns == (by, "count")
    assert sum(row[-1] for row in found.rows) == len(log.decisions())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--decision", "blokked"], "did you mean 'blocked'?"),
        (["--reason", "moratorum"], "did you mean 'moratorium'?"),
        (["--class", "serch"], "did you mean 'search'?"),
        (["--by", "org_typ"], "did you mean 'org_type'?"),
        (["--from", "yesterday"], "--from:"),
        (["--from", "2026-01-02", "--to", "2026-01-02"], "--from must be before --to"),
        (["--limit", "0"], "--limit: must be at least 1"),
        (["-o", "parquet"], "--out: is needed for parquet"),
    ],
)
def test_what_cannot_be_asked_is_said(
    log: Log, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main(["audit", "query", str(log.file), *words]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("name", ["it's.jsonl", "a[1]*?.jsonl", "mark?.jsonl", "[ab].jsonl", "a b.jsonl"])
def test_a_name_stands_for_itself(log: Log, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(log.file.read_bytes())
    for other in ("a1x.jsonl", "markx.jsonl", "a.jsonl", "b.jsonl"):
        (tmp_path / other).write_bytes(log.file.read_bytes())

    assert Store([tmp_path / name]).ask("SELECT count(*) FROM decisions").rows == [(len(log.decisions()),)]


def test_text_compressed_and_parquet_say_the_same(log: Log, tmp_path: Path) -> None:
    packed, table = tmp_path / "audit.jsonl.gz", tmp_path / "all.parquet"
    packed.write_bytes(gzip.compress(log.file.read_bytes()))
    Store([log.file], writes=[table]).write("SELECT * FROM records", {}, table)

    def everything(*files: Path) -> list[list[tuple[Any, ...]]]:
        store = Store(files)
        return [
            sorted(store.ask(f"SELECT * FROM {view}").rows, key=repr)  # noqa: S608
            for view in ("decisions", "calls", "frames")
        ]

    text = everything(log.file)
    assert [len(rows) > 0 for rows in text] == [True] * 3
    assert everything(packed) == text
    assert everything(table) == text
    assert [len(rows) for rows in everything(packed, table, log.file)] == [3 * len(rows) for rows in text]


def test_closed_files_are_copied_once(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = tmp_path / "log", tmp_path / "cache"
    folder.mkdir()
    closed, current = folder / "audit.jsonl.20261126T120000Z-1", folder / "audit.jsonl"
    closed.write_bytes(log.file.read_bytes())
    current.write_bytes(log.file.read_bytes())
    told: list[Path] = []
    monkeypatch.setattr("proxy.cli.audit.query._say_copying", told.append)

    first, _ = ask(capsys, folder, "--cache", cache)
    again, _ = ask(capsys, folder, "--cache", cache)
    closed.write_bytes(log.file.read_bytes() * 2)
    changed, _ = ask(capsys, folder, "--cache", cache)

    assert len(first) == 2 * len(log.decisions())
    assert again == first
    assert len(changed) == 3 * len(log.decisions())
    assert told == [closed, closed]
    assert sorted(path.suffix for path in cache.iterdir()) == [".parquet", ".parquet"]


def test_what_is_no_record_is_counted(log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torn = tmp_path / "torn.jsonl"
    whole = log.file.read_bytes()
    foreign = b'Nov 26 12:00:00 host proxy[1]: started\n\n[1]\n{"v":"x"}\n'
    foreign += whole.splitlines()[1].replace(b'"v":2}', b'"v":3}') + b"\n"
    torn.write_bytes(whole + foreign + whole.splitlines()[1][:200])

    rows, said = ask(capsys, torn)

    assert len(rows) == len(log.decisions())
    assert "lines that are no records of this version: 5" in said
    copy = tmp_path / "copy.parquet"
    Store([torn], writes=[copy]).write("SELECT * FROM records", {}, copy)
    assert Store([copy]).odd_lines() == 5


def test_a_damaged_file_is_an_error(log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = tmp_path / "audit.jsonl.gz"
    packed.write_bytes(gzip.compress(log.file.read_bytes())[:-200])

    assert main(["audit", "query", str(packed)]) == 2
    assert "audit.jsonl.gz" in capsys.readouterr().err


def test_the_engine_reads_and_writes_nothing_else(log: Log, tmp_path: Path) -> None:
    store = Store([log.file], writes=[tmp_path / "out.parquet"])

    for sql in (
        "SELECT * FROM read_text('/etc/hostname')",
        f"COPY (SELECT 1) TO '{tmp_path}/other.csv'",
        "SELECT * FROM read_parquet('https://example.com/a.parquet')",
        "SET enable_external_access = true",
    ):
        with pytest.raises((SettingsError, duckdb.Error)):
            store.ask(sql)


@pytest.mark.parametrize("form", ["text", "json", "csv", "parquet"])
def test_every_form_has_every_row(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    out = tmp_path / f"out.{form}"
    words = ["audit", "query", str(log.file), "-o", form]
    assert main([*words, *(["--out", str(out)] if form != "text" else [])]) == 0

    ids = [r["id"] for r in log.decisions()]
    if form == "text":
        told = capsys.readouterr().out
    elif form == "parquet":
        told = " ".join(row[0] for row in duckdb.connect().read_parquet(str(out)).project("id").fetchall())
    else:
        told = out.read_text("utf-8")
    assert [told.count(name) > 0 for name in ids] == [True] * len(ids)
    if form == "json":
        assert [row["id"] for row in json.loads(told)] == ids


def test_people_see_how_a_count_comes_about(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "query", str(log.file), "--by", "decision"]) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    expected = Counter(r["decision"] for r in log.decisions())
    assert lines == [["decision", "count"], *([d, str(expected[d])] for d in sorted(Decision) if expected[d])]


def test_only_closed_names_are_copied() -> None:
    names = ["audit.jsonl", "audit.jsonl.20261126T120000Z-1", "audit.jsonl.20261126T120000Z-12.gz", "b.json"]

    assert [bool(cached.CLOSED.search(name)) for name in names] == [False, True, True, False]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_that_is_read_is_never_written(tmp_path: Path, form: str) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(b"{}\n")
    assert main(["audit", "query", str(file), "-o", form, "--out", str(file)]) == 2
    assert file.read_bytes() == b"{}\n"


def test_of_few_counts_the_largest_are_shown(log: Log) -> None:
    found = Store([log.file]).ask(*Question(by=("reason",), limit=2).sql())

    largest = sorted(Counter(r["reason"] for r in log.decisions()).values(), reverse=True)[:2]
    assert [row[1] for row in found.rows] == largest


def test_a_failed_question_leaves_what_was_there(log: Log, tmp_path: Path) -> None:
    out, packed = tmp_path / "out.parquet", tmp_path / "audit.jsonl.gz"
    out.write_bytes(b"before")
    packed.write_bytes(gzip.compress(log.file.read_bytes())[:-200])

    assert main(["audit", "query", str(packed), "-o", "parquet", "--out", str(out)]) == 2
    assert out.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.jsonl.gz", "out.parquet"]


@pytest.mark.parametrize("lacking", ["duckdb", "typst"])
def test_without_the_extra_the_others_go_on(log: Log, tmp_path: Path, lacking: str) -> None:
    script = f"import sys; sys.modules[{lacking!r}] = None; from proxy.cli import main; exit(main())"

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-c", script, "audit", *words], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr

    asked = ["report", str(log.file), "--from", "2020-01-01", "--to", "2021-01-01", "--out", str(tmp_path)]
    if lacking == "duckdb":
        asked = ["query", str(log.file)]
    code, said = run(*asked)
    assert code == 2
    assert f"{lacking} is not installed: pip install 'moratorium[report]'" in said
    assert run("verify", str(log.file)) == (0, "")
    assert run("query", "--help") == (0, "")
