"""Counts the uses of limited exemptions, on disk, so that a restart or a second worker grants no more.

One SQLite file for all workers of a machine; other machines count for themselves. Only calls that a limited
exemption would let through come here: they are rare, and wait for the disk.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from proxy.errors import UsesUncountable
from proxy.policy.callers import FOREVER, Instant
from proxy.policy.model import Spend

BUSY_SECONDS = 2.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS uses (key TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS uses_by_key ON uses (key, at);
"""


class Ledger:
    """The uses taken so far. Without a file nothing can be counted, and every question fails."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None

    def __repr__(self) -> str:
        return f"<Ledger {self._path}>"

    def take(self, spends: tuple[Spend, ...], now: Instant) -> str | None:
        """Take one use of each, or none at all. Gives the key of one that is used up; None: all were taken.

        Raises `UsesUncountable`.
        """
        with self._transaction() as database:
            for spend in spends:
                # A clock that has stepped back frees nothing: uses from the future count too.
                since = now - spend.limit.seconds if spend.limit.seconds != FOREVER else -FOREVER
                found = database.execute(
                    "SELECT count(*) FROM uses WHERE key = ? AND at > ?", (spend.key, since)
                )
                if found.fetchone()[0] >= spend.limit.uses:
                    return spend.key
            for spend in spends:
                database.execute("INSERT INTO uses VALUES (?, ?)", (spend.key, now))
        return None

    def fault(self) -> str | None:
        """Why nothing can be counted now, or None."""
        try:
            with self._transaction():
                return None
        except UsesUncountable as error:
            return error.why

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, one writer at a time. After a fault the file is opened anew."""
        try:
            database = self._open()
            with contextlib.closing(database.cursor()) as cursor, database:
                cursor.execute("BEGIN IMMEDIATE")
                yield database
        except sqlite3.Error as error:
            self.close()
            raise UsesUncountable(f"{self._path}: {error}") from None

    def _open(self) -> sqlite3.Connection:
        if self._path is None:
            raise UsesUncountable("MORATORIUM_USES_FILE is not set")
        if self._database is None:
            database = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
            database.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {_SCHEMA}")
            self._database = database
        return self._database
