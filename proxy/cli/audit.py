"""`moratorium audit`: is the log whole, and whose signatures does it bear."""

import argparse
import gzip
import io
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from proxy.assembly.audit import make_signer
from proxy.audit.checkpoint import Signer, Verifier
from proxy.audit.stitch import Witnessed
from proxy.audit.verify import Verification
from proxy.cli.output import add_output, print_facts, print_json, print_table
from proxy.errors import KeySetInvalid, SettingsError
from proxy.settings import read_settings

BATCH = 1 << 20


def arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    verify = what.add_parser("verify", help="read audit files, and name what does not fit")
    add_output(verify)
    verify.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="audit files, also .gz, or folders with nothing else",
    )
    verify.add_argument("--key", type=Path, help="PEM public key; only signatures by it count")
    verify.add_argument("--witness", type=Path, help="what a witness has written: its file, or a log")
    verify.add_argument("--limit", type=int, default=20, metavar="N", help="findings shown; default: 20")
    key = what.add_parser("key", help="print the public key of what signs checkpoints")
    key.add_argument("--key", type=Path, help="PEM private key; default: the one in the settings")


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    if args.what == "key":
        sys.stdout.write(_signer(args.key, env).public_pem.decode())
        return 0
    return _verify(args)


def _signer(path: Path | None, env: Mapping[str, str]) -> Signer:
    if path is None:
        signer = make_signer(read_settings(env))
        if signer is None:
            raise SettingsError(["MORATORIUM_AUDIT_KEY_FILE: not set"])
        return signer
    try:
        return Signer(_bytes_of(path))
    except KeySetInvalid as error:
        raise SettingsError([f"{path}: {error.why}"]) from None


# ------------------------------------------------------------------ verify


def _verify(args: argparse.Namespace) -> int:
    files = sorted({file for path in args.files for file in _files_in(path)})
    if not files:
        raise SettingsError(["no file in these folders"])
    verification = Verification(_key(args.key), _witnessed(args.witness))
    with _progress() as progress:
        for path in files:
            _read(verification, path, progress)
    verification.finish()
    report = _report(verification, len(files))
    if args.output == "json":
        print_json(report)
    else:
        _show(report, args.limit)
    return 1 if report["findings"] else 0


def _files_in(path: Path) -> list[Path]:
    if path.is_dir():
        return [file for file in path.iterdir() if file.is_file() and file.suffix != ".part"]
    if not path.is_file():
        raise SettingsError([f"{path}: no such file"])
    return [path]


def _key(path: Path | None) -> Verifier | None:
    try:
        return Verifier.of_pem(_bytes_of(path)) if path is not None else None
    except KeySetInvalid as error:
        raise SettingsError([f"{path}: {error.why}"]) from None


def _witnessed(path: Path | None) -> Witnessed:
    witnessed = Witnessed()
    if path is not None:
        heard = [witnessed.hear(line) for line in _bytes_of(path).splitlines(keepends=True)]
        if not any(heard):
            raise SettingsError([f"{path}: no line of this is a checkpoint"])
    return witnessed


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None


def _progress() -> Progress:
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


def _read(verification: Verification, path: Path, progress: Progress) -> None:
    task = progress.add_task(path.name, total=path.stat().st_size)
    reading = verification.read(str(path))
    try:
        with path.open("rb", buffering=BATCH) as raw:
            lines: IO[bytes] = raw
            if path.suffix == ".gz":
                lines = io.BufferedReader(gzip.GzipFile(fileobj=raw), BATCH)
            for batch in _batches(lines):
                reading.feed(batch)
                progress.update(task, completed=raw.tell())
    except (EOFError, gzip.BadGzipFile, zlib.error):
        verification.damaged(str(path), "the compressed file is damaged or cut short")
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None
    reading.end()


def _batches(lines: IO[bytes]) -> Iterator[list[bytes]]:
    while batch := lines.readlines(BATCH):
        yield batch


# ------------------------------------------------------------------ telling


def _report(verification: Verification, files: int) -> dict[str, Any]:
    seals, fragments = verification.seals, verification.fragments
    ends: dict[str, int] = {}
    closed = set()
    for stretch in verification.stretches:
        ends[stretch.chain] = max(stretch.last, ends.get(stretch.chain, -1))
        if stretch.closed:
            closed.add(stretch.chain)
    return {
        "files": files,
        "records": verification.records,
        "decisions": verification.decisions,
        "chains": len(ends),
        "closed": len(closed),
        "signed_by": sorted(set(seals.keys.values())),
        "key_given": seals.key is not None,
        "after_the_last_signature": sum(end - seals.signed_to.get(chain, -1) for chain, end in ends.items()),
        "retired": sum(run.last - run.first + 1 for run in seals.gone()),
        "torn": fragments.torn,
        "torn_at_the_end": [str(place) for place in fragments.last_lines],
        "empty_lines": verification.empty,
        "findings": [
            {
                "flaw": finding.flaw, "place": str(finding.place), "chain": finding.chain,
                "seq": finding.seq, "says": finding.says,
            }
            for finding in verification.findings
        ],
    }  # fmt: skip


def _show(report: dict[str, Any], limit: int) -> None:
    by, vouched = (
        ", ".join(report["signed_by"]),
        "" if report["key_given"] else " (no --key: vouched for by nobody)",
    )
    facts = [
        ("files", f"{report['files']:,}"),
        ("records", f"{report['records']:,}, of them {report['decisions']:,} decisions"),
        ("chains", f"{report['chains']:,}, of them {report['closed']:,} closed"),
        ("signed by", by + vouched if by else "nobody"),
        ("not signed yet", f"{report['after_the_last_signature']:,} records at the ends of chains"),
        ("removed in order", f"{report['retired']:,} records"),
        ("cut short", f"{report['torn']:,} lines, of which a record says so"),
        ("findings", f"{len(report['findings']):,}" if report["findings"] else "none"),
    ]
    print_facts(facts)
    for place in report["torn_at_the_end"]:
        print(f"moratorium: {place}: the last line is cut short", file=sys.stderr)
    if report["findings"]:
        print()
        rows = [
            (f["flaw"], f["place"], f["chain"], "" if f["seq"] is None else str(f["seq"]), f["says"])
            for f in report["findings"][: max(limit, 0)]
        ]
        print_table(("what", "where", "chain", "record", "why"), rows)
