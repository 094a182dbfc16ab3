"""The run: who is started, what is done to them while calls go on, and what is there at the end."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.audit.checkpoint import Signer
from proxy.audit.segments import closed
from proxy.testing import TokenMint
from tests.audit.logs import PEM
from tests.harness.client import AnswerCutError, call
from tests.harness.proxy import write_settings
from tests.proof.disk import Disk, disk
from tests.proof.kinds import POLICY, kinds, write
from tests.soak.process import ProxyProcess, proxy_process

CLIENTS = 2
WORKERS = 2
SCRAPE_SECONDS = 0.2
WAIT_SECONDS = 30.0
POLL_SECONDS = 0.05
UNWRITABLE = 50
"""So many answers at least say that a record could not be written, before the disk has room again."""

Progress = Callable[[float, str], None]


class StuckError(Exception):
    """Something that has to happen did not."""


@dataclass
class Run:
    """`told`: what each process of clients has said last; `pages`: the last one of each life of the proxy."""

    folder: Path
    disk: Disk
    calls: int
    pause: float
    settings: dict[str, str] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)
    killed_workers: int = 0
    renamed: int = 0
    ends: list[Callable[[], None]] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    seconds: float = 0.0
    proxy: ProxyProcess | None = None

    def total(self, name: str) -> int:
        return sum(told.get(name, 0) for told in self.told)

    def each(self, name: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for told in self.told:
            found.update(told.get(name, {}))
        return found

    def share(self) -> float:
        return self.total("answers") / self.calls

    def workers(self) -> list[int]:
        assert self.proxy is not None
        children = Path(f"/proc/{self.proxy.process.pid}/task/{self.proxy.process.pid}/children")
        return [int(word) for word in children.read_text().split()]

    async def until(self, holds: Callable[[], object], what: str) -> None:
        ends = time.monotonic() + WAIT_SECONDS
        while not holds():
            if time.monotonic() > ends:
                raise StuckError(f"waited in vain for {what}")
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------- what is done to it


async def kill_worker(run: Run) -> None:
    """One of them, outright; another takes its place."""
    assert run.proxy is not None
    (victim, *_) = run.workers()
    os.kill(victim, signal.SIGKILL)
    run.killed_workers += 1
    await run.until(lambda: victim not in run.workers() and len(run.workers()) == WORKERS, "another worker")
    for _ in range(round(WAIT_SECONDS / POLL_SECONDS)):
        if (await call(run.proxy.metrics_port, "GET", "/readyz")).status == 200:
            return
        await asyncio.sleep(POLL_SECONDS)
    raise StuckError("the worker after a killed one does not serve")


async def rename(run: Run) -> None:
    """As another program rotates."""
    (run.disk.folder / "audit.jsonl").rename(run.disk.folder / f"audit.jsonl.moved-{run.renamed}")
    run.renamed += 1


async def fill_disk(run: Run) -> None:
    """Until enough calls have been denied for want of a record."""
    processes, enough = run.workers(), run.total("unwritable") + UNWRITABLE

    def denied() -> bool:
        run.disk.fill(processes)  # again: packing makes room
        return run.total("unwritable") >= enough

    try:
        await run.until(denied, "records to be unwritable")
    finally:
        run.disk.free(processes)


async def see_cut(run: Run) -> None:
    """Until the proxy itself has closed a file, which it does by size."""
    file = run.disk.folder / "audit.jsonl"
    await run.until(lambda: closed(file), "a file to be closed")
    run.closed.update(path.name for path in closed(file))


Disturbances = tuple[tuple[float, Callable[[Run], Awaitable[None]]], ...]
LIVES: tuple[tuple[float, Disturbances], ...] = (
    (0.55, ((0.08, kill_worker), (0.25, rename), (0.35, fill_disk))),
    (1.0, ((0.62, fill_disk), (0.66, rename), (0.68, see_cut), (0.7, kill_worker))),
)
"""For each life of the proxy the share of answers at which all of it is killed, and what is done before.

The last one ends in good order.
"""


# ---------------------------------------------------------------- the run itself


@contextlib.asynccontextmanager
async def ran(
    folder: Path,
    calls: int,
    seed: int,
    progress: Progress,
    *,
    mount: bool,
    rotate_bytes: int,
    pause: float = 0.0,
) -> AsyncIterator[Run]:
    """Everything has ended when this gives its result, and the files are all there.

    `pause`: seconds that a client waits between calls, on average.
    """
    began = time.monotonic()
    with disk(folder, mount=mount) as place:
        run = Run(folder, place, calls, pause)
        async with _face_api(folder) as port:
            _settle(run, port, rotate_bytes)
            await _play(run, seed, progress)
        with (folder / "answers").open("wb") as answers:
            for number in range(CLIENTS):
                answers.write((folder / f"answers-{number}").read_bytes())
        for number, page in enumerate(run.pages, 1):
            (folder / f"page-{number}").write_text(page)
        run.seconds = time.monotonic() - began
        yield run


def _settle(run: Run, upstream_port: int, rotate_bytes: int) -> None:
    mint = TokenMint()
    (run.folder / "audit-key.pem").write_bytes(PEM)
    (run.folder / "audit-public.pem").write_bytes(Signer(PEM).public_pem)
    with socket.create_server(("127.0.0.1", 0)) as trial:
        port = trial.getsockname()[1]
    run.settings = write_settings(
        run.folder,
        upstream_port,
        mint,
        policy=POLICY,
        listen=f"127.0.0.1:{port}",
        workers=str(WORKERS),
        audit_file=str(run.disk.folder / "audit.jsonl"),
        audit_key_file=str(run.folder / "audit-key.pem"),
        audit_witness=str(run.folder / "witness"),
        audit_rotate_bytes=str(rotate_bytes),
        drain_seconds="5",
    )
    write(run.folder / "kinds.json", kinds(mint))


async def _play(run: Run, seed: int, progress: Progress) -> None:
    clients: asyncio.Task[None] | None = None
    try:
        for number, (until, disturbances) in enumerate(LIVES):
            run.pages.append("")
            place = run.folder / f"life-{number + 1}"
            place.mkdir()
            async with proxy_process(place, run.settings) as run.proxy:
                await run.until(lambda: len(run.workers()) == WORKERS, "all workers")
                clients = clients or asyncio.ensure_future(_clients(run, seed))
                async with _scraping(run, number):
                    await _disturb(run, until, [*disturbances], clients, progress)
                if until < 1:
                    await _kill_all(run)
                else:
                    for end in run.ends:
                        end()
                    await clients
                    await _settled(run)
                    run.pages[number] = await run.proxy.metrics()
    finally:
        if clients is not None:
            clients.cancel()
            await asyncio.wait({clients})


async def _disturb(
    run: Run,
    until: float,
    disturbances: list[tuple[float, Callable[[Run], Awaitable[None]]]],
    clients: asyncio.Task[None],
    progress: Progress,
) -> None:
    """One after the other, until so many answers have been had."""
    while not clients.done() and ((share := run.share()) < until or disturbances):
        progress(
            min(share, 1.0), f"{run.total('answers')} answers, {run.total('unanswered')} calls without one"
        )
        if disturbances and disturbances[0][0] <= share:
            await disturbances.pop(0)[1](run)
        await asyncio.sleep(0.02)
    if clients.done():
        clients.result()
        raise StuckError("the clients ended by themselves")


async def _kill_all(run: Run) -> None:
    """The parent first, so that it starts nobody again."""
    assert run.proxy is not None
    for victim in (run.proxy.process.pid, *run.workers()):
        os.kill(victim, signal.SIGKILL)
    await run.proxy.process.wait()


async def _settled(run: Run) -> None:
    """Until nothing is in flight."""
    assert run.proxy is not None
    ends = time.monotonic() + WAIT_SECONDS
    while await run.proxy.metric("moratorium_requests_in_flight"):
        if time.monotonic() > ends:
            raise StuckError("calls in flight for ever")
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def _scraping(run: Run, number: int) -> AsyncIterator[None]:
    """As Prometheus would, but more often; the last page is kept."""

    async def scrape_forever(proxy: ProxyProcess) -> None:
        while True:
            with contextlib.suppress(OSError, AnswerCutError, TimeoutError):
                run.pages[number] = await proxy.metrics()
            run.closed.update(path.name for path in run.disk.folder.iterdir())
            await asyncio.sleep(SCRAPE_SECONDS)

    assert run.proxy is not None
    scraping = asyncio.ensure_future(scrape_forever(run.proxy))
    try:
        yield
    finally:
        scraping.cancel()
        await asyncio.wait({scraping})


async def _clients(run: Run, seed: int) -> None:
    lots = random.Random(seed)  # noqa: S311  (seeded, no secret)
    run.told = [{} for _ in range(CLIENTS)]
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(_client(run, number, str(lots.getrandbits(64))))


async def _client(run: Run, number: int, seed: str) -> None:
    words = {
        "port": run.settings["MORATORIUM_LISTEN"].rpartition(":")[2],
        "kinds": str(run.folder / "kinds.json"),
        "notes": str(run.folder / f"answers-{number}"),
        "seed": seed,
        "pause": str(run.pause),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.proof.client", json.dumps(words)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    run.ends.append(process.stdin.close)
    try:
        async for line in process.stdout:
            run.told[number] = json.loads(line)
        if await process.wait():
            raise StuckError(f"clients ended with status {process.returncode}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def _face_api(folder: Path) -> AsyncIterator[int]:
    port_file = folder / "port"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.proof.faceapi", str(port_file), str(folder / "seen"))
    )
    try:
        while not port_file.exists():
            if process.returncode is not None:
                raise StuckError("the face API did not start")
            await asyncio.sleep(0.02)
        yield int(port_file.read_text())
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
