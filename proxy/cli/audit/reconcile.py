"""`moratorium audit reconcile`: do records, metrics and what the face API saw agree?"""

import argparse
import http.client
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from proxy.audit.reading import files_of
from proxy.cli.audit.files import add_files, bytes_of
from proxy.cli.bar import advance, progress
from proxy.cli.output import add_output, print_facts, print_json, print_table
from proxy.errors import SettingsError
from proxy.reporting.reconcile.accounts import List, reconciled
from proxy.reporting.reconcile.page import Page
from proxy.reporting.reconcile.summary import summary

SECONDS = 10.0


def arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    add_files(parser)
    parser.add_argument(
        "--metrics",
        action="append",
        default=[],
        metavar="URL|FILE",
        help="/metrics of a proxy, or a file with it; more than once for more proxies, or starts of one",
    )
    parser.add_argument(
        "--upstream", type=Path, metavar="FILE", help="the X-Request-Id of each call that the face API saw"
    )
    parser.add_argument(
        "--upstream-pattern",
        type=_pattern,
        metavar="REGEX",
        help="finds the id in a line of that file, as its group if it has one; default: all of the line",
    )
    parser.add_argument(
        "--answers",
        type=Path,
        metavar="FILE",
        help="the X-Decision-Id of each answer that clients got, and if known its decision or reason",
    )
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="findings shown; default: 20")


def run(args: argparse.Namespace, _env: Mapping[str, str]) -> int:
    upstream = List(args.upstream, args.upstream_pattern) if args.upstream is not None else None
    answers = List(args.answers) if args.answers is not None else None
    pages = [Page.read(name, _page(name)) for name in args.metrics]
    files = files_of(args.files)
    with progress() as bar:
        tasks = {path: bar.add_task(path.name, total=path.stat().st_size) for path in files}
        found = reconciled(
            files,
            pages,
            upstream,
            answers.answers() if answers is not None else None,
            lambda path, read: advance(bar, tasks[path], read),
        )
    report = summary(found)
    if args.output == "json":
        print_json(report)
    else:
        show(report, args.limit)
    return 1 if report["findings"] else 0


def show(report: Mapping[str, Any], limit: int) -> None:
    """For people: the counts side by side, what explains their differences, and what nothing explains."""
    rows = [
        (row["decision"], row["reason"], f"{row['recorded']:,}", _count(row["counted"]), _note(row))
        for row in report["rows"]
    ]
    print_table(("decision", "reason", "recorded", "counted", ""), rows)
    print()
    print_facts([(name, value) for name, value in _facts(report) if value])
    if report["explained"]:
        print("explained")
        for line in report["explained"]:
            print(f"{line['number']:>12,}  {line['says']}")
    if report["findings"]:
        print()
        shown = report["findings"][: max(limit, 0)]
        print_table(("what", "which", "why"), [(f["gap"], f["what"], f["says"]) for f in shown])
        print(f"\n{sum(report['gaps'].values()):,} findings")
    else:
        print(f"\n{report['agree']} agree")


def _facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """In the order in which a call passes them; empty for what nobody has brought."""
    upstream, answers = report["upstream"], report["answers"]
    return [
        ("let through", f"{report['let_through']:,} calls, of which {report['then_failed']:,} then failed"),
        ("seen by the face API", f"{upstream['seen']:,} calls" if upstream is not None else ""),
        ("lines without an id", f"{upstream['odd']:,}" if upstream is not None and upstream["odd"] else ""),
        ("answers of clients", f"{answers:,}" if answers is not None else ""),
    ]


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _note(row: Mapping[str, Any]) -> str:
    differs = row["counted"] is not None and row["counted"] != row["recorded"]
    return f"{row['counted'] - row['recorded']:+,}" if differs else ""


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"no regular expression: {error}") from None


def _page(name: str) -> str:
    """What is there now. Raises `SettingsError`."""
    if not name.startswith(("http://", "https://")):
        return bytes_of(Path(name)).decode("utf-8", "replace")
    try:
        url = urlsplit(name)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=SECONDS)
        try:
            connection.request("GET", url.path or "/metrics")
            answer = connection.getresponse()
            if answer.status != 200:
                raise SettingsError([f"{name}: status {answer.status}"])
            return answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SettingsError([f"{name}: {error}"]) from None
