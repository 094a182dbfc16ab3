"""Notices that files have changed, by looking at them now and then.

No inotify: it sees neither network file systems nor, through a ConfigMap's symbolic links, the right file.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

Stamp = tuple[int, int, int, int] | None


class Watch:
    """The files that a configuration was read from, and how each looked just before it was read.

    `always`: a file that is watched whatever the others are, the env file that names them.
    """

    def __init__(self, always: Path | None = None) -> None:
        self._always = [] if always is None else [always]
        self._taken = {file: _stamp(file) for file in self._always}
        self._last_look = self._taken

    def __repr__(self) -> str:
        return f"<Watch {', '.join(map(str, self._taken))}>"

    def take(self) -> None:
        """What is there now will be read next. Before reading, not after, or a change could be missed."""
        self._taken = self._last_look = self._look()

    def follow(self, files: Iterable[Path]) -> None:
        """From now on these are the files; those that were watched before are still as they were taken."""
        files = [*self._always, *files]
        self._taken = {file: self._taken[file] if file in self._taken else _stamp(file) for file in files}
        self._last_look = self._taken

    def due(self) -> bool:
        """Whether a file has changed and has been left alone since the last look.

        What is still being written may be valid and yet lack half of its moratoria.
        """
        now = self._look()
        at_rest, self._last_look = now == self._last_look, now
        return at_rest and now != self._taken

    def _look(self) -> dict[Path, Stamp]:
        return {file: _stamp(file) for file in self._taken}


def _stamp(file: Path) -> Stamp:
    """None: it is not there. Symbolic links are followed to the end: a ConfigMap swaps one in the middle."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


async def watch_forever(watch: Watch, seconds: float, reload: Callable[[], Awaitable[None]]) -> None:
    """Reload once for each change, successful or not: a broken file is not tried again until it changes."""
    while True:
        await asyncio.sleep(seconds)
        if watch.due():
            await reload()
