"""The last good bundle on disk: the signed bytes themselves, so that whoever reads them verifies them anew.

The file's time of change is when the address last confirmed them.
"""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from proxy.distribution.bundle import MAX_BYTES


class Stored(NamedTuple):
    """What lies on disk, and when it was last known to be what the address has."""

    content: bytes
    confirmed_at: float


class Store:
    """One file, replaced whole: after a crash there is the old bundle or the new one, and nothing between."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"<Store {self._path}>"

    def read(self) -> Stored | None:
        """What was kept, unverified; None: nothing was. Raises `OSError`."""
        try:
            with self._path.open("rb") as file:
                confirmed_at = os.fstat(file.fileno()).st_mtime
                return Stored(file.read(MAX_BYTES + 1), confirmed_at)
        except FileNotFoundError:
            return None

    def write(self, content: bytes, now: float) -> None:
        """Keep these bytes, on disk when this returns. Raises `OSError`."""
        folder = self._path.parent
        number, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=folder)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.utime(name, (now, now))
            os.replace(name, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def confirm(self, now: float) -> None:
        """What was kept is still what the address has. Raises `OSError`."""
        os.utime(self._path, (now, now))
