"""Looks after the audit's files while the proxy runs: opens, cuts, packs and removes them."""

import asyncio
import logging
import os
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from proxy.audit.chain import Head
from proxy.audit.journal import Journal
from proxy.audit.segments import (
    Found,
    close_segment,
    closed,
    expired,
    free,
    look_into,
    pack,
    remove,
    summarise,
)
from proxy.errors import AuditUnwritable
from proxy.policy.callers import Instant

log = logging.getLogger("moratorium.audit")

TIDY_SECONDS = 5.0


class Keeping(NamedTuple):
    """When a file is cut, and how long its pieces are kept; None: never, for ever."""

    rotate_bytes: int | None = None
    rotate_seconds: float | None = None
    compress: bool = True
    keep_seconds: float | None = None
    keep_files: int | None = None


class Archive:
    """The files of one journal."""

    def __init__(
        self, journal: Journal, clock: Callable[[], Instant], keeping: Keeping | None = None
    ) -> None:
        self.journal = journal
        self._clock = clock
        self._keeping = keeping or Keeping()
        self._began: Instant = 0.0
        self._stop = threading.Event()
        self._complained = False

    def __repr__(self) -> str:
        return f"<Archive of {self.journal!r}>"

    def open(self, *, version: str, policy: str) -> None:
        """Open the file and the chain. Raises `AuditUnwritable`."""
        self.journal.sink.open()
        found = self._look_into()
        now = self._clock()
        self._began = found.began or now
        if found.torn:
            log.warning("the audit's last line was cut short", extra={"count": len(found.torn[0])})
        if self.journal.terms.synced:
            self.journal.disk.settle()
        self.journal.begin(now, version=version, policy=policy, after=found.after, torn=found.torn)

    def _look_into(self) -> Found:
        """What is there already. Of what cannot be read (a pipe, a device) nothing is known."""
        path = self.journal.sink.path
        after: Head | None = None
        try:
            return look_into(path) if path is not None and path.is_file() else Found(after, [], None)
        except OSError:
            return Found(after, [], None)

    def look(self) -> None:
        """To be called about once a second."""
        journal, now = self.journal, self._clock()
        if journal.sink.moved():
            self.reopen()
        elif journal.sink.fault is not None:
            journal.sink.probe()
        if journal.sink.fault is None:
            journal.look(now)
            self._cut_if_due(now)

    def reopen(self) -> None:
        """Go on in the file that the path names now; the old one stays if that fails and it has a name."""
        now = self._clock()
        try:
            self.journal.reopen(now)
        except AuditUnwritable as error:
            log.error("audit not reopened", extra={"why": error.why})
            self.journal.sink.leave_if_removed()
        else:
            found = self._look_into()
            self._began = found.began or now
            self.journal.tell_of(found.torn, now)
            self.journal.flush(now)

    def close(self) -> None:
        """Close the chain and the file; what is being packed is left for the next start."""
        self._stop.set()
        self.journal.close(self._clock())

    async def end(self) -> None:
        """Close, and have the witness hear of that if it can."""
        self.close()
        if self.journal.terms.witness is not None:
            await self.journal.terms.witness.send_last()

    async def tell_forever(self) -> None:
        """Send on what the witness is told, until cancelled."""
        if self.journal.terms.witness is not None:
            await self.journal.terms.witness.send_forever()

    def _cut_if_due(self, now: Instant) -> None:
        path, fd, keeping = self.journal.sink.path, self.journal.sink.descriptor, self._keeping
        if path is None or fd is None or not path.is_file():
            return
        size = os.fstat(fd).st_size
        too_big = keeping.rotate_bytes is not None and size >= keeping.rotate_bytes
        too_old = keeping.rotate_seconds is not None and now - self._began >= keeping.rotate_seconds
        if size and (too_big or too_old):
            self.cut(path, fd, now)

    def cut(self, path: Path, fd: int, now: Instant) -> None:
        """Close the file that is written to, and begin another."""
        self.journal.seal(now)
        try:
            close_segment(path, fd, now)
        except OSError as error:
            if not self._complained:
                log.error("audit not rotated", extra={"why": f"{path}: {error.strerror}"})
            self._complained = True
            return
        self._complained = False
        self.reopen()

    # ------------------------------------------------------------ closed segments

    async def tidy_forever(self) -> None:
        """Pack and remove, in a thread, until cancelled."""
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            await self.tidy()

    async def tidy(self) -> None:
        """Pack what is closed and remove what is older than is kept."""
        path = self.journal.sink.path
        if path is None:
            return
        try:
            if self._keeping.compress:
                for segment in closed(path):
                    if segment.suffix != ".gz":
                        await asyncio.to_thread(pack, segment, self._stop.is_set)
            keep_seconds, keep_files = self._keeping.keep_seconds, self._keeping.keep_files
            for segment in expired(path, self._clock(), keep_seconds, keep_files):
                await self._retire(segment)
        except OSError as error:
            log.error("audit segments not tidied", extra={"why": error.strerror or type(error).__name__})

    async def _retire(self, segment: Path) -> None:
        """Say, under a signature if there is a key, what is removed; then remove it.

        What somebody may still write to is left: its last records would be removed and not told of.
        """
        if not free(segment):
            return
        try:
            going = await asyncio.to_thread(summarise, segment)
        except FileNotFoundError:
            return  # another process was faster
        except (EOFError, zlib.error):
            log.error("audit segment is damaged and kept", extra={"why": segment.name})
            return
        now = self._clock()
        if self.journal.event("retired", now, **going.members()) and self.journal.checkpoint(now):
            await asyncio.to_thread(remove, segment)
