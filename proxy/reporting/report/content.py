"""What a report says, section by section, before it is a page or paper."""

from typing import NamedTuple

from proxy.policy.instants import format_instant
from proxy.reporting.report.blocks import Beside, Block, Cell, Facts, Figure, Grid, Para, Section, State, Sub
from proxy.reporting.report.charts import chart_of, gaps_chart, windows_chart
from proxy.reporting.report.model import DECIDED, MEANINGS, Report, Row, Table
from proxy.reporting.report.times import periods, short
from proxy.reporting.report.words import (
    CALLS,
    COUNTED,
    GAPS,
    RULE,
    STATES,
    TIMES,
    TRUTH,
    WITHHELD,
    rule_says,
)  # fmt: skip

_WORDS = {"org_type": "Organisation type", "rule": "Moratorium"}
_MOST = 200
"""So many findings and lines of other lists are shown; the JSON file has all."""


class Content(NamedTuple):
    """All of it."""

    title: str
    whose: str
    verdict: State
    sections: tuple[Section, ...]
    foot: Facts


def content_of(report: Report, sha256: str | None) -> Content:
    """`sha256`: of the JSON file that belongs to it, if there is one."""
    withheld: list[Block] = [Para(rule_says(report.rule)), Para(RULE)]
    sections = (
        Section("summary", "Summary", _summary(report)),
        Section("rule", "How numbers are withheld", withheld),
        *(Section(f"by-{t.name.replace('_', '-')}", t.title, _counted(t)) for t in report.tables),
        Section("policies", "Moratoria in force", _policies(report)),
        Section("gaps", "Gaps in the record", _gaps(report)),
        Section("verification", "Verification", _verification(report)),
        Section("signatures", "Signatures of the range", _signatures(report)),
    )
    span = _range(report)
    whose = f"{report.operator}, {span}" if report.operator else span
    return Content(report.title, whose, _verdict(report), sections, _foot(report, sha256))


def _verdict(report: Report) -> State:
    """Whether the records are as they were written, before anything else."""
    found, left_out = report.verification["findings"], report.left_out
    damaged = f"Not counted, since they cannot be read to their end: {', '.join(left_out)}."
    lost = (damaged,) if left_out else ()
    if found:
        first = found[0]
        where = f"The first: {first['flaw']} at {first['place']}: {first['says']}."
        much = f"{len(found):,} finding{'s' if len(found) > 1 else ''}"
        return State(False, f"Verification failed: {much}. The numbers below may be wrong.", (where, *lost))
    signed = report.verification["signed_by"]
    if not signed:
        return State(True, "Verification found nothing wrong. Nobody has signed these records.", lost)
    vouched = "by the key given" if report.verification["key_given"] else "by keys that the records name"
    return State(True, f"Verification found nothing wrong; the records are signed {vouched}.", lost)


def _range(report: Report) -> str:
    start, end = (format_instant(instant).removesuffix("T00:00:00Z") for instant in report.range)
    return f"{start} to {end}"


# ---------------------------------------------------------------- numbers


def _summary(report: Report) -> list[Block]:
    totals = report.totals
    by = dict(zip(DECIDED, totals.by, strict=True))
    figures = [("decisions", _number(totals.decisions)), ("calls", _number(totals.calls))]
    figures += [(str(kind), _number(number)) for kind, number in by.items()]
    rows = [(str(kind), number, MEANINGS[kind]) for kind, number in by.items()]
    odd = f"{totals.odd:,} records say of their decision what none can say, and are in no number."
    return [
        Facts(figures, big=True),
        Para(f"{COUNTED} {CALLS} {TIMES}"),
        *([Para(odd)] if totals.odd else []),
        Grid("Decisions of the whole range", ("Decision", "Number", "Meaning"), rows),
        Para(TRUTH, soft=True),
    ]


def _number(number: int | None) -> str:
    return WITHHELD if number is None else f"{number:,}"


def _counted(found: Table) -> list[Block]:
    if found.rows is None:
        return [Para("All of this table is withheld: its numbers are too small to be shown apart.")]
    if not found.rows:
        return [Para("No decision in this range.")]
    head = [_WORDS.get(name, name.capitalize()) for name in found.dimensions]
    title = f"Decisions {found.title.lower()}"
    rows = [_line(row) for row in found.rows]
    numbers = Grid(title, [*head, *map(str, DECIDED), "all"], rows, len(found.dimensions))
    drawn = chart_of(found)
    if drawn is None:
        return [numbers]
    if found.name != "weeks":
        return [Beside(Figure(drawn, wide=False), numbers)]
    cut = any(row.partial for row in found.rows)
    note = [Para("* The range has only a part of this week.", soft=True)] if cut else []
    return [Figure(drawn, wide=True), numbers, *note]


def _line(row: Row) -> list[Cell]:
    first = f"{row.names[0]}{' *' if row.partial else ''}"
    return [first, *row.names[1:], *row.counts, row.total]


# ---------------------------------------------------------------- what was in force


def _policies(report: Report) -> list[Block]:
    revisions = [
        (revision.digest, periods(revision.periods), ", ".join(revision.files) or "not given")
        for revision in report.revisions
    ]
    parts: list[Block] = [
        Grid("Policies in force in the range", ("Revision", "When", "Files"), revisions)
        if revisions
        else Para("No record of the range names a policy.")
    ]
    if report.strangers:
        parts.append(Para(f"No record of the range names the policy of {', '.join(report.strangers)}."))
    parts += [Sub("Windows"), *_forces(report)]
    if report.seen:
        rows = [(seen.moratorium, ", ".join(seen.ends) or "open") for seen in report.seen]
        parts.append(Grid("Moratoria that decisions name", ("Moratorium", "Ends of what blocks"), rows))
    changes = [
        (short(c.time), c.how, (c.old or "")[:16], c.new[:16], c.times) for c in report.changes[:_MOST]
    ]
    head = ("Time", "How", "Old policy", "New policy", "Processes")
    parts.append(Sub("Changes"))
    parts.append(
        Grid("Starts and reloads", head, changes)
        if changes
        else Para("No process began or read its policy again in the range.")
    )
    return parts


def _forces(report: Report) -> list[Block]:
    if not report.forces:
        told = "No moratorium of these policies was in force in the range."
        if not any(revision.files for revision in report.revisions):
            told = "No policy file was given whose digest fits, so only what decisions name is known."
        return [Para(told)]
    rows = [
        (
            force.title, force.who, STATES[force.state], short(force.start or "ever"),
            short(force.end or "until further notice"), ", ".join(force.windows),
            ", ".join(force.exemptions), periods(force.here),
        )
        for force in report.forces
    ]  # fmt: skip
    head = ("Moratorium", "Whom", "State", "From", "To", "Windows", "Exemptions", "In force here")
    return [Figure(windows_chart(report), wide=True), Grid("Windows that touch the range", head, rows)]


# ---------------------------------------------------------------- what the record is worth


def _gaps(report: Report) -> list[Block]:
    rows = [
        (short(gap.start), short(gap.end or "unknown"), GAPS[gap.kind], gap.chain, gap.says)
        for gap in report.gaps[:_MOST]
    ]
    missing = [f for f in report.verification["findings"] if f["flaw"] in ("missing", "cut-off")]
    return [
        Figure(gaps_chart(report), wide=True) if report.lives else Para("No process recorded in this range."),
        Grid("Gaps", ("From", "To", "What", "Chain", "What is known"), rows)
        if rows
        else Para("The records tell of no gap in this range."),
        Para(f"Verification misses records: {len(missing):,} of its findings, which stand below.")
        if missing
        else Para("Verification misses no record."),
    ]


def _verification(report: Report) -> list[Block]:
    found = report.verification
    by = ", ".join(found["signed_by"]) or "nobody"
    pairs = [
        ("files", f"{found['files']:,}"),
        ("records", f"{found['records']:,}, of them {found['decisions']:,} decisions, in all of the files"),
        ("chains", f"{found['chains']:,}, of them {found['closed']:,} closed"),
        ("signed by", by if found["key_given"] or by == "nobody" else f"{by} (no key given: nobody vouches)"),
        ("not signed yet", f"{found['after_the_last_signature']:,} records at the ends of chains"),
        ("removed in order", f"{found['retired']:,} records"),
        ("cut short", f"{found['torn']:,} lines, of which a record says so"),
        ("findings", f"{len(found['findings']):,}"),
    ]
    rows = [
        (f["flaw"], f["place"], f["chain"], "" if f["seq"] is None else str(f["seq"]), f["says"])
        for f in found["findings"][:_MOST]
    ]
    table = Grid("Findings", ("What", "Where", "Chain", "Record", "Why"), rows)
    return [Facts(pairs), *([table] if rows else [])]


def _signatures(report: Report) -> list[Block]:
    rows = [
        (
            span.chain, str(span.first), str(span.last),
            "none" if span.signed_to is None else str(span.signed_to), span.unsigned, span.last_sha256,
        )
        for span in report.spans[:_MOST]
    ]  # fmt: skip
    return [
        Para(
            "Of each chain the first and last record in the range, and the record whose signature covers "
            "them. The checkpoints themselves, to be checked without us, are in the JSON file."
        ),
        Grid(
            "Chains in the range",
            ("Chain", "First", "Last", "Signed by record", "Not signed", "SHA-256 of the last record"),
            rows,
        )
        if rows
        else Para("No chain has records in this range."),
    ]


def _foot(report: Report, sha256: str | None) -> Facts:
    pairs = [("made", report.made), ("by", f"moratorium {report.release}")]
    if sha256:
        pairs.append(("report.json", f"SHA-256 {sha256}"))
    return Facts(pairs)
