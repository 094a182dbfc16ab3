"""`moratorium simulate`: yesterday's records against tomorrow's policy; every call that fares otherwise."""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import Progress

from proxy.assembly.files import texts_of
from proxy.assembly.policy import sources_of
from proxy.audit.reading import DAMAGED, batches
from proxy.cli.bar import advance, progress
from proxy.cli.output import add_output, print_facts, print_json, print_table
from proxy.cli.policies import add_policy, known_at, read_sources
from proxy.errors import SettingsError
from proxy.policy.document import Source, build
from proxy.policy.model import Mode
from proxy.settings import read_settings
from proxy.simulation.flips import Change, Simulation, Tally
from proxy.simulation.judge import Judge

STDIN = "-"


def arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    parser.add_argument(
        "records", nargs="+", metavar="RECORDS", help="audit files (NDJSON, also .gz); - is standard input"
    )
    add_policy(parser)
    parser.add_argument("--mode", choices=[*Mode], help="default: the mode that each record was decided in")
    parser.add_argument(
        "--limit", type=int, default=3, metavar="N", help="decision ids shown of each change; default: 3"
    )


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    judge = _judge(args, env)
    missing = [name for name in args.records if name != STDIN and not Path(name).is_file()]
    if missing:
        raise SettingsError([f"{name}: no such file" for name in missing])
    simulation = Simulation(judge, max(args.limit, 0))
    with progress() as bar:
        for name in args.records:
            _feed(simulation, name, bar)
    report = _report(simulation, judge)
    if args.output == "json":
        print_json(report)
    else:
        _show(report)
    if not simulation.lines_read:
        print("moratorium: no line of these is a record", file=sys.stderr)
        return 2
    return 1 if simulation.flipped else 0


def _judge(args: argparse.Namespace, env: Mapping[str, str]) -> Judge:
    sources = _sources(args.policy, env)
    timezone = env.get("MORATORIUM_TIMEZONE", "UTC")
    build(*sources, timezone=timezone)
    return Judge(
        sources,
        timezone=timezone,
        known_at=known_at(args.known_at, sources, timezone),
        allow_unknown=env.get("MORATORIUM_UNKNOWN_OPERATION") == "allow",
        mode=Mode(args.mode) if args.mode else None,
    )


def _sources(paths: list[Path] | None, env: Mapping[str, str]) -> list[Source]:
    if paths is not None:
        return read_sources(paths)
    settings = read_settings(env)
    return sources_of(settings, texts_of(settings))


# ------------------------------------------------------------------ reading


def _feed(simulation: Simulation, name: str, bar: Progress) -> None:
    if name == STDIN:
        bar.add_task("standard input", total=None)
        simulation.feed(sys.stdin.buffer)
        return
    path = Path(name)
    task = bar.add_task(path.name, total=path.stat().st_size)
    try:
        for batch in batches(path, partial(advance, bar, task)):
            simulation.feed(batch)
    except DAMAGED:
        simulation.torn()
        print(f"moratorium: {name}: the compressed file is damaged or cut short", file=sys.stderr)
    except OSError as error:
        raise SettingsError([f"{name}: {error.strerror}"]) from None


# ------------------------------------------------------------------ telling


def _report(simulation: Simulation, judge: Judge) -> dict[str, Any]:
    flips = sorted(simulation.flips.items(), key=_weight)
    by: dict[str, Counter[str]] = {name: Counter() for name in ("change", "org_type", "operation", "rule")}
    for change, tally in flips:
        by["change"][change.kind] += tally.count
        by["org_type"][change.org_type] += tally.count
        by["operation"][change.operation] += tally.count
        by["rule"][change.now.rule or change.was.rule or "none"] += tally.count
    return {
        "policy": judge.policy.revision,
        "moratoria": [moratorium.id for moratorium in judge.policy.moratoria],
        "lines": simulation.lines,
        "judged": simulation.judged,
        "not_judged": dict(simulation.unread),
        "flips": simulation.flipped,
        "by": {name: dict(counts.most_common()) for name, counts in by.items()},
        "changes": [
            {
                "change": change.kind,
                "org_type": change.org_type,
                "operation": change.operation,
                "count": tally.count,
                "was": change.was._asdict(),
                "now": change.now._asdict(),
                "examples": tally.examples,
            }
            for change, tally in flips
        ],
    }


def _weight(entry: tuple[Change, Tally]) -> tuple[bool, int, str]:
    """Changes of decision first, then by how many they are."""
    change, tally = entry
    return change.was.decision == change.now.decision, -tally.count, str(change)


def _show(report: dict[str, Any]) -> None:
    unread = ", ".join(f"{count} {why}" for why, count in report["not_judged"].items())
    facts = [
        ("policy", f"{', '.join(report['moratoria']) or 'no moratorium'} (revision {report['policy'][:12]})"),
        ("lines", f"{report['lines']:,}"),
        ("judged again", f"{report['judged']:,}"),
        ("not judged", unread or "none"),
        ("flips", f"{report['flips']:,}"),
    ]
    print_facts(facts)
    if not report["changes"]:
        return
    for name, counts in report["by"].items():
        print()
        print_table((f"by {name.replace('_', ' ')}", "calls"), [(k, f"{n:,}") for k, n in counts.items()])
    print()
    columns = ("calls", "organisation", "operation", "was", "would be", "for example")
    rows = [
        (
            f"{c['count']:,}", c["org_type"], c["operation"], _said(c["was"]), _said(c["now"]),
            ", ".join(c["examples"]),
        )
        for c in report["changes"]
    ]  # fmt: skip
    print_table(columns, rows)


def _said(outcome: dict[str, Any]) -> str:
    words = [f"{outcome['decision']}, {outcome['reason']}"]
    if outcome["rule"]:
        words.append(f"by {outcome['rule']}" + (f"/{outcome['exemption']}" if outcome["exemption"] else ""))
    if outcome["obligations"]:
        words.append(f"owes {', '.join(outcome['obligations'])}")
    return " ".join(words)
