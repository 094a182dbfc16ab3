"""The rounds: starts upstream and targets, runs load after load, stops everything."""

import contextlib
import shutil
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from bench.checks import Broken, check_policy
from bench.measure import measure
from bench.memory import memory_row
from bench.processes import NotStarted, free_port
from bench.report import Results
from bench.targets import HERE, TARGETS, Running, Setting, Skipped, start_upstream
from bench.tokens import Credentials, make_credentials
from bench.versions import machine
from bench.workloads import MEMORY, ROWS, WORKLOADS

CACHE = HERE / ".cache"


class Bench:
    """One run of the whole thing."""

    def __init__(self, chosen: Namespace, work: Path, stack: contextlib.ExitStack) -> None:
        self.chosen = chosen
        self.work = work
        self.stack = stack
        self.credentials: Credentials = make_credentials(CACHE, chosen.tokens)
        self.failed: set[tuple[str, str]] = set()
        self.upstream_port = free_port()
        self.upstream = start_upstream(self.upstream_port, work)
        stack.callback(self.upstream.stop)
        self.results = Results(
            date=datetime.now(UTC).strftime("%Y-%m-%d"),
            rounds=chosen.rounds,
            seconds=chosen.seconds,
            command="./run bench --out docs",
            machine=machine(),
        )

    @contextlib.contextmanager
    def target(self, name: str, why: str) -> Iterator[Running]:
        """A target in a work folder of its own, checked, stopped at the end."""
        work = self.work / f"{name}-{why}"
        work.mkdir()
        running = TARGETS[name].start(Setting(self.credentials, self.upstream_port, work))
        try:
            check_policy(running, self.upstream_port, self.credentials)
            yield running
        finally:
            running.stop()
            shutil.rmtree(work, ignore_errors=True)

    def start_all(self, console: Console) -> dict[str, Running]:
        started = {}
        for name in self.chosen.targets:
            try:
                started[name] = self.stack.enter_context(self.target(name, "load"))
                self.results.versions[name] = TARGETS[name].version()
            except Skipped as why:
                self.results.skipped[name] = str(why)
                console.print(f"[yellow]{name}: left out, {why}[/]")
            except (NotStarted, Broken, OSError) as why:
                self.results.broken.append(f"{name}: {why}")
                console.print(f"[red]{name}: {why}[/]")
        return started

    def loads(self, started: dict[str, Running], progress: Progress) -> None:
        """All rounds of the timed loads, interleaved."""
        todo = [WORKLOADS[name] for name in self.chosen.loads if name in WORKLOADS]
        task = progress.add_task("loads", total=self.chosen.rounds * len(todo) * len(started))
        for number in range(self.chosen.rounds):
            for workload in todo:
                for name, running in started.items():
                    progress.update(task, description=f"round {number + 1}  {workload.name}  {name}")
                    try:
                        found = measure(
                            running, workload, self.chosen.seconds, self.credentials, self.upstream_port
                        )
                    except (Broken, OSError) as why:
                        self._spoil(name, workload.name, why)
                    else:
                        self.results.add(name, found.rows)
                        self.results.disturbed = max(self.results.disturbed, found.disturbed)
                        row = ROWS[workload.name]
                        value = found.rows[workload.name]
                        progress.console.print(
                            f"round {number + 1}  {workload.name:7} {name:8} {value:10,.0f} {row.unit}"
                        )
                    progress.advance(task)

    def memory(self, names: list[str], progress: Progress) -> None:
        """All rounds of the memory loads, each on a target started for it."""
        todo = [name for name in self.chosen.loads if name in MEMORY]
        task = progress.add_task("memory", total=self.chosen.rounds * len(todo) * len(names))
        for number in range(self.chosen.rounds):
            for load in todo:
                for name in names:
                    progress.update(task, description=f"round {number + 1}  {load}  {name}")
                    try:
                        with self.target(name, f"{load}-{number}") as running:
                            value = memory_row(load, running, self.upstream, self.credentials)
                    except (Broken, NotStarted, OSError, EOFError) as why:
                        self._spoil(name, load, why)
                    else:
                        self.results.add(name, {load: value})
                        unit = ROWS[load].unit
                        progress.console.print(f"round {number + 1}  {load:7} {name:8} {value:10,.1f} {unit}")
                    progress.advance(task)

    def _spoil(self, name: str, load: str, why: Exception) -> None:
        self.failed.add((name, load))
        self.results.broken.append(f"{name}, {load}: {why}")

    def drop_broken(self) -> None:
        """A target that failed once is not reported for that load."""
        for name, load in self.failed:
            for row in (load, f"{load}.cpu"):
                self.results.values.get(name, {}).pop(row, None)
