"""What is reconciled, read from files on this machine: audit records in their order, and lists of ids."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from math import inf
from pathlib import Path

from proxy.audit.reading import DAMAGED, batches
from proxy.errors import SettingsError
from proxy.policy.reasons import Decision, Reason
from proxy.reporting.reconcile.book import Book
from proxy.reporting.reconcile.compare import NO_ID, Reconciliation
from proxy.reporting.reconcile.page import Page

Told = Callable[[Path, int], None]
"""Hears how many bytes of which file have been read."""
_SAID = {*map(str, Decision), *map(str, Reason)}
_TIME = re.compile(rb'"time":"([^"]+)"')


def keep_book(files: Sequence[Path], pages: Sequence[Page], told: Told = lambda _path, _read: None) -> Book:
    """Read all of them. Raises `SettingsError`, also when two pages speak for the same chain."""
    limits: dict[str, int] = {}
    for page in pages:
        if twice := limits.keys() & page.chains.keys():
            raise SettingsError([f"{page.name}: another page speaks for chain {min(twice)} as well"])
        limits |= page.chains
    book = Book(limits)
    for path in in_order(files):
        for batch in _read(path, partial(told, path)):
            for line in batch:
                book.take(line)
    return book


def reconciled(
    files: Sequence[Path],
    pages: Sequence[Page],
    upstream: "List | Iterable[bytes | None] | None" = None,
    answers: Iterable[tuple[bytes, str]] | None = None,
    told: Told = lambda _path, _read: None,
) -> Reconciliation:
    """Read and compare all that there is. Raises `SettingsError`.

    Make pages and lists before: what happens while records are read is in them, and not held against those.
    """
    found = Reconciliation(keep_book(files, pages, told), pages)
    found.compare()
    if isinstance(upstream, List):
        found.hear_upstream(upstream.ids(), upstream.later())
    elif upstream is not None:
        found.hear_upstream(upstream)
    if answers is not None:
        found.hear_answers(answers)
    return found


def in_order(files: Iterable[Path]) -> list[Path]:
    """As they were written: each by its first record. A chain's records are in order then."""
    return sorted(files, key=_first)


def _first(path: Path) -> tuple[bytes, str]:
    for batch in _read(path, lambda _read: None):
        for line in batch:
            if match := _TIME.search(line):
                return match[1], path.name
    return b"", path.name


def _read(path: Path, told: Callable[[int], None]) -> Iterator[list[bytes]]:
    packed = path.with_name(f"{path.name}.gz")
    if not path.exists() and packed.exists():
        path = packed  # since the files were listed
    try:
        yield from batches(path, told)
    except DAMAGED:
        raise SettingsError([f"{path}: the compressed file is damaged or cut short"]) from None
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None


class List:
    """A file of ids, one a line, that may grow. `pattern` finds the id in a line, as its group if it has one.

    Raises `SettingsError`, as all that reads it does.
    """

    def __init__(self, path: Path, pattern: re.Pattern[str] | None = None) -> None:
        self._path = path
        self._pattern = pattern
        try:
            self._size = path.stat().st_size
        except OSError as error:
            raise SettingsError([f"{path}: {error.strerror}"]) from None
        self._read_to = 0

    def __repr__(self) -> str:
        return f"<List {self._path}>"

    def ids(self) -> Iterator[bytes | None]:
        """Those that were there when this was made; None for a line in which the pattern finds nothing."""
        return map(self._id, self._lines(0, self._size))

    def later(self) -> Iterator[bytes | None]:
        """Those that came since. To be asked when the others have been read."""
        yield from map(self._id, self._lines(self._read_to, inf))

    def answers(self) -> Iterator[tuple[bytes, str]]:
        """An id, and what the answer said if that is there."""
        for number, line in enumerate(self._lines(0, self._size), 1):
            name, _, rest = line.partition(b" ")
            said = rest.strip().decode("utf-8", "replace")
            if said and said not in _SAID:
                raise SettingsError([f"{self._path}:{number}: neither a decision nor a reason: {said[:40]}"])
            yield name, said

    def _id(self, line: bytes) -> bytes | None:
        if self._pattern is None:
            return line
        match = self._pattern.search(line.decode("utf-8", "replace"))
        if match is None:
            return None
        found = match[1] if self._pattern.groups else match[0]
        return found.encode() if found else NO_ID

    def _lines(self, start: int, end: float) -> Iterator[bytes]:
        """Whole lines between these places."""
        try:
            with self._path.open("rb") as file:
                file.seek(start)
                for line in file:
                    if file.tell() > end:
                        return
                    self._read_to = file.tell()
                    yield line.strip()
        except OSError as error:
            raise SettingsError([f"{self._path}: {error.strerror}"]) from None
