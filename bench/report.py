"""What was measured, for the terminal and for docs/performance.md."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.targets import TARGETS
from bench.words import ABOUT, METHOD
from bench.workloads import ROWS, Row, Values, middle, score


@dataclass
class Results:
    """Everything that the report needs."""

    date: str
    rounds: int
    seconds: int
    command: str
    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    disturbed: float = 0.0

    def add(self, target: str, rows: dict[str, float]) -> None:
        for name, value in rows.items():
            self.values.setdefault(target, {}).setdefault(name, []).append(value)

    def targets(self) -> list[str]:
        return [name for name in TARGETS if name in self.values]

    def save(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, file: Path) -> "Results":
        return cls(**json.loads(file.read_text()))


def _number(value: float | None, row: Row) -> str:
    return "–" if value is None else f"{value:,.{row.digits}f}"


def _verdict(values: Values, row: Row) -> tuple[str, str, bool | None]:
    """Our ratio or value with its range, the goal, and whether it is met."""
    found = score(values, row)
    if found is None or (row.goal is None and not found.against):
        return "–", _goal(row), None
    whom = f" of {TARGETS[found.against].title}" if found.against else f" {row.unit}"
    digits = 2 if found.against else row.digits
    spread = f" ({found.low:.{digits}f} to {found.high:.{digits}f})" if found.low != found.high else ""
    return f"{found.value:.{digits}f}{whom}{spread}", _goal(row), found.met


def _goal(row: Row) -> str:
    if row.goal is None:
        return ""
    sign = "≥" if row.more_is_better else "≤"
    unit = f" {row.unit}" if row.goal.against == "nobody" else ""
    return f"{sign} {row.goal.bound:g}{unit}"


def _rows(results: Results) -> list[Row]:
    return [row for row in ROWS.values() if any(row.name in results.values[t] for t in results.targets())]


def show(results: Results, console: Console) -> None:
    """The tables in the terminal: what was measured, then how we did."""
    title = f"{results.rounds} × {results.seconds} s, medians"
    figures = Table("load", "unit", title=title, title_justify="left")
    verdicts = Table("load", "", "ours is", "goal")
    for name in results.targets():
        figures.add_column(TARGETS[name].title, justify="right")
    for row in _rows(results):
        cells = [_number(middle(results.values, name, row.name), row) for name in results.targets()]
        figures.add_row(row.name, row.unit, *cells)
        ours, goal, met = _verdict(results.values, row)
        colour = {True: "green", False: "red", None: "default"}[met]
        verdicts.add_row(row.name, row.title, f"[{colour}]{ours}[/]", goal)
    console.print(figures, verdicts)
    for name, why in results.skipped.items():
        console.print(f"[yellow]{TARGETS[name].title} is left out: {why}[/]")
    for problem in results.broken:
        console.print(f"[red]not reported: {problem}[/]")
    if results.disturbed > 0.05:
        console.print(
            f"[yellow]Other programs used up to {results.disturbed:.0%} of the proxy's core: "
            "absolute figures are too low and ratios are rough.[/]"
        )


def markdown(results: Results) -> str:
    """The page."""
    titles = [TARGETS[name].title for name in results.targets()]
    lines = ["# Performance", "", ABOUT.format(command=results.command)]
    lines.append(
        f"{results.date}, {results.rounds} × {results.seconds} s. A ✓ or ✗ says whether the goal is "
        "met; without a peer's name the goal bounds the value itself.\n"
    )
    lines.append(f"| load | unit | {' | '.join(titles)} | ours is | goal | |")
    lines.append("|---|---|" + "---:|" * len(titles) + "---|---|---|")
    for row in _rows(results):
        ours, goal, met = _verdict(results.values, row)
        cells = [_number(middle(results.values, name, row.name), row) for name in results.targets()]
        mark = {True: "✓", False: "✗", None: ""}[met]
        lines.append(f"| {row.title} | {row.unit} | {' | '.join(cells)} | {ours} | {goal} | {mark} |")
    lines += ["", "Calls are made over 32 connections where nothing else is said.", "", METHOD]
    lines += ["## Machine and versions", ""]
    lines += [f"- {name}: {value}" for name, value in results.machine.items()]
    lines += [f"- {TARGETS[name].title}: {value}" for name, value in results.versions.items()]
    lines.append(f"- at most {results.disturbed:.0%} of the proxy's core went to other programs in any run")
    lines += [f"- left out: {TARGETS[name].title}: {why}" for name, why in results.skipped.items()]
    lines += [f"- not reported: {problem}" for problem in results.broken]
    return "\n".join(lines) + "\n"


def complete(results: Results) -> list[str]:
    """What keeps these results from being published: a goal without a result, or an error of ours."""
    problems = [
        f"no result for {name}"
        for name, row in ROWS.items()
        if row.goal is not None and score(results.values, row) is None
    ]
    return problems + [problem for problem in results.broken if problem.startswith("ours")]
