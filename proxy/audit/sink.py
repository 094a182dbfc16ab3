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
WARY_BYTES = 256 << 20
"""With less room than this the file system may be full before it is looked at again: see to others' lines."""
TAIL = 1 << 18
"""No line is longer."""
LOOKS = 20


class Sink:
    """An append-only file that is opened again when it was moved away.

    `shared`: other processes write to it, so its end is looked at before each write; else only while that is
    likely to be torn.
    """

    def __init__(self, path: str, *, shared: bool = False) -> None:
        self._path = path
        self._fd: int | None = None
        self._torn = False
        self._shared = shared
        self._wary = shared
        self.taken = 0
        """Of what could not be written whole: how many bytes are in the file all the same."""
        self.strays: list[bytes] = []
        """What others could not write whole, and was closed here. Whoever tells of it takes it away."""
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
        flags = os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = self._open(flags)
        except OSError as error:
            self.fault = f"{self._path}: {error.strerror}"
            raise AuditUnwritable(self.fault) from None
        # For as long as we may write to it: a segment that nobody holds is closed (`proxy.audit.segments`).
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if self._fd is not None:
            os.close(self._fd)
        self._fd = fd
        self._look_for_room(fd)
        self.fault = None

    def moved(self) -> bool:
        """Whether the path no longer names the open file: rotated, removed, replaced."""
        if self._path == STDOUT:
            return False
        try:
            there = os.stat(self._path)
        except OSError:
            return True
        if self._fd is None:
            return True
        if self.fault is None:
            self._look_for_room(self._fd)
        return not os.path.samestat(there, os.fstat(self._fd))

    def leave_if_removed(self) -> None:
        """Close the file if it has no name any more: what is written to it is lost with the descriptor."""
        if self._fd is not None and self._path != STDOUT and os.fstat(self._fd).st_nlink == 0:
            os.close(self._fd)
            self._fd, self._torn = None, False

    def write(self, line: bytes) -> None:
        """Append whole lines.

        Raises `AuditUnwritable`. A line cut short (disk full) is closed by a newline before the next one, so
        that it spoils only itself.
        """
        self.taken = 0
        before = False
        try:
            if self._fd is None:
                self.open()
            assert self._fd is not None  # noqa: S101
            stray = self._stray(self._fd)
            before = self._torn or stray != b""
            if before:
                line = b"\n" + line
            written = os.write(self._fd, line)
            if stray and written:
                self.strays.append(stray)
        except OSError as error:
            self._wary = True
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

    def _open(self, flags: int) -> int:
        """For writing, and where it is a file that may be read, for a look at its end. Raises `OSError`."""
        path = Path(self._path)
        if path.is_file() or not path.exists():
            with contextlib.suppress(PermissionError):
                return os.open(path, os.O_RDWR | flags, 0o640)
        # A pipe that we could read from as well would never tell that its reader has gone.
        return os.open(path, os.O_WRONLY | flags, 0o640)

    def _stray(self, fd: int) -> bytes:
        """What stands at the end without a newline: another process was cut short, and may never close it.

        More than one look, since it may be in the middle of a write that is not cut short.
        """
        if self._torn or not self._wary:
            return b""
        try:
            for _ in range(LOOKS):
                os.lseek(fd, -1, os.SEEK_END)  # what is written is appended wherever this is
                if os.read(fd, 1) in (b"\n", b""):
                    return b""
            tail = os.pread(fd, TAIL, max(0, os.fstat(fd).st_size - TAIL))
        except OSError:
            return b""  # empty, or nothing that can be read
        return tail[tail.rfind(b"\n") + 1 :]

    def _look_for_room(self, fd: int) -> None:
        with contextlib.suppress(OSError):
            system = os.fstatvfs(fd)
            self._wary = self._shared or system.f_bavail * system.f_frsize < WARY_BYTES

    def _failed(self, why: str) -> AuditUnwritable:
        self.failures += 1
        self.fault = why
        return AuditUnwritable(why)

    def probe(self) -> None:
        """After a failure: see whether bytes are taken again, at the price of an empty line."""
        try:
            if self._fd is None:
                self.open()
            else:
                stray = self._stray(self._fd)
                if os.write(self._fd, b"\n"):
                    self._torn = False
                    self.fault = None
                    if stray:
                        self.strays.append(stray)
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
