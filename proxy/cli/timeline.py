"""`moratorium timeline`: when which moratorium is in force, and who is blocked from what."""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proxy.cli.explain import read_policy
from proxy.cli.output import add_output, print_json, print_table
from proxy.policy.callers import ALWAYS, FOREVER, Instant
from proxy.policy.instants import format_instant
from proxy.policy.model import Moratorium, Window


def arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    parser.add_argument("--policy", type=Path, metavar="FILE", help="a policy file instead of the settings'")


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    policy = read_policy(args.policy, env)
    now = time.time()
    rows = [_row(m, window, now) for m in policy.moratoria for window in sorted(m.windows)]
    if args.output == "json":
        print_json(rows)
    else:
        columns = ("state", "from", "until", "moratorium", "mode", "binds", "covers", "exemptions")
        print_table(columns, [[str(row[column]) for column in columns] for row in rows])
    return 0


def _row(moratorium: Moratorium, window: Window, now: Instant) -> dict[str, Any]:
    state = "in force" if window.holds(now) else "over" if window.end <= now else "to come"
    return {
        "state": state,
        "from": "ever" if window.start == ALWAYS else format_instant(window.start),
        "until": "further notice" if window.end == FOREVER else format_instant(window.end),
        "moratorium": moratorium.id,
        "mode": str(moratorium.mode),
        "binds": ", ".join(sorted(t for p in moratorium.binds.parties for t in p.org_types)),
        "covers": ", ".join(sorted(moratorium.covers.classes)),
        "exemptions": ", ".join(exemption.id for exemption in moratorium.exemptions) or "none",
    }
