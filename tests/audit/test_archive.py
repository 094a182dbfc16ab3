"""Files are cut, packed and removed, and the log can be verified all the while."""

import asyncio
import gzip
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from proxy.audit.archive import Archive, Keeping
from proxy.audit.findings import Flaw
from proxy.audit.segments import close_segment, closed, expired, pack, summarise
from tests.audit.logs import KEY, Writer, found, lines, records, verified


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


class Kept(Writer):
    """A writer whose files are looked after; `now` is the clock's."""

    def __init__(self, path: Path, pem: Any = None, **keeping: Any) -> None:
        super().__init__(path, **({} if pem is None else {"pem": pem}))
        self.archive = Archive(self.journal, lambda: self.now, Keeping(**keeping))
        self.archive.open(version="1", policy="p")


def everything(path: Path) -> list[Path]:
    return [*closed(path), path]


def unpacked(path: Path) -> list[bytes]:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    return lines(path)


def flaws(path: Path) -> list[Any]:
    return found(*map(unpacked, everything(path)))


def told_of(path: Path) -> list[int]:
    """Bytes of each line that is said to have been cut short."""
    told = [json.loads(line) for line in lines(path) if b'"kind":"torn"' in line]
    return [record["bytes"] for record in told]


def test_a_file_is_cut_when_it_is_large_enough(path: Path) -> None:
    kept = Kept(path, rotate_bytes=2000)
    for _ in range(4):
        kept.decide(3)
        kept.archive.look()
    kept.close()

    names = [segment.name for segment in closed(path)]

    assert names[0] == "audit.jsonl.20231114T221323Z-1"
    assert len(names) == 4
    assert [records(segment)[-1]["kind"] for segment in closed(path)] == ["checkpoint"] * 4
    assert flaws(path) == []


def test_a_file_is_cut_when_it_is_old_enough(path: Path) -> None:
    kept = Kept(path, rotate_seconds=10).decide(8)
    kept.archive.look()
    assert closed(path) == []

    kept.decide(3)
    kept.archive.look()
    kept.decide(1)

    assert len(closed(path)) == 1
    assert flaws(path) == []


def test_the_age_of_a_file_outlives_a_restart(path: Path) -> None:
    first = Kept(path).decide(8).close()
    again = Kept(path, rotate_seconds=10)
    again.now = first.now + 3

    again.archive.look()

    assert len(closed(path)) == 1


def test_two_files_closed_in_one_second_have_two_names(path: Path) -> None:
    kept = Kept(path, rotate_bytes=1)
    kept.archive.look()
    kept.journal.event("policy", kept.now, old="a", new="b")
    kept.archive.look()

    assert [segment.name[-2:] for segment in closed(path)] == ["-1", "-2"]


def test_a_process_that_shares_the_file_goes_on_in_the_new_one(path: Path) -> None:
    one, other = Kept(path, rotate_bytes=1), Kept(path, rotate_bytes=10_000_000)
    one.decide()
    one.archive.look()
    other.decide()
    other.archive.look()
    other.decide()
    one.decide()

    assert len(closed(path)) == 1
    assert {r["chain"] for r in records(path)} == {one.journal.chain.id, other.journal.chain.id}
    assert flaws(path) == []


@pytest.mark.parametrize("size", [1, 200])
def test_what_a_dead_process_left_unfinished_is_told_by_the_next_that_writes(
    path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr("proxy.audit.sink.WARY_BYTES", math.inf)
    one, dead = Kept(path).decide(), Kept(path).decide()
    line = path.read_bytes().splitlines()[-1]
    with path.open("ab", buffering=0) as file:
        file.write(line[:size])
    del dead

    one.decide(2)

    assert told_of(path) == [size]
    assert flaws(path) == []


def test_what_is_found_unfinished_in_the_next_file_is_told(path: Path) -> None:
    one = Kept(path).decide()
    before = path.rename(path.with_name("before"))
    path.write_bytes(one.template().line(b"w2-1", one.now)[:100])

    one.archive.look()
    one.decide()

    assert told_of(path) == [100]
    assert found(before, path) == []


def test_only_one_of_two_cuts_a_file(path: Path) -> None:
    one, other = Kept(path), Kept(path)
    descriptors = one.journal.sink.descriptor, other.journal.sink.descriptor
    assert None not in descriptors
    first = close_segment(path, descriptors[0] or -1, one.now)
    one.archive.reopen()

    assert first is not None
    assert close_segment(path, descriptors[1] or -1, one.now) is None


def test_what_somebody_may_still_write_to_is_not_packed(path: Path) -> None:
    one, other = Kept(path, rotate_bytes=1), Kept(path)
    one.archive.look()
    (segment,) = closed(path)

    assert not pack(segment)
    other.archive.look()
    assert pack(segment)

    assert [p.name for p in closed(path)] == [f"{segment.name}.gz"]
    assert flaws(path) == []


def test_packing_that_is_stopped_leaves_the_segment(path: Path) -> None:
    Kept(path, rotate_bytes=1).decide().archive.look()
    (segment,) = closed(path)

    assert not pack(segment, lambda: True)

    assert closed(path) == [segment]


def test_packing_that_was_broken_off_at_its_end_is_finished(path: Path) -> None:
    Kept(path, rotate_bytes=1).decide().archive.look()
    (segment,) = closed(path)
    copy = segment.read_bytes()
    pack(segment)
    segment.write_bytes(copy)

    assert pack(segment)

    assert [p.suffix for p in closed(path)] == [".gz"]


async def test_segments_are_packed_and_removed_and_the_log_still_verifies(path: Path) -> None:
    kept = Kept(path, rotate_bytes=1, keep_seconds=5.0)
    for _ in range(4):
        kept.decide(2)
        kept.archive.look()
    for age, segment in enumerate(reversed(closed(path))):
        os.utime(segment, (kept.now, kept.now - 3 * age))

    await kept.archive.tidy()
    kept.decide(2).close()

    left = [segment.suffix for segment in closed(path)]
    retired = [r for r in records(path) if r["kind"] == "retired"]
    assert left == [".gz", ".gz"]
    assert [r["segment"][-5:] for r in retired] == ["-1.gz", "-1.gz"]
    assert retired[0]["chains"][0]["first"] == 0
    assert retired[0]["until"].startswith("2023-11-14T22:13:2")
    assert flaws(path) == []


async def test_a_removal_that_nobody_recorded_is_found(path: Path) -> None:
    kept = Kept(path, rotate_bytes=1)
    for _ in range(3):
        kept.decide(2)
        kept.archive.look()
    kept.close()

    closed(path)[0].unlink()

    assert [flaw for flaw, *_ in flaws(path)] == [Flaw.MISSING]


async def test_a_removal_that_no_signature_covers_does_not_count(path: Path) -> None:
    kept = Kept(path, rotate_bytes=1)
    kept.decide(2)
    kept.archive.look()
    kept.decide(2)
    (segment,) = closed(path)
    kept.journal.event("retired", kept.now, **summarise(segment).members())
    segment.unlink()

    assert [flaw for flaw, *_ in flaws(path)] == [Flaw.MISSING, Flaw.UNSIGNED]
    kept.journal.checkpoint(kept.now)
    assert flaws(path) == []


async def test_a_chain_that_outlives_many_removals_still_verifies(path: Path) -> None:
    kept = Kept(path, rotate_bytes=1, keep_seconds=1.0)
    for _ in range(6):
        kept.decide(2)
        kept.archive.look()
        for segment in closed(path)[:-1]:
            os.utime(segment, (0, 0))
        await kept.archive.tidy()
    kept.decide(1).close()

    assert json.loads(unpacked(everything(path)[0])[0])["seq"] > 0
    assert flaws(path) == []
    assert verified(*map(unpacked, everything(path)), key=KEY).seals.gone()


async def test_a_chain_whose_signatures_were_removed_with_its_beginning_still_verifies(path: Path) -> None:
    killed = Kept(path, rotate_bytes=1).decide(2)
    killed.archive.look()
    killed.decide(2)
    (segment,) = closed(path)
    os.utime(segment, (0, 0))

    again = Kept(path, keep_seconds=5.0)
    await again.archive.tidy()
    again.decide(1).close()

    assert closed(path) == []
    assert flaws(path) == []


def test_a_file_that_was_moved_away_is_part_of_the_log(path: Path) -> None:
    kept = Kept(path).decide(3)
    aside = path.rename(path.with_name("elsewhere"))
    kept.archive.look()
    kept.decide(3).close()

    assert found(aside, path) == []
    assert [flaw for flaw, *_ in found(path)] == [Flaw.MISSING]


async def test_the_oldest_files_go_when_there_are_too_many(path: Path) -> None:
    kept = Kept(path, rotate_bytes=1, keep_files=2)
    for _ in range(5):
        kept.decide(2)
        kept.archive.look()
    oldest = [segment.name for segment in closed(path)[:3]]

    await kept.archive.tidy()
    kept.decide(2).close()

    retired = [r for r in records(path) if r["kind"] == "retired"]
    assert [r["segment"].removesuffix(".gz") for r in retired] == oldest
    assert len(closed(path)) == 2
    assert flaws(path) == []


@pytest.mark.parametrize(("age", "files", "left"), [(5, 3, 2), (100, 1, 1), (5, 1, 1), (100, 9, 4)])
async def test_a_file_goes_when_it_is_too_old_or_one_too_many(
    path: Path, age: float, files: int, left: int
) -> None:
    kept = Kept(path, rotate_bytes=1, keep_seconds=age, keep_files=files, compress=False)
    for _ in range(4):
        kept.decide(2)
        kept.archive.look()
    for older, segment in enumerate(reversed(closed(path))):
        os.utime(segment, (kept.now, kept.now - 3 * older))

    await kept.archive.tidy()
    kept.close()

    assert len(closed(path)) == left
    assert flaws(path) == []


async def test_several_processes_keep_so_many_files_together(path: Path) -> None:
    several = [Kept(path, rotate_bytes=1, keep_files=2) for _ in range(3)]
    for _ in range(4):
        for one in several:
            one.decide(2)
            one.archive.look()
    for one in several:
        one.archive.look()

    for _ in range(2):
        await asyncio.gather(*(one.archive.tidy() for one in several))
    for one in several:
        one.close()

    assert len(closed(path)) == 2
    assert flaws(path) == []


async def test_a_file_to_which_somebody_may_still_write_does_not_go(path: Path) -> None:
    one, slow = Kept(path, rotate_bytes=1, keep_files=1), Kept(path)
    for _ in range(2):
        one.decide(2)
        one.archive.look()
    slow.decide(1)

    await one.archive.tidy()
    assert len(closed(path)) == 2
    # Nor is it said to go: what is written to it after that would go untold.
    assert "retired" not in {r["kind"] for r in records(path)}

    slow.archive.look()
    await one.archive.tidy()
    assert len(closed(path)) == 1
    one.close()
    slow.close()
    assert flaws(path) == []


def test_what_is_being_packed_counts_once(path: Path) -> None:
    kept = Kept(path, rotate_bytes=1)
    for _ in range(3):
        kept.decide(2)
        kept.archive.look()
    (_, second, _) = closed(path)
    second.with_name(f"{second.name}.gz").write_bytes(gzip.compress(second.read_bytes()))

    assert expired(path, kept.now, None, 3) == []
    assert expired(path, kept.now, None, 2) == closed(path)[:1]
