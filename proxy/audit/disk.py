"""Waits until what is written is on the disk: one sync for all who wait, the next for who who come later."""

import asyncio
import os

from proxy.audit.sink import Sink
from proxy.errors import AuditUnwritable


class Disk:
    """`syncs`: how often it was asked."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._next: asyncio.Future[str | None] | None = None
        self._running: asyncio.Task[None] | None = None
        self.syncs = 0

    def __repr__(self) -> str:
        return f"<Disk of {self._sink!r} syncs {self.syncs}>"

    async def reached(self) -> None:
        """Return once everything that is written by now is on the disk. Raises `AuditUnwritable`."""
        loop = asyncio.get_running_loop()
        if self._next is None:
            self._next = loop.create_future()
        waiting = self._next
        if self._running is None:
            self._running = loop.create_task(self._sync_all())
        why = await asyncio.shield(waiting)
        if why is not None:
            raise AuditUnwritable(why)

    async def _sync_all(self) -> None:
        """A sync may miss what is written while it runs, so whoever comes meanwhile waits for another one."""
        loop = asyncio.get_running_loop()
        while (waiting := self._next) is not None:
            self._next = None
            self.syncs += 1
            copy = self._copy()
            waiting.set_result(
                copy if isinstance(copy, str) else await loop.run_in_executor(None, _sync, copy)
            )
        self._running = None

    def _copy(self) -> int | str:
        """Of the descriptor, since the sink may close its own meanwhile; or why there is none."""
        fd = self._sink.descriptor
        if fd is None:
            return "not open"
        try:
            return os.dup(fd)
        except OSError as error:
            return f"not on the disk: {error.strerror}"

    def settle(self) -> None:
        """Before a file is left, and when one was begun: put it and its name on the disk, at once.

        Raises `AuditUnwritable`.
        """
        fd, path = self._sink.descriptor, self._sink.path
        try:
            if fd is not None and path is not None:
                os.fdatasync(fd)
                folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
        except OSError as error:
            raise AuditUnwritable(f"not on the disk: {error.strerror}") from None


def _sync(fd: int) -> str | None:
    try:
        os.fdatasync(fd)
    except OSError as error:
        return f"not on the disk: {error.strerror}"
    finally:
        os.close(fd)
    return None
