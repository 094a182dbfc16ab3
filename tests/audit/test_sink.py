"""Records on disk: one write each, and nothing goes on without."""

import math
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.audit.sink import Sink
from proxy.errors import AuditUnwritable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.ndjson"


@pytest.fixture
def sink(path: Path) -> Iterator[Sink]:
    sink = Sink(str(path))
    yield sink
    sink.close()


def test_records_are_appended(sink: Sink, path: Path) -> None:
    path.write_bytes(b"before\n")

    sink.write(b"one\n")
    sink.write(b"two\n")

    assert path.read_bytes() == b"before\none\ntwo\n"
    assert sink.records == 2


def test_only_the_owner_writes_and_the_group_reads(sink: Sink, path: Path) -> None:
    sink.write(b"one\n")

    assert path.stat().st_mode & 0o777 == 0o640 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_moved_file_is_noticed_and_a_new_one_begun(sink: Sink, path: Path) -> None:
    sink.write(b"one\n")
    path.rename(path.with_suffix(".1"))
    assert sink.moved()

    sink.open()
    sink.write(b"two\n")

    assert path.read_bytes() == b"two\n"
    assert path.with_suffix(".1").read_bytes() == b"one\n"
    assert not sink.moved()


def test_a_missing_folder_is_an_error_with_its_name(tmp_path: Path) -> None:
    sink = Sink(str(tmp_path / "no" / "audit"))

    with pytest.raises(AuditUnwritable, match="No such file"):
        sink.write(b"one\n")
    assert sink.failures == 1
    assert sink.writable() is not None


def test_a_full_disk_refuses_and_recovers_by_itself(sink: Sink, path: Path) -> None:
    """A file size limit cuts a write as a full disk does."""
    sink.write(b"first\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(AuditUnwritable, match="only 4 of 7 bytes"):
            sink.write(b"second\n")
        with pytest.raises(AuditUnwritable, match="File too large"):
            sink.write(b"third\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert sink.writable() is not None
    sink.write(b"fourth\n")

    assert path.read_bytes() == b"first\nseco\nfourth\n"
    assert (sink.records, sink.failures) == (2, 2)
    assert sink.writable() is None


def test_a_probe_finds_out_that_the_disk_takes_bytes_again(sink: Sink, path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        with pytest.raises(AuditUnwritable, match="only 4 of 7 bytes"):
            sink.write(b"second\n")
        sink.probe()
        assert sink.writable() is not None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    sink.probe()
    sink.write(b"third\n")

    assert sink.writable() is None
    assert path.read_bytes() == b"seco\nthird\n"


def test_a_line_that_another_process_could_not_end_spoils_none_of_ours(
    sink: Sink, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.audit.sink.WARY_BYTES", math.inf)
    sink.write(b"one\n")
    with path.open("ab", buffering=0) as other:
        other.write(b"cut sho")

    sink.write(b"two\n")
    sink.write(b"three\n")

    assert path.read_bytes() == b"one\ncut sho\ntwo\nthree\n"
    assert sink.strays == [b"cut sho"]


def test_the_end_of_a_shared_file_is_looked_at_however_much_room_there_is(path: Path) -> None:
    sink = Sink(str(path), shared=True)
    sink.write(b"one\n")
    with path.open("ab", buffering=0) as other:
        other.write(b"cut sho")
    assert not sink.moved()

    sink.write(b"two\n")

    assert path.read_bytes() == b"one\ncut sho\ntwo\n"
    assert sink.strays == [b"cut sho"]
    sink.close()


def test_a_probe_closes_a_line_that_another_process_could_not_end(
    sink: Sink, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.audit.sink.WARY_BYTES", math.inf)
    sink.write(b"one\n")
    with path.open("ab", buffering=0) as other:
        other.write(b"cut sho")

    sink.probe()

    assert path.read_bytes() == b"one\ncut sho\n"
    assert sink.strays == [b"cut sho"]


def test_dev_full_is_a_full_disk() -> None:
    sink = Sink("/dev/full")

    with pytest.raises(AuditUnwritable, match="No space left"):
        sink.write(b"one\n")
    sink.close()


def test_standard_output_is_a_sink_too(capfd: pytest.CaptureFixture[str]) -> None:
    sink = Sink("-")

    sink.write(b'{"a":1}\n')
    sink.close()

    assert capfd.readouterr().out == '{"a":1}\n'
    assert not sink.moved()
    assert sink.writable() is None
