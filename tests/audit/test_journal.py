"""What frames the decisions, and that a file which takes nothing costs no place in the chain."""

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from proxy.audit.journal import TOGETHER
from proxy.audit.segments import look_into
from proxy.errors import AuditUnwritable
from tests.audit.logs import NOW, Writer, found, lines, records, verified


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """A file size limit cuts a write as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def test_a_chain_says_how_it_begins_and_ends(path: Path) -> None:
    Writer(path).begin().decide(2).close()

    opened, *_, closed = records(path)

    assert (opened["kind"], opened["seq"], opened["prev"], opened["after"]) == ("open", 0, "0" * 64, None)
    assert (opened["release"], opened["policy"], opened["checkpoint_records"]) == ("1", "p", 5)
    assert (closed["kind"], closed["records"], closed["failures"]) == ("close", 2, 0)


def test_a_chain_without_a_key_has_no_checkpoints(path: Path) -> None:
    Writer(path, pem=None).begin().decide(20).close()

    assert [r["kind"] for r in records(path)] == ["open", *["decision"] * 20, "close"]
    assert {r["signature"] for r in records(path) if "signature" in r} == {None}
    assert records(path)[-1]["tree"] is None
    assert found(path, key=None) == []


def test_the_ends_of_calls_are_one_record_for_many(path: Path) -> None:
    writer = Writer(path).begin().decide()
    writer.journal.outcome(b"w1-0001", (200, 12, 3456, 0.015, True))
    writer.journal.outcome(b"w1-0002", (None, 5, 0, 1.5, False))
    before = len(lines(path))
    writer.decide()
    assert len(lines(path)) == before + 1

    writer.journal.look(NOW)

    record = records(path)[-1]
    assert record["kind"] == "outcomes"
    assert record["calls"] == [
        {"id": "w1-0001", "status": 200, "request_bytes": 12, "response_bytes": 3456,
         "microseconds": 15000, "complete": True},
        {"id": "w1-0002", "status": None, "request_bytes": 5, "response_bytes": 0,
         "microseconds": 1_500_000, "complete": False},
    ]  # fmt: skip
    assert found(path) == []


def test_many_ends_of_calls_do_not_wait(path: Path) -> None:
    writer = Writer(path, pem=None).begin()
    for number in range(TOGETHER):
        writer.journal.outcome(b"w1-%04x" % number, (200, 1, 2, 0.5, True))
    writer.decide()

    assert [record["kind"] for record in records(path)] == ["open", "outcomes", "decision"]


def test_ends_that_have_waited_for_long_stay_in_short_lines(path: Path) -> None:
    writer = Writer(path, pem=None).begin()
    count = 2 * TOGETHER + 1
    for number in range(count):
        writer.journal.outcome(b"%025x-%012x" % (1, number), (200, 10**7, 10**7, 100.0, True))

    writer.journal.look(NOW)

    told = [record["calls"] for record in records(path) if record["kind"] == "outcomes"]
    assert [len(calls) for calls in told] == [TOGETHER, TOGETHER, 1]
    assert len({call["id"] for calls in told for call in calls}) == count
    assert max(map(len, lines(path))) < 100_000
    assert found(path, key=None) == []


@pytest.mark.parametrize("size", [*range(0, 2600, 97)])
def test_a_disk_that_fills_at_any_byte_leaves_a_chain_that_goes_on(path: Path, size: int) -> None:
    writer = Writer(path)
    taken = 0
    with full_after(size):
        try:
            writer.begin()
        except AuditUnwritable:
            taken = -1
        for number in range(6):
            writer.journal.outcome(b"w1-%04x" % number, (200, 1, 2, 0.5, True))
            writer.journal.flush(NOW)
            try:
                writer.decide()
            except AuditUnwritable:
                writer.journal.sink.probe()
    writer.decide(3).close()

    whole = verified(path)

    assert taken == 0
    assert whole.findings == []
    ended = [call["id"] for r in map(json.loads, _readable(path)) for call in r.get("calls", [])]
    assert ended == [f"w1-{number:04x}" for number in range(6)]
    assert writer.journal.failures == 9 - writer.journal.records
    assert whole.trees_apart == 0
    spans = [(r["tree"]["first"], r["seq"]) for r in map(json.loads, _readable(path)) if r.get("tree")]
    assert spans == [*pairwise([0, *(last for _, last in spans)])]


@pytest.mark.parametrize("lacks", [1, 2, 100])
def test_a_checkpoint_that_a_full_disk_cuts_begins_a_tree_if_it_is_whole(path: Path, lacks: int) -> None:
    """Without its newline it is a record all the same: the next line begins with that."""
    Writer(path).begin().decide(5)
    size = sum(len(line) for line in lines(path)[:6])
    assert records(path)[5]["kind"] == "checkpoint"
    path.unlink()

    writer = Writer(path).begin()
    with full_after(size - lacks):
        writer.decide(4)
        writer.journal.sink.probe()
    writer.decide(9).close()

    whole = verified(path)
    trees = [r["tree"] for r in map(json.loads, _readable(path)) if r.get("tree")]
    assert (whole.findings, whole.trees_apart) == ([], 0)
    assert [tree["first"] for tree in trees[:2]] == ([0, 5] if lacks == 1 else [0, trees[0]["size"]])
    assert (trees[0]["size"] == 5) is (lacks == 1)


def _readable(path: Path) -> list[bytes]:
    return [line for line in lines(path) if line.endswith(b',"v":2}\n')]


def test_a_line_that_a_crash_cut_short_is_closed_and_named_by_the_next_chain(path: Path) -> None:
    first = Writer(path).begin().decide(3)
    os.truncate(path, path.stat().st_size - 40)
    cut = lines(path)[-1]
    there = look_into(path)

    second = Writer(path).begin(after=there.after, torn=there.torn).decide(2).close()
    whole = verified(path)

    assert there.torn == [cut]
    assert there.after is not None
    assert (there.after.chain, there.after.seq) == (first.journal.chain.id, 2)
    assert whole.findings == []
    assert whole.fragments.torn == 1
    opened, torn = [r for r in map(json.loads, _readable(path)) if r["chain"] == second.journal.chain.id][:2]
    assert opened["after"]["id"] == first.journal.chain.id
    assert (torn["kind"], torn["bytes"]) == ("torn", len(cut))


def test_a_whole_record_without_its_newline_counts(path: Path) -> None:
    Writer(path).begin().decide(3)
    os.truncate(path, path.stat().st_size - 1)
    there = look_into(path)

    Writer(path).begin(after=there.after, torn=there.torn).decide(2).close()

    assert found(path) == []
    assert verified(path).decisions == 5


def test_a_fragment_that_was_made_up_is_named(path: Path) -> None:
    Writer(path).begin().decide(3)
    os.truncate(path, path.stat().st_size - 40)
    there = look_into(path)
    Writer(path).begin(after=there.after, torn=there.torn).decide(2).close()
    log = lines(path)

    log[3] = log[3].replace(b"token-expired", b"token-missing")

    assert len(found(log)) == 1
