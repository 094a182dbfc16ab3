"""What the verbs about audit files share: naming files and keys, and reading all of them."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from proxy.audit.checkpoint import Verifier
from proxy.audit.reading import verify_file
from proxy.audit.stitch import Witnessed
from proxy.audit.verify import Verification
from proxy.cli.bar import advance, progress
from proxy.errors import KeySetInvalid, SettingsError


def add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="audit files, also .gz, or folders with nothing else",
    )


def add_trust(parser: argparse.ArgumentParser) -> None:
    """What vouches for the log."""
    parser.add_argument("--key", type=Path, help="PEM public key; only signatures by it count")
    parser.add_argument("--witness", type=Path, help="what a witness has written: its file, or a log")


def verified(
    files: Sequence[Path],
    key: Path | None,
    witness: Path | None,
    *others: Callable[[list[bytes]], None],
) -> Verification:
    """Read all of them, and hold them against each other; `others` get the same lines.

    Raises `SettingsError`.
    """
    verification = Verification(key_in(key) if key is not None else None, _witnessed(witness))
    with progress() as bar:
        for path in files:
            task = bar.add_task(path.name, total=path.stat().st_size)
            verify_file(verification, path, partial(advance, bar, task), *others)
    verification.finish()
    return verification


def key_in(path: Path) -> Verifier:
    """The public key in a file. Raises `SettingsError`."""
    try:
        return Verifier.of_pem(bytes_of(path))
    except KeySetInvalid as error:
        raise SettingsError([f"{path}: {error.why}"]) from None


def _witnessed(path: Path | None) -> Witnessed:
    witnessed = Witnessed()
    if path is not None:
        heard = [witnessed.hear(line) for line in bytes_of(path).splitlines(keepends=True)]
        if not any(heard):
            raise SettingsError([f"{path}: no line of this is a checkpoint"])
    return witnessed


def bytes_of(path: Path) -> bytes:
    """Raises `SettingsError`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None
