"""`moratorium timeline`: who is blocked when; a chart, a drawing, or values."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from proxy.cli.chart import Chart, chart_of, in_terminal, shared_dates, told
from proxy.cli.output import add_output, print_json
from proxy.cli.policies import Reading, add_policy, read
from proxy.cli.svg import drawing
from proxy.errors import SettingsError
from proxy.policy.callers import ALWAYS, FOREVER, Instant
from proxy.policy.complaints import nearest
from proxy.policy.explain import Entry
from proxy.policy.instants import format_instant
from proxy.policy.operations import COVERABLE, OperationClass
from proxy.policy.timeline import Edge, Lane, Overlap, Timeline, timeline

_MOST_LINES = 12


def arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    add_policy(parser)
    parser.add_argument(
        "--org-type", action="append", default=[], metavar="TYPE", help="only what meets this type"
    )
    parser.add_argument(
        "--class", dest="classes", action="append", default=[], metavar="CLASS", help="only what covers this"
    )
    parser.add_argument("--from", dest="start", metavar="WHEN", help="where the chart begins")
    parser.add_argument("--to", dest="end", metavar="WHEN", help="where the chart ends")
    parser.add_argument("--at", metavar="WHEN", help="what counts as now; default: now")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw it into this file")


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    reading = read(args, env)
    _known(args, reading)
    now = reading.instant("--at", args.at)
    classes = [OperationClass(name) for name in args.classes]
    found = timeline(reading.policy, args.org_type, classes, reading.known_at)
    start = reading.instant("--from", args.start) if args.start else None
    end = reading.instant("--to", args.end) if args.end else None
    chart = chart_of(found, now, {**reading.zones, "": reading.zone}, start, end)
    if chart.scale.start >= chart.scale.end:
        raise SettingsError(["--from must be before --to"])
    if args.svg is not None:
        try:
            args.svg.write_text(drawing(chart, found), "utf-8")
        except OSError as error:
            raise SettingsError([f"--svg: {args.svg}: {error.strerror}"]) from None
    if args.output == "json":
        print_json(_report(found, chart))
    elif args.svg is None:
        _show(found, chart)
    return 0


def _known(args: argparse.Namespace, reading: Reading) -> None:
    """Raises `SettingsError` for names that nothing could be about."""
    types = reading.policy.org_types
    problems = [f"--org-type: {n!r} is not known{nearest(n, types)}" for n in args.org_type if n not in types]
    problems += [
        f"--class: {n!r} is not known{nearest(n, COVERABLE)}" for n in args.classes if n not in COVERABLE
    ]
    if problems:
        raise SettingsError(problems)


# ---------------------------------------------------------------- values


def _report(found: Timeline, chart: Chart) -> dict[str, Any]:
    return {
        "now": format_instant(chart.now),
        "from": format_instant(chart.scale.start),
        "to": format_instant(chart.scale.end),
        "lanes": [_lane(lane, chart.now) for lane in found.lanes],
        "overlaps": [_overlap(overlap) for overlap in found.overlaps],
        "next": [_edge(edge) for edge in found.edges if edge.at > chart.now],
    }


def _lane(lane: Lane, now: Instant) -> dict[str, Any]:
    moratorium, span = lane.moratorium, lane.at(now)
    return {
        "moratorium": moratorium.id,
        "title": moratorium.title,
        "who": lane.who,
        "org_type": lane.org_type,
        "some": lane.some,
        "mode": moratorium.mode,
        "classes": sorted(lane.classes),
        "operations": sorted(moratorium.covers.operations),
        "now": span.state if span else None,
        "spans": [
            {
                **_times(span.start, span.end),
                "state": span.state,
                "windows": list(span.windows),
                "exemptions": list(span.exemptions),
                "places": sorted(span.places),
            }
            for span in lane.spans
        ],
        "gaps": [_times(gap.start, gap.end) for gap in lane.gaps],
        "history": [_past(entry) for entry in lane.history],
    }


def _past(entry: Entry) -> dict[str, Any]:
    chapter = entry.chapter
    return {
        "window": chapter.id,
        "reason": chapter.reason,
        **_times(*chapter.window[:2]),
        "recorded": None if chapter.recorded == ALWAYS else format_instant(chapter.recorded),
        "replaced_by": chapter.replaced_by,
        "known": entry.known,
    }


def _times(start: Instant, end: Instant) -> dict[str, str | None]:
    return {
        "from": None if start == ALWAYS else format_instant(start),
        "until": None if end == FOREVER else format_instant(end),
    }


def _overlap(overlap: Overlap) -> dict[str, Any]:
    return {
        **_times(overlap.start, overlap.end),
        "moratoria": list(overlap.moratoria),
        "who": list(overlap.who),
        "classes": sorted(overlap.classes),
    }


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "at": format_instant(edge.at),
        "moratorium": edge.moratorium,
        "who": list(edge.who),
        "before": edge.before,
        "after": edge.after,
        "exemptions_begun": list(edge.begun),
        "exemptions_ended": list(edge.ended),
    }


# ---------------------------------------------------------------- text


def _show(found: Timeline, chart: Chart) -> None:
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    if not chart.rows:
        console.print("no moratorium is about these")
        return
    for line in in_terminal(chart, console.width):
        console.print(line, soft_wrap=True)
    coming = [edge for edge in found.edges if edge.at > chart.now]
    gaps = [(lane, gap) for lane in found.lanes for gap in lane.gaps]
    _lines("next", [told(chart, edge) for edge in coming], console)
    _lines(
        "gaps",
        [f"{lane.moratorium.id}, {lane.who}: {chart.dates(lane.moratorium.id, *g[:2])}" for lane, g in gaps],
        console,
    )
    _lines(
        "overlaps",
        [
            f"{' and '.join(o.moratoria)}: {shared_dates(chart, o)}, {', '.join(o.who)}"
            for o in found.overlaps
        ],
        console,
    )


def _lines(title: str, lines: list[str], console: Console) -> None:
    if lines:
        console.print()
        console.print(f"[bold]{title}[/bold]")
    for line in lines[:_MOST_LINES]:
        console.print("  " + line, soft_wrap=True, markup=False)
    if len(lines) > _MOST_LINES:
        console.print(f"  and {len(lines) - _MOST_LINES} more: -o json has them all")
