"""Audit files on this machine: which there are, and their lines, decompressed, in batches."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from proxy.audit.verify import Verification
from proxy.errors import SettingsError

BATCH = 1 << 20
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a compressed file raises when it is damaged or cut short."""


def files_of(paths: Iterable[Path]) -> list[Path]:
    """All files among these files and folders, each once, sorted. Raises `SettingsError`."""
    files = sorted({file for path in paths for file in _files_in(path)})
    if not files:
        raise SettingsError(["no file in these folders"])
    return files


def _files_in(path: Path) -> list[Path]:
    if path.is_dir():
        return [file for file in path.iterdir() if file.is_file() and file.suffix != ".part"]
    if not path.is_file():
        raise SettingsError([f"{path}: no such file"])
    return [path]


def verify_file(
    verification: Verification,
    path: Path,
    told: Callable[[int], None],
    *others: Callable[[list[bytes]], None],
) -> None:
    """Feed it one file, and let others have the same lines.

    `told` hears how many of the file's bytes have been read. Raises `SettingsError`.
    """
    reading = verification.read(str(path))
    try:
        for batch in batches(path, told):
            reading.feed(batch)
            for other in others:
                other(batch)
    except DAMAGED:
        verification.damaged(str(path), "the compressed file is damaged or cut short")
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None
    reading.end()


def batches(path: Path, told: Callable[[int], None]) -> Iterator[list[bytes]]:
    """The lines of one file, about `BATCH` bytes at a time.

    Raises `OSError`, and `DAMAGED`.
    """
    with path.open("rb", buffering=BATCH) as raw:
        lines: IO[bytes] = raw
        if path.suffix == ".gz":
            if not path.stat().st_size:
                raise EOFError("an empty file is no compressed one")
            lines = io.BufferedReader(gzip.GzipFile(fileobj=raw), BATCH)
        while batch := lines.readlines(BATCH):
            yield batch
            told(raw.tell())
