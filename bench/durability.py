"""What the audit costs a call: a proxy that writes records, syncs them or signs them, beside one without any.

    ./run python -m bench.durability [FOLDER] [--rounds N] [--seconds N]

Each proxy is one process; they share a core and take turns, wrk and the upstream have another. Within a round
each takes every load, and the next round begins with another one. A ratio or a difference is that of two runs
of one round, and what is shown is the median over the rounds, with the extremes of the ratios; rounds in
which other programs took much of the core are left out. wrk keeps its connections busy, so that what is added
to a latency holds the waiting for other calls as well. The records are in FOLDER (default: the one for
temporary files), which has to be on a disk.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.checks import Broken, audit_lines, check_policy
from bench.measure import measure
from bench.processes import NotStarted, free_port
from bench.readiness import prepare
from bench.targets import Running, Setting, Skipped, start_ours, start_upstream
from bench.tokens import Credentials, make_credentials
from bench.workloads import KIB, Workload

ROUNDS, SECONDS = 9, 2
CALM = 0.15
"""So much of the core may be taken by other programs in a run that counts."""
ENOUGH = 3
"""With fewer calm rounds all of them count."""
DISKLESS = ("tmpfs", "ramfs")
LOADS = {
    "allowed, 1 connection": Workload("allowed1", 1, KIB),
    "allowed, 8 connections": Workload("allowed8", 8, KIB),
    "allowed, 32 connections": Workload("allowed32", 32, KIB),
    "allowed, 64 connections": Workload("allowed64", 64, KIB),
    "blocked, 32 connections": Workload("blocked32", 32, KIB, token="police"),
}
NO_AUDIT = "no audit"


class Run(NamedTuple):
    """One load on one proxy: calls a second, CPU microseconds of a call, milliseconds; the others' share."""

    rate: float
    cpu: float
    p50: float
    p99: float
    disturbed: float


@dataclass(frozen=True)
class Added:
    """What a variant costs beside no audit: medians of `pairs`. `low`, `high`: the extremes of `ratio`."""

    ratio: float
    low: float
    high: float
    cpu: float
    p50: float
    p99: float
    pairs: int


def added(runs: Sequence[Run], without: Sequence[Run]) -> Added:
    """Pair by pair: the runs of one round."""
    every = [*zip(runs, without, strict=True)]
    calm = [pair for pair in every if max(run.disturbed for run in pair) <= CALM]
    pairs = calm if len(calm) >= ENOUGH else every
    ratios = [a.rate / b.rate for a, b in pairs]
    return Added(
        ratio=median(ratios),
        low=min(ratios),
        high=max(ratios),
        cpu=median(a.cpu - b.cpu for a, b in pairs),
        p50=median(a.p50 - b.p50 for a, b in pairs),
        p99=median(a.p99 - b.p99 for a, b in pairs),
        pairs=len(pairs),
    )


def filesystem(folder: Path) -> str:
    """The kind that `folder` is on, from the last of the longest mount points above it."""
    there, found = folder.resolve(), (Path("/"), "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _device, point, kind, *_ = line.split()
        above = Path(point.replace("\\040", " "))
        if there.is_relative_to(above) and len(above.parts) >= len(found[0].parts):
            found = (above, kind)
    return found[1]


def _without(setting: Setting) -> Running:
    return start_ours(setting, module="bench.unaudited", name=NO_AUDIT)


def _written(setting: Setting) -> Running:
    return start_ours(setting, {"MORATORIUM_AUDIT_DURABILITY": "written"}, name="written")


def _synced(setting: Setting) -> Running:
    return start_ours(setting, {"MORATORIUM_AUDIT_DURABILITY": "synced"}, name="synced")


def _signed(setting: Setting) -> Running:
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = setting.work / "key.pem"
    file.touch(mode=0o600)
    file.write_bytes(key)
    more = {
        "MORATORIUM_AUDIT_KEY_FILE": str(file),
        "MORATORIUM_AUDIT_WITNESS": str(setting.work / "heads"),
    }
    return start_ours(setting, more, name="written, signed, witness")


VARIANTS: tuple[Callable[[Setting], Running], ...] = (_without, _written, _signed, _synced)


class Durability:
    """The proxies, one behind the other in `VARIANTS`, and what they have been found to do."""

    def __init__(self, work: Path, stack: contextlib.ExitStack, seconds: int) -> None:
        self.seconds = seconds
        self.credentials: Credentials = make_credentials(work / "tokens", 1)
        self.upstream_port = free_port()
        stack.callback(start_upstream(self.upstream_port, work).stop)
        self.proxies = [*self._start(work, stack)]
        self.found: dict[tuple[str, str], list[Run]] = {}

    def _start(self, work: Path, stack: contextlib.ExitStack) -> Iterator[Running]:
        for number, start in enumerate(VARIANTS):
            folder = work / str(number)
            folder.mkdir()
            running = start(Setting(self.credentials, self.upstream_port, folder))
            stack.callback(running.stop)
            check_policy(running, self.upstream_port, self.credentials)
            yield running

    def run(self, running: Running, title: str) -> Run:
        """Measure one load. Raises `Broken`, also when a proxy without an audit has one."""
        unaudited = running.name == NO_AUDIT
        asked = replace(running, audit_file=None) if unaudited else running
        load = LOADS[title]
        of = measure(asked, load, self.seconds, self.credentials, self.upstream_port)
        if unaudited and running.audit_file is not None and (lines := audit_lines(running.audit_file)):
            raise Broken(f"{NO_AUDIT}, {title}: {lines} records")
        said = of.said
        run = Run(
            of.rows[load.name], of.rows[f"{load.name}.cpu"] * 1e3, said["p50_us"] / 1e3, said["p99_us"] / 1e3,
            of.disturbed,
        )  # fmt: skip
        self.found.setdefault((title, running.name), []).append(run)
        return run

    def rounds(self, count: int, progress: Progress) -> None:
        task = progress.add_task("loads", total=count * len(LOADS) * len(self.proxies))
        for number in range(count):
            first = number % len(self.proxies)
            for title in LOADS:
                for running in (*self.proxies[first:], *self.proxies[:first]):
                    progress.update(task, description=f"round {number + 1}  {title}  {running.name}")
                    self.run(running, title)
                    progress.advance(task)


def table_of(found: Mapping[tuple[str, str], Sequence[Run]]) -> Table:
    """A row for each load and proxy; plain figures for the one without an audit."""
    table = Table(title="what the audit adds to a call of 1 KiB, beside none at all")
    for name in ("load", "audit"):
        table.add_column(name)
    for name in ("calls/s", "of no audit's", "CPU, µs", "median, ms", "99th percentile, ms", "rounds"):
        table.add_column(name, justify="right")
    last = ""
    for (load, name), runs in found.items():
        without = found[load, NO_AUDIT]
        if load != last:
            table.add_section()
        rate, title = f"{median(run.rate for run in runs):,.0f}", load if load != last else ""
        if name == NO_AUDIT:
            cells = ["", *(f"{median(of):.2f}" for of in list(zip(*runs, strict=True))[1:4]), str(len(runs))]
        else:
            more = added(runs, without)
            ratio = f"{more.ratio:.3f} ({more.low:.3f} to {more.high:.3f})"
            cells = [ratio, *(f"{value:+.2f}" for value in (more.cpu, more.p50, more.p99)), str(more.pairs)]
        table.add_row(title, name, rate, *cells)
        last = load
    return table


def main() -> int:
    """0, 1 when a run had errors, 2 when FOLDER is on no disk, 3 when something that is needed is missing."""
    parser = argparse.ArgumentParser(prog="bench.durability", description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"over all proxies (default {ROUNDS})")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"of a run (default {SECONDS})")
    args = parser.parse_args()
    out = Console()
    kind = filesystem(args.folder)
    if kind in DISKLESS:
        out.print(f"[red]{args.folder} is on {kind}, where nothing can be synced: name a folder on a disk[/]")
        return 2
    if not prepare(out):
        return 3
    load = os.getloadavg()[0]
    try:
        durability = measured(args, out)
    except (Broken, NotStarted, Skipped, OSError) as why:
        out.print(f"[red]{why}; nothing is reported[/]")
        return 1
    out.print(table_of(durability.found))
    shares = [run.disturbed for runs in durability.found.values() for run in runs]
    out.print(
        f"{args.rounds} rounds of {args.seconds} s; records on {kind}; load average {load:.1f} before, "
        f"{os.getloadavg()[0]:.1f} behind; other programs took {median(shares):.0%} of the core in the "
        f"median run, {max(shares):.0%} at most; rounds with over {CALM:.0%} are left out, if {ENOUGH} remain"
    )
    return 0


def measured(args: argparse.Namespace, out: Console) -> Durability:
    """All rounds. Everything that is started here is stopped again, whatever happens."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(tempfile.TemporaryDirectory(prefix="moratorium-bench-", dir=args.folder))
        durability = Durability(Path(work), stack, args.seconds)
        with Progress(*columns, console=out) as progress:
            durability.rounds(args.rounds, progress)
        return durability


if __name__ == "__main__":
    sys.exit(main())
