"""`moratorium audit query`: who, what, when, what was said and why."""

import argparse
import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import orjson

from proxy.audit.reading import files_of
from proxy.cli.audit.extra import reporting
from proxy.cli.audit.files import add_files
from proxy.cli.audit.ranges import add_range, range_of
from proxy.cli.audit.written import apart, part_of, written
from proxy.cli.output import print_table
from proxy.errors import SettingsError
from proxy.reporting.spreadsheets import harmless

FORMATS = ("text", "json", "ndjson", "csv", "parquet")
SHOWN = 100
LEAST = 200
"""MB with which long lines can still be read."""
_WANTED = {
    "id": "of a decision, or that of the request",
    "org": "id of an organisation that had a part in the call: the caller, above it, behind it",
    "org-type": "by which the caller was bound",
    "decision": "allowed, blocked, rejected, failed",
    "reason": "see docs/reasons.md",
    "operation": "as the face API calls it",
    "class": "that the operation belongs to",
    "rule": "the moratorium that decided",
    "exemption": "that lifted it",
    "purpose": "that the token named",
    "policy": "digest of the policy, or its beginning",
    "instance": "the process that decided",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=FORMATS, default="text", help="default: text")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of standard output")
    add_files(parser)
    add_range(parser)
    for name, text in _WANTED.items():
        parser.add_argument(
            f"--{name}", action="append", default=[], metavar="X", help=f"{text}; may be there several times"
        )
    parser.add_argument("--by", default="", metavar="X,Y", help="count by these: org_type, reason, week, ...")
    parser.add_argument("--limit", type=int, metavar="N", help=f"rows; default: all, as text {SHOWN}")
    parser.add_argument("--memory", type=int, metavar="MB", help="use about so much, and the disk for more")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="keep Parquet copies of closed files there"
    )


def run(args: argparse.Namespace, _env: Mapping[str, str]) -> int:
    if args.output == "parquet" and args.out is None:
        raise SettingsError(["--out: is needed for parquet"])
    if args.limit is not None and args.limit < 1:
        raise SettingsError(["--limit: must be at least 1"])
    if args.memory is not None and args.memory < LEAST:
        raise SettingsError([f"--memory: must be at least {LEAST}"])
    question = _question(args)
    question.sql()  # what cannot be asked is said before anything is read
    files = files_of(args.files)
    if args.out is not None:
        apart("--out", args.out, files, args.files)
    if args.cache is not None:
        apart("--cache", args.cache / "copy", files, args.files)
        files = reporting("cached").copied(files, args.cache, _say_copying)
    writes = [part_of(args.out)] if args.out is not None else []
    store = reporting("store").Store(files, writes, args.memory)
    try:
        _answer(store, question, args)
        if odd := store.odd_lines():
            print(f"moratorium: lines that are no records of this version: {odd:,}", file=sys.stderr)
    finally:
        store.close()
    return 0


def _say_copying(file: Path) -> None:
    if sys.stderr.isatty():
        print(f"copying {file.name}", file=sys.stderr)


def _question(args: argparse.Namespace) -> Any:
    span = range_of(args)
    limit = args.limit
    if limit is None and args.output == "text" and not args.by:
        limit = SHOWN + 1
    return reporting("questions").Question(
        wanted={name.replace("-", "_"): getattr(args, name.replace("-", "_")) for name in _WANTED},
        since=span.since,
        until=span.until,
        by=tuple(name for name in args.by.split(",") if name),
        limit=limit,
        short=args.output == "text",
        typed=args.output == "parquet",
    )


# ------------------------------------------------------------------ telling


def _answer(store: Any, question: Any, args: argparse.Namespace) -> None:
    sql, parameters = question.sql()
    if args.output == "parquet":
        with written(args.out) as part:
            store.write(sql, parameters, part)
    elif args.output == "text":
        _show(store.ask(sql, parameters), args)
    else:
        _write(store.columns(sql, parameters), store.chunks(sql, parameters), args)


def _show(found: Any, args: argparse.Namespace) -> None:
    rows = found.rows
    if args.limit is None and not args.by and len(rows) > SHOWN:
        rows = rows[:SHOWN]
        print(f"moratorium: the first {SHOWN}; --limit shows more", file=sys.stderr)
    print_table(found.columns, [[_cell(value) for value in row] for row in rows], width=1000, whole=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)


def _write(columns: Sequence[str], chunks: Iterable[list[tuple[Any, ...]]], args: argparse.Namespace) -> None:
    form = {"csv": _csv, "json": _json, "ndjson": _ndjson}[args.output]
    if args.out is None:
        form(columns, chunks, sys.stdout)
        return
    with written(args.out) as part, part.open("w", encoding="utf-8", newline="") as file:
        form(columns, chunks, file)


def _csv(columns: Sequence[str], chunks: Iterable[list[tuple[Any, ...]]], file: IO[str]) -> None:
    """What is no plain value is JSON in its cell. A spreadsheet takes none of it for a formula."""
    writer = csv.writer(file)
    writer.writerow(columns)
    for rows in chunks:
        writer.writerows([[_plain(value) for value in row] for row in rows])


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return harmless(value)
    return orjson.dumps(value).decode() if isinstance(value, list | dict | bool) else value


def _json(columns: Sequence[str], chunks: Iterable[list[tuple[Any, ...]]], file: IO[str]) -> None:
    file.write("[")
    before = "\n"
    for rows in chunks:
        for row in rows:
            file.write(before + _object(columns, row))
            before = ",\n"
    file.write("\n]\n")


def _ndjson(columns: Sequence[str], chunks: Iterable[list[tuple[Any, ...]]], file: IO[str]) -> None:
    for rows in chunks:
        file.writelines(_object(columns, row) + "\n" for row in rows)


def _object(columns: Sequence[str], row: Sequence[Any]) -> str:
    return orjson.dumps(dict(zip(columns, row, strict=True))).decode()
