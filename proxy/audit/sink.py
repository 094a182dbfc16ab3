"""Where records go: appended to a file (or standard output) with one write each, or not at all.

`written` means handed to the operating system before the call goes on. A record that cannot be written is an
exception, and whoever asked must not go on.
"""

import contextlib
import fcntl
import os
from pathlib import Path

from proxy.errors import AuditUnwritable

STDOUT = "-"


class Sink:
    """An append-only file that is opened again when it was moved away."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd: int | None = None
        self._torn = False
        self.taken = 0
        """Of what could not be written whole: how many bytes are in the file all the same."""
        self.fault: str | None = None
        self.records = 0
        self.failures = 0

    @property
    def path(self) -> Path | None:
        """The file, unless it is standard output."""
        return None if self._path == STDOUT else Path(self._path)

    @property
    def descriptor(self) -> int | None:
        return self._fd

    def __repr__(self) -> str:
        return f"<Sink {self._path} records {self.records} failures {self.failures}>"

    def open(self) -> None:
        """Open, or open again after rotation; the old descriptor stays if that fails.

        Raises `AuditUnwritable`.
        """
        if self._path == STDOUT:
            self._fd = 1
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(self._path, flags, 0o640)
        except OSError as error:
            self.fault = f"{self._path}: {error.strerror}"
            raise AuditUnwritable(self.fault) from None
        # For as long as we may write to it: a segment that nobody holds is closed (`proxy.audit.segments`).
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if self._fd is not None:
            os.close(self._fd)
        self._fd = fd
        self.fault = None

    def moved(self) -> bool:
        """Whether the path no longer names the open file: rotated, removed, replaced."""
        if self._path == STDOUT:
            return False
        try:
            there = os.stat(self._path)
        except OSError:
            return True
        return self._fd is None or not os.path.samestat(there, os.fstat(self._fd))

    def write(self, line: bytes) -> None:
        """Append whole lines.

        Raises `AuditUnwritable`. A line cut short (disk full) is closed by a newline before the next one, so
        that it spoils only itself.
        """
        self.taken = 0
        before = self._torn
        try:
            if self._fd is None:
                self.open()
            assert self._fd is not None  # noqa: S101
            if self._torn:
                line = b"\n" + line
            written = os.write(self._fd, line)
        except OSError as error:
            raise self._failed(f"{self._path}: {error.strerror}") from None
        except AuditUnwritable as error:
            raise self._failed(error.why) from None
        if written != len(line):
            self.taken = written - before
            self._torn = not line[:written].endswith(b"\n")
            raise self._failed(f"{self._path}: only {written} of {len(line)} bytes were taken")
        self._torn = False
        self.records += 1
        self.fault = None

    def _failed(self, why: str) -> AuditUnwritable:
        self.failures += 1
        self.fault = why
        return AuditUnwritable(why)

    def probe(self) -> None:
        """After a failure: see whether bytes are taken again, at the price of an empty line."""
        try:
            if self._fd is None:
                self.open()
            elif os.write(self._fd, b"\n"):
                self._torn = False
                self.fault = None
        except (OSError, AuditUnwritable):
            return

    def writable(self) -> str | None:
        """None when a record could be written now, else why not (for readiness)."""
        if self.fault is not None or self._path == STDOUT:
            return self.fault
        target = self._path if Path(self._path).exists() else str(Path(self._path).parent)
        return None if os.access(target, os.W_OK) else f"{self._path} is not writable"

    def close(self) -> None:
        if self._fd is not None and self._path != STDOUT:
            os.close(self._fd)
        self._fd = None
