"""`moratorium audit verify`: is the log whole, and whose signatures does it bear."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from proxy.audit.reading import files_of
from proxy.audit.summary import summary
from proxy.cli.audit.files import add_files, add_trust, verified
from proxy.cli.output import add_output, print_facts, print_json, print_table


def arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    add_files(parser)
    add_trust(parser)
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="findings shown; default: 20")


def run(args: argparse.Namespace, _env: Mapping[str, str]) -> int:
    files = files_of(args.files)
    report = summary(verified(files, args.key, args.witness), len(files))
    if args.output == "json":
        print_json(report)
    else:
        _show(report, args.limit)
    return 1 if report["findings"] else 0


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
        ("trees", f"{report['trees']:,}, of them {report['trees_apart']:,} not made again: in pieces"),
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
