"""The stored bundle: old or new, never half; and when it was last confirmed."""

import os
from pathlib import Path

import pytest

from proxy.distribution.bundle import MAX_BYTES
from proxy.distribution.store import Store, Stored


def test_what_was_written_is_read_with_the_moment_of_writing(tmp_path: Path) -> None:
    store = Store(tmp_path / "bundle.json")
    assert store.read() is None

    store.write(b"one", 1000.0)
    store.write(b"two", 2000.0)

    assert store.read() == Stored(b"two", 2000.0)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.json"]


def test_a_confirmation_moves_the_moment_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "bundle.json")
    store.write(b"one", 1000.0)

    store.confirm(3000.0)

    assert store.read() == Stored(b"one", 3000.0)


def test_the_bundle_is_readable_by_nobody_else(tmp_path: Path) -> None:
    Store(tmp_path / "bundle.json").write(b"one", 1000.0)

    assert (tmp_path / "bundle.json").stat().st_mode & 0o777 == 0o600


def test_what_fails_half_way_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "bundle.json")
    store.write(b"one", 1000.0)

    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write(b"two", 2000.0)

    assert store.read() == Stored(b"one", 1000.0)
    assert os.listdir(tmp_path) == ["bundle.json"]


def test_no_more_than_a_bundle_can_be_is_read(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_bytes(b" " * (MAX_BYTES + 100))
    found = Store(tmp_path / "bundle.json").read()

    assert found is not None
    assert len(found.content) == MAX_BYTES + 1
