"""How the demo looks: progress while it starts, then tables. Plain text when the output is not a terminal."""

import io
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from proxy.demo.calls import Outcome
from proxy.demo.evidence import Evidence
from proxy.demo.stage import Stage
from proxy.policy.reasons import Decision

_WIDE, _ROOMY, _TIGHT = 120, 112, 96
_STYLES = {"allowed": "green", "blocked": "bold red", "rejected": "yellow", "failed": "magenta"}


def console() -> Console:
    """Standard output, at most _WIDE columns; a pipe has no width of its own."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that lacks a character shows a question mark instead of a traceback.
        sys.stdout.reconfigure(errors="replace")
    plain = Console(highlight=False)
    return Console(highlight=False, width=min(plain.width, _WIDE) if plain.is_terminal else _WIDE)


def started(out: Console, what: str, seconds: float) -> None:
    """One line for something that is up."""
    out.print(Text.assemble(("  up  ", "green"), f"{what}  ", (f"{seconds:.1f} s", "dim")), soft_wrap=True)


def calls(outcomes: Sequence[Outcome], evidence: Evidence, width: int) -> RenderableType:
    """Who asked for what, what was decided, and what the client saw."""
    names = ("caller", "asked for", "decision", "reason", "the client saw", "ms")
    table = _table("What became of each call", names, width)
    for outcome in outcomes:
        record = evidence.record(outcome)
        table.add_row(
            outcome.caller.who,
            outcome.caller.asks,
            _decision(str(record.get("decision", "?"))),
            str(record.get("reason", "?")),
            _saw(outcome),
            f"{outcome.seconds * 1000:.0f}",
        )
    return table


def blocked(outcomes: Sequence[Outcome]) -> Text:
    """All that the client of a blocked call is told, and how often it tried."""
    lines = []
    for outcome in outcomes:
        if outcome.policy_id:
            lines += [
                ("message", outcome.says),
                ("X-Policy-Id", outcome.policy_id),
                ("Link", outcome.link),
                ("attempts", "1, no retry" if outcome.attempts == 1 else str(outcome.attempts)),
            ]
    parts = [f"  {name:<12} {text}\n" for name, text in lines]
    return Text.assemble(("What the blocked client is told\n", "bold"), *parts)


def counters(evidence: Evidence, width: int) -> RenderableType:
    """The decisions counter, as /metrics gives it."""
    names = ("decision", "reason", "org_type", "operation", "mode")
    table = _table("The counter moratorium_decisions_total", (*names, "count"), width)
    for series in evidence.series:
        cells = [series.labels.get(name, "") for name in names]
        table.add_row(_decision(cells[0]), *cells[1:], str(series.value))
    return table


def audit(outcomes: Sequence[Outcome], evidence: Evidence, width: int) -> RenderableType:
    """The audit line of each call, without what the first table says too."""
    names: tuple[str, ...] = ("reason", "org_type", "org_id", "operation", "rule", "exemption")
    names = ("time", *names) if width >= _ROOMY else names
    table = _table("The audit, one line per decision", names, width)
    for outcome in outcomes:
        record = evidence.record(outcome)
        # A caller can be of several kinds; the label of the metric is the first of them.
        shown = {**record, "org_type": record.get("org_types") or record.get("org_type")}
        shown["time"] = str(record.get("time", "")).partition("T")[2][:8]
        table.add_row(*(_cell(shown.get(name)) for name in names))
    return table


def upstream(outcomes: Sequence[Outcome], evidence: Evidence) -> Text:
    """What the face server saw."""
    arrived = ", ".join(f"{count} {name}" for name, count in sorted(evidence.arrived.items())) or "nothing"
    allowed = sum(evidence.record(outcome).get("decision") == Decision.ALLOWED for outcome in outcomes)
    only = ": the allowed calls and no others" if sum(evidence.arrived.values()) == allowed else ""
    tokens = f"{evidence.tokens_seen} times" if evidence.tokens_seen else "never"
    return Text.assemble(
        ("The face server received ", "bold"),
        f"{arrived}{only}.\n",
        ("Token seen upstream: ", "bold"),
        (tokens, "bold red" if evidence.tokens_seen else "green"),
    )


def account(evidence: Evidence) -> Text:
    """The three counts side by side, as `moratorium audit reconcile` has them."""
    found = evidence.account
    recorded, counted = (sum(row[name] or 0 for row in found["rows"]) for name in ("recorded", "counted"))
    agree = "" if found["findings"] else ": all agree"
    return Text.assemble(
        ("Three counts: ", "bold"),
        f"{recorded} recorded, {counted} counted; {found['let_through']} let through, "
        f"{found['upstream']['seen']} seen by the face server{agree}.",
    )


def verdict(outcomes: Sequence[Outcome], found: Sequence[str]) -> Text:
    """One line when all is as it had to be, otherwise what differs."""
    if not found:
        return Text(f"All {len(outcomes)} outcomes are as expected.", style="bold green")
    return Text("\n".join(["Not as expected:", *(f"  {line}" for line in found)]), style="bold red")


def next_steps(set_up: Stage) -> Text:
    """Where to look and what to type while the demo is up."""
    lines = f"""\
Everything stays up until Ctrl-C. From another terminal:

  metrics   curl -s {set_up.metrics}/metrics | grep decisions_total
  audit     tail -f {set_up.audit}
  agree     {sys.executable} -m proxy audit reconcile {set_up.audit} --metrics {set_up.metrics}/metrics
  blocked   {_curl(set_up, "sheriff")}
  allowed   {_curl(set_up, "bank")}

Any Rekognition client will do: endpoint {set_up.proxy}, any access key, and the token as
AWS_SESSION_TOKEN. How it works: docs/demo.md"""
    return Text(lines)


def _curl(set_up: Stage, name: str) -> str:
    headers = (
        "Content-Type: application/x-amz-json-1.1",
        "X-Amz-Target: RekognitionService.CompareFaces",
        f"X-Amz-Security-Token: $(cat {set_up.folder}/{name}.jwt)",
    )
    fields = " ".join(f'-H "{header}"' for header in headers)
    return f"curl -si {set_up.proxy} {fields} -d @{set_up.folder}/compare.json"


def _table(title: str, names: Sequence[str], width: int) -> Table:
    padding = (0, 1, 0, 0) if width >= _ROOMY else (0, 0)
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=padding)
    for name in names:
        table.add_column(
            name,
            # Two columns have spaces to break at; in a narrow window all have to give way.
            no_wrap=width >= _TIGHT and name not in ("asked for", "org_type"),
            overflow="fold",
            justify="right" if name in ("ms", "count") else "left",
        )
    return table


def _decision(text: str) -> Text:
    return Text(text, style=_STYLES.get(text, ""))


def _cell(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "-" if value in (None, "") else str(value)


def _saw(outcome: Outcome) -> str:
    return outcome.says if outcome.status == 200 else f"{outcome.status} {outcome.saw}"
