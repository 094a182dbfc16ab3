"""What must be true after the run, asked of the commands that operators have."""

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from tests.proof.kinds import read
from tests.proof.run import Run
from tests.soak.checks import Check

LONG = 30.0
"""Seconds; closed files are packed every now and then."""


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


async def moratorium(*words: object) -> Said:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", *map(str, words)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Said(process.returncode or 0, out.decode(), err.decode())


def reconciling(run: Run) -> list[object]:
    """The command line."""
    pages = [word for n in range(1, len(run.pages) + 1) for word in ("--metrics", run.folder / f"page-{n}")]
    seen, answers = run.folder / "seen", run.folder / "answers"
    return [
        "audit", "reconcile", run.disk.folder, *pages, "--upstream", seen, "--answers", answers,
    ]  # fmt: skip


async def checks(run: Run) -> list[Check]:
    reconciled, *others = await asyncio.gather(_reconciled(run), _verified(run), _reported(run))
    return [*_what_happened(run), *reconciled, *others]


def _what_happened(run: Run) -> list[Check]:
    """That the run was what it has to be."""
    had, wrong = run.each("had"), run.each("wrong")
    lacking = [name for name in read(run.folder / "kinds.json") if not had[name]]
    packed = sum(name.endswith(".gz") for name in run.closed)
    closed = len(
        {name.removesuffix(".gz") for name in run.closed if ".jsonl.2" in name and "part" not in name}
    )
    unwritable = run.total("unwritable")
    return [
        Check("answers", f"{had.total():,}", had.total() >= run.calls),
        Check("kinds of calls that had none", _first(lacking), not lacking),
        Check("answers that such a call must not have", _first([*wrong]), not wrong),
        Check("calls without an answer, by kills", f"{run.total('unanswered')}", run.total("unanswered") > 0),
        Check("workers killed, and all of the proxy once", str(run.killed_workers), run.killed_workers == 2),
        Check(f"denied because the disk was full ({run.disk})", str(unwritable), unwritable > 0),
        Check("files closed, packed, renamed by others", f"{closed} {packed} {run.renamed}",
              min(closed, run.renamed) > 0 and (packed > 0 or run.seconds < LONG)),
    ]  # fmt: skip


async def _reconciled(run: Run) -> list[Check]:
    said = await moratorium(*reconciling(run), "-o", "json")
    if said.code not in (0, 1):
        return [Check("reconcile", _last(said), False)]
    report: dict[str, Any] = json.loads(said.out)
    gaps = [f"{f['gap']}: {f['what']}: {f['says']}" for f in report["findings"]]
    last = _chains(run.folder / f"page-{len(run.pages)}")
    uncounted = sum(n for chain, n in report["after_the_pages"].items() if chain in last)
    return [
        Check("what reconcile finds", _first(gaps), said.code == 0),
        Check("decisions that a killed worker could not count, at most one", str(uncounted), uncounted <= 1),
        Check("answers reconciled", f"{report['answers']:,}", report["answers"] == run.total("answers")),
    ]


def _chains(page: Path) -> set[str]:
    lines = page.read_text().splitlines()
    return {line.split('"')[1] for line in lines if line.startswith("moratorium_chain_decisions_total{")}


async def _verified(run: Run) -> Check:
    said = await moratorium(
        *("audit", "verify", run.disk.folder, "--key", run.folder / "audit-public.pem"),
        *("--witness", run.folder / "witness", "-o", "json"),
    )
    if said.code not in (0, 1):
        return Check("verify, with key and witness", _last(said), False)
    report = json.loads(said.out)
    found = [f"{f['flaw']}: {f['place']}: {f['says']}" for f in report["findings"]]
    what = f"{report['records']:,} records in {report['chains']} chains: {_first(found)}"
    return Check("what verify finds, with key and witness", what, said.code == 0)


async def _reported(run: Run) -> Check:
    """That people get to see it, with every decision that `verify` has read."""
    today = datetime.now(UTC)
    start, end = ((today + timedelta(days=days)).strftime("%Y-%m-%d") for days in (-2, 2))
    out = run.folder / "report"
    said = await moratorium(
        *("audit", "report", run.disk.folder, "--from", start, "--to", end, "--out", out),
        *("--format", "json", "--format", "html", "--small", "1"),
    )
    if said.code or "</html>" not in (out / "report.html").read_text():
        return Check("the report", _last(said), False)
    report = json.loads((out / "report.json").read_text())
    counted, known = report["decisions"]["all"], report["verification"]["decisions"]
    return Check("decisions in the report, which opens", f"{counted:,}", counted == known > 0)


def _first(found: Sequence[str]) -> str:
    return f"{len(found)}, first {found[0]}" if found else "nothing"


def _last(said: Said) -> str:
    return f"status {said.code}: {(said.err or said.out).strip().splitlines()[-1:]}"
