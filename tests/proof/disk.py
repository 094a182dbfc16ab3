"""A disk for the records that can be full: a small file system where we may mount one, else a limit.

The limit is the kernel's on the size of files (RLIMIT_FSIZE), set on the processes that run: at it a write
is cut short or fails, as on a disk without room.
"""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

BYTES = 192 * 1024 * 1024


class Disk:
    """`folder` is for the records. `real`: a file system of its own."""

    def __init__(self, folder: Path, *, real: bool) -> None:
        self.folder = folder
        self.real = real
        self._ballast = folder.parent / "ballast"

    def __str__(self) -> str:
        return f"a file system of {BYTES >> 20} MiB" if self.real else "a limit on the size of files"

    def fill(self, processes: Sequence[int]) -> None:
        """From now on it takes nothing from these processes, or hardly anything."""
        if not self.real:
            for process in processes:
                resource.prlimit(process, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            return
        piece = bytes(1 << 16)
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(piece)

    def free(self, processes: Sequence[int]) -> None:
        if self.real:
            self._ballast.unlink(missing_ok=True)
            return
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


@contextlib.contextmanager
def disk(folder: Path, *, mount: bool) -> Iterator[Disk]:
    """A folder `disk/audit` for records in this one."""
    place = folder / "disk"
    place.mkdir()
    real = mount and os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", f"size={BYTES}", "tmpfs", place)
    try:
        (place / "audit").mkdir()
        yield Disk(place / "audit", real=real)
    finally:
        if real and not _run("umount", place):
            _run("umount", "--lazy", place)


def _run(*command: str | Path) -> bool:
    return subprocess.run([*map(str, command)], capture_output=True, check=False).returncode == 0
