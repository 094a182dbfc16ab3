"""Results in files: whole or not at all, and never among the audit files they are made from."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from proxy.errors import SettingsError


def apart(option: str, out: Path, files: Sequence[Path], named: Sequence[Path]) -> None:
    """Raises `SettingsError` when `out` is one of the files, or in one of the folders that were named."""
    place = out.resolve()
    if place in {file.resolve() for file in files}:
        raise SettingsError([f"{option}: {out}: is one of the files to be read"])
    if place.parent in {path.resolve() for path in named}:
        raise SettingsError([f"{option}: {place.parent}: all in this folder is read as audit files"])


@contextmanager
def written(out: Path) -> Iterator[Path]:
    """Where to write what becomes `out` at the end; what stood there before stays until then.

    What is no ordinary file, such as /dev/stdout, is written to as it is. Raises `SettingsError`.
    """
    part = part_of(out)
    if not part.parent.is_dir():
        raise SettingsError([f"--out: {part.parent}: no such folder"])
    try:
        yield part
        if part != out:
            part.replace(out)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SettingsError([f"--out: {out}: {error.strerror}"]) from None
    finally:
        if part != out:
            part.unlink(missing_ok=True)


def part_of(out: Path) -> Path:
    """Beside it. Such a name is no audit file (`proxy.audit.reading`)."""
    if out.is_symlink() or (out.exists() and not out.is_file() and not out.is_dir()):
        return out
    return out.with_name(f"{out.name}.{os.getpid()}.part")
