"""The recipe of docs/shipping.md: what a collector did to a log is undone, what somebody else did is not."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.audit.findings import Flaw
from tests.audit.logs import Writer, digest, found, lines
from tests.shipping.once import once
from tests.shipping.origin import TORN, Origin

pytestmark = pytest.mark.skipif(shutil.which("awk") is None, reason="needs awk")


@pytest.fixture
def log(tmp_path: Path) -> list[bytes]:
    """Two chains, with a line cut short between them."""
    origin = Origin(tmp_path / "log", compress=False)
    origin.decide(30)
    origin = origin.killed(TORN)
    origin.ends_of_calls(2)
    origin.decide(1200).close()
    return origin.lines()


def put_right(folder: Path, *files: Sequence[bytes]) -> Path:
    paths = [folder / f"home{number}" for number in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(b"".join(content))
    once(paths, folder / "once.jsonl")
    return folder / "once.jsonl"


def test_a_stretch_that_came_twice_is_there_once(log: list[bytes], tmp_path: Path) -> None:
    twice = [*log[:500], *log[300:]]

    assert {flaw for flaw, *_ in found(twice)} == {Flaw.REORDERED, Flaw.DUPLICATE}
    assert found(put_right(tmp_path, twice)) == []
    assert sorted(lines(tmp_path / "once.jsonl")) == sorted(log)


def test_lines_in_any_order_and_in_any_file_become_one_log(log: list[bytes], tmp_path: Path) -> None:
    mixed = sorted(log, key=digest)  # as good as any other

    assert found(put_right(tmp_path, mixed[:700], mixed[600:])) == []


def test_a_line_that_is_there_twice_and_differs_stays_there_twice(log: list[bytes], tmp_path: Path) -> None:
    changed = log[700].replace(b'"mode":"enforce"', b'"mode":"shadow"')
    assert changed != log[700]

    assert found(put_right(tmp_path, [*log, changed])) != []


def test_a_line_that_lacks_is_still_missing(log: list[bytes], tmp_path: Path) -> None:
    twice = [*log[:500], *log[300:400], *log[501:]]

    assert [flaw for flaw, *_ in found(put_right(tmp_path, twice))] == [Flaw.MISSING]


def test_a_name_within_a_record_is_not_its_place(tmp_path: Path) -> None:
    """Circumstances are named by the issuer: also `seq`, also `prev`."""
    writer = Writer(tmp_path / "log").begin()
    writer.decide(11).close()
    named = [
        line.replace(b'"circumstances":null', b'"circumstances":{"prev":"0","seq":7}')
        for line in lines(tmp_path / "log")
    ]
    assert named != lines(tmp_path / "log")

    put_right(tmp_path, named)

    assert lines(tmp_path / "once.jsonl") == named
