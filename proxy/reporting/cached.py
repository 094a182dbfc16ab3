"""Parquet copies of audit files that are closed, so that they are read as text once."""

import os
import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from proxy.errors import SettingsError
from proxy.reporting.store import PARQUET, Store

CLOSED = re.compile(r"\.\d{8}T\d{6}Z-\d+$|\.gz$")
"""Names of files that nobody writes to any more (`proxy.audit.segments`)."""


def copied(files: Sequence[Path], folder: Path, told: Callable[[Path], None]) -> list[Path]:
    """What to read instead: of each closed file its copy, made now if there is none; the others as they are.

    `told` hears of each file before it is copied. Raises `SettingsError`.
    """
    return [_copied(file, folder, told) if CLOSED.search(file.name) else file for file in files]


def _copied(file: Path, folder: Path, told: Callable[[Path], None]) -> Path:
    copy = folder / f"{_name(file)}{PARQUET}"
    if copy.exists():
        return copy
    told(file)
    part = copy.with_suffix(f".{os.getpid()}.part")
    store = Store([file], writes=[part])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        store.write("SELECT * FROM records", {}, part)
        part.replace(copy)
    except OSError as error:
        raise SettingsError([f"{error.filename or folder}: {error.strerror}"]) from None
    finally:
        store.close()
        part.unlink(missing_ok=True)
    return copy


def _name(file: Path) -> str:
    """Another one as soon as the file is another one."""
    state = file.stat()
    return sha256(f"{file.resolve()}\0{state.st_size}\0{state.st_mtime_ns}".encode()).hexdigest()[:32]
