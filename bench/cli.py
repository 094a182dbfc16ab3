"""How fast is the proxy beside peers with the same policy? Measures, and shows or writes a report."""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.plot import draw
from bench.readiness import prepare
from bench.report import Results, complete, markdown, show
from bench.rounds import CACHE, Bench
from bench.targets import TARGETS
from bench.workloads import MEMORY, WORKLOADS

SAVED = CACHE / "results.json"


def options(arguments: list[str]) -> argparse.Namespace:
    def names(known: tuple[str, ...]) -> Callable[[str], list[str]]:
        def read(text: str) -> list[str]:
            chosen = [name.strip() for name in text.split(",") if name.strip()]
            if strangers := sorted(set(chosen) - set(known)):
                raise argparse.ArgumentTypeError(f"{', '.join(strangers)}: known are {', '.join(known)}")
            return chosen

        return read

    loads = (*WORKLOADS, *MEMORY)
    parser = argparse.ArgumentParser(prog="run bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all targets (default 3)")
    parser.add_argument("--seconds", type=int, default=8, help="length of a run (default 8)")
    parser.add_argument("--only", type=names(tuple(TARGETS)), metavar="TARGETS", help=", ".join(TARGETS))
    parser.add_argument("--workload", type=names(loads), metavar="LOADS", help=", ".join(loads))
    parser.add_argument("--tokens", type=int, default=60_000, help="new tokens for w5 (default 60000)")
    parser.add_argument("--quick", action="store_true", help="one round of 2 s, to see that all works")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write DIR/performance.md and its picture (DIR: docs)"
    )
    parser.add_argument("--replay", action="store_true", help="report the last results again")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.rounds, chosen.seconds, chosen.tokens = 1, 2, 20_000
    chosen.targets = chosen.only or list(TARGETS)
    chosen.loads = chosen.workload or list(loads)
    return chosen


def run(chosen: argparse.Namespace, console: Console) -> Results:
    """Measure. Everything that is started here is stopped again, whatever happens."""
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moratorium-bench-")))
        console.print("making keys and tokens")
        bench = Bench(chosen, work, stack)
        started = bench.start_all(console)
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=console) as progress:
            bench.loads(started, progress)
            for running in started.values():
                running.stop()
            bench.memory(list(started), progress)
        bench.drop_broken()
        return bench.results


def main() -> int:
    chosen = options(sys.argv[1:])
    console = Console()
    if chosen.replay:
        results = Results.load(SAVED)
    else:
        if not prepare(console):
            return 3
        try:
            results = run(chosen, console)
        except KeyboardInterrupt:
            console.print("stopped; nothing is reported")
            return 130
        results.save(SAVED)
    show(results, console)
    if chosen.out is not None:
        if problems := complete(results):
            console.print(f"[red]Nothing is written to {chosen.out}: {'; '.join(problems)}[/]")
            return 1
        (chosen.out / "performance.md").write_text(markdown(results))
        draw(results, chosen.out / "images" / "performance.svg")
        console.print(f"written: {chosen.out}/performance.md, {chosen.out}/images/performance.svg")
    return 1 if results.broken else 0


if __name__ == "__main__":
    sys.exit(main())
