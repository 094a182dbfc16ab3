"""The files that an audit is cut into: named when closed, packed when nobody writes to them, removed at last.

Several processes may write to one file. Each holds a shared lock on it while it may still write, so whoever
gets it alone knows that it is closed; the folder's lock is for whoever renames. Locks end with their process.
"""

import contextlib
import fcntl
import gzip
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from proxy.audit.chain import END_OF_LINE, Head, digest_of
from proxy.audit.record import second
from proxy.policy.callers import Instant

PIECE = 1 << 18
BREATH_SECONDS = 0.001
"""Between pieces, so that calls are judged meanwhile."""
_CLOSED = r"\.(\d{8}T\d{6}Z)-(\d+)(?:\.gz)?"
_PLACE = re.compile(rb'"chain":"(\w*)",.*?"prev":"([0-9a-f]{64})",.*?"seq":(\d+),.*?"time":"([^"]+)"')


_NAMES = ("id", "first", "last", "before", "head")


class Run(NamedTuple):
    """Consecutive records of one chain: the digest before the first, and that of the last."""

    chain: str
    first: int
    last: int
    prev: str
    head: str

    def members(self) -> dict[str, Any]:
        """For a record. None is called as a record's own place is, which readers look for first."""
        return dict(zip(_NAMES, self, strict=True))

    @classmethod
    def of_members(cls, members: dict[str, Any]) -> "Run":
        """Raises `KeyError`, `TypeError`."""
        run = cls(*(members[name] for name in _NAMES))
        if [*map(type, run)] != [str, int, int, str, str]:
            raise TypeError
        return run


def closed(current: Path) -> list[Path]:
    """The closed segments of an audit file, oldest first."""
    found = []
    with contextlib.suppress(OSError):
        for path in current.parent.iterdir():
            match = re.fullmatch(re.escape(current.name) + _CLOSED, path.name)
            if match is not None:
                found.append((match[1], int(match[2]), path))
    return [path for *_, path in sorted(found)]


@contextlib.contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Alone in a folder, for the blink that a renaming takes."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def close_segment(current: Path, fd: int, now: Instant) -> Path | None:
    """Give the file that `fd` writes to its closed name; None when another process has just done so.

    Raises `OSError`. Everyone who writes to it notices by its name, and goes on in a new one.
    """
    with folder_locked(current.parent):
        try:
            if not os.path.samestat(os.stat(current), os.fstat(fd)):
                return None
        except FileNotFoundError:
            return None
        base = f"{current.name}.{second(int(now)).decode()[:-1].replace('-', '').replace(':', '')}Z"
        number = 1
        while any(current.with_name(f"{base}-{number}{end}").exists() for end in ("", ".gz")):
            number += 1
        return current.rename(current.with_name(f"{base}-{number}"))


class Found(NamedTuple):
    """What a start finds in a file that is there already."""

    after: Head | None
    torn: list[bytes]
    began: Instant | None


def look_into(current: Path) -> Found:
    """The last record of a file, what is cut short at its end, and when its first record was written.

    What is cut short is closed with a newline. Raises `OSError`.
    """
    with folder_locked(current.parent), current.open("rb") as file:
        began = _instant(file.readline(PIECE))
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - PIECE))
        tail = file.read()
        torn = []
        if tail and not tail.endswith(b"\n"):
            torn = [tail[tail.rfind(b"\n") + 1 :]]
            # Others may be writing: only what is appended can never lie over their records.
            with current.open("ab") as end:
                end.write(b"\n")
        lines = [line + b"\n" for line in tail.split(b"\n") if line.endswith(END_OF_LINE[:-1])]
        match = _PLACE.search(lines[-1]) if lines else None
        after = Head(match[1].decode(), int(match[3]), digest_of(lines[-1]).decode()) if match else None
        return Found(after, torn, began)


def _instant(line: bytes) -> Instant | None:
    match = _PLACE.search(line)
    try:
        return datetime.fromisoformat(match[4].decode()).timestamp() if match else None
    except ValueError:
        return None


@contextlib.contextmanager
def held(path: Path) -> Iterator[int | None]:
    """The descriptor of a closed segment that nobody else holds, or None."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = os.path.samestat(os.stat(path), os.fstat(fd))
        except OSError:
            free = False
        yield fd if free else None
    finally:
        os.close(fd)


def free(path: Path) -> bool:
    """Whether nobody can write to a closed segment any more."""
    with held(path) as fd:
        return fd is not None


def pack(path: Path, stop: Callable[[], bool] = lambda: False) -> bool:
    """Compress a closed segment; whether that is done. Raises `OSError`."""
    packed = path.with_name(f"{path.name}.gz")
    with held(path) as fd:
        if fd is None:
            return False
        if not packed.exists():
            part = path.with_name(f"{path.name}.part")
            with open(fd, "rb", closefd=False) as source, part.open("wb") as target:
                with gzip.GzipFile(filename="", fileobj=target, mode="wb", compresslevel=6, mtime=0) as file:
                    while piece := source.read(PIECE):
                        file.write(piece)
                        time.sleep(BREATH_SECONDS)
                        if stop():
                            return False
                target.flush()
                os.fsync(target.fileno())
            shutil.copystat(path, part)
            part.rename(packed)
        path.unlink()
    return True


class Retirement(NamedTuple):
    """A segment that is to go: what the record of that says, and how old its last record is."""

    path: Path
    runs: list[Run]
    until: str

    def members(self) -> dict[str, Any]:
        """For the record."""
        return {
            "segment": self.path.name,
            "until": self.until,
            "chains": [run.members() for run in self.runs],
        }


def expired(
    current: Path, now: Instant, keep_seconds: float | None, keep_files: int | None = None
) -> list[Path]:
    """Closed segments whose last record is older than is kept, and those beyond the number that is kept,
    oldest first. None: as old, or as many, as they may be.
    """
    segments = closed(current)
    # One that is being packed is there twice.
    names = [*dict.fromkeys(path.name.removesuffix(".gz") for path in segments)]
    beyond = {*names[: max(0, len(names) - keep_files)]} if keep_files is not None else set()
    old = []
    for path in segments:
        try:
            # The last write: packing keeps it.
            aged = keep_seconds is not None and path.stat().st_mtime < now - keep_seconds
        except OSError:
            continue
        if not aged and path.name.removesuffix(".gz") not in beyond:
            break
        old.append(path)
    return old


def summarise(path: Path) -> Retirement:
    """Read a segment that is to go. Raises `OSError`, and `EOFError` or `zlib.error` when it is damaged."""
    runs: dict[bytes, list[Any]] = {}
    until = b""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as lines:
        for number, line in enumerate(lines):
            match = _PLACE.search(line) if line.endswith(END_OF_LINE) else None
            if match is not None:
                chain, prev, seq, moment = match.groups()
                run = runs.setdefault(chain, [int(seq), int(seq), prev, b""])
                run[1], run[3] = int(seq), line
                until = max(until, moment)
            if number % 256 == 255:
                time.sleep(BREATH_SECONDS)
    return Retirement(
        path,
        [
            Run(chain.decode(), first, last, prev.decode(), digest_of(line).decode())
            for chain, (first, last, prev, line) in runs.items()
        ],
        until.decode(),
    )


def remove(path: Path) -> None:
    """Remove a segment unless somebody still holds it."""
    with held(path) as fd:
        if fd is not None:
            path.unlink()
