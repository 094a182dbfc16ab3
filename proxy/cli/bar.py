"""A bar that shows how far the reading of files is."""

import sys

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


def progress() -> Progress:
    """On standard error, and only before people's eyes."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


def advance(bar: Progress, task: TaskID, read: int) -> None:
    """So many bytes of this file have been read."""
    bar.update(task, completed=read)
