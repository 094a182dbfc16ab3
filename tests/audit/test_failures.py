"""The disk fails in each way that there is, under a running proxy: nothing goes on undecided or unrecorded.

It recovers by itself, the log verifies, and the metrics say what was.
"""

import asyncio
import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import pytest

from proxy.audit.findings import Flaw
from proxy.enforcer import Denied, NeedSync
from proxy.policy.model import Permit
from tests.audit.logs import PEM, found
from tests.audit.valid import whole_records
from tests.harness.client import Answer, RawClient, request
from tests.harness.proxy import Proxy, running_proxy
from tests.harness.waiting import until

MANY = 200
"""Calls after which a disk that is nearly full must have refused one."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, where we may have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and shutil.which("mount") is not None
    mounted = mounted and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    (folder / "audits").mkdir()
    yield folder / "audits"
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


# ---------------------------------------------------------------- troubles


@contextlib.contextmanager
def full(file: Path) -> Iterator[None]:
    """Other files take all there is."""
    if not file.parents[1].is_mount():
        pytest.skip("a small disk has to be mounted, which needs root")
    other = file.with_name("other")
    with other.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"x" * 512)
    yield
    other.unlink()


@contextlib.contextmanager
def limited(file: Path) -> Iterator[None]:
    """No file of this process may grow beyond what the audit has (RLIMIT_FSIZE): lines are cut short."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def read_only(file: Path) -> Iterator[None]:
    """Rotated by somebody, and the volume has become read-only before it was begun anew."""
    folder, aside = file.parent, file.with_name("aside")
    file.rename(aside)
    if not _mount("--bind", str(folder), str(folder)):
        pytest.skip("a volume has to be mounted, which needs root")
    try:
        assert _mount("-o", "remount,ro,bind", str(folder))
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(*words: str) -> bool:
    done = subprocess.run(["mount", *words], check=False, capture_output=True)
    return os.geteuid() == 0 and done.returncode == 0


@contextlib.contextmanager
def folder_removed(file: Path) -> Iterator[None]:
    """The folder goes with all that is in it, and comes back empty."""
    shutil.rmtree(file.parent)
    yield
    file.parent.mkdir()


@contextlib.contextmanager
def removed(file: Path) -> Iterator[None]:
    """Somebody deletes the file."""
    file.unlink()
    yield


@contextlib.contextmanager
def rotated(file: Path) -> Iterator[None]:
    """Somebody renames the file."""
    file.rename(file.with_name("aside"))
    yield


@contextlib.contextmanager
def no_descriptors(file: Path) -> Iterator[None]:
    """Rotated by somebody, and no file can be opened."""
    file.rename(file.with_name("aside"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Case(NamedTuple):
    """`unwritten`: no record is taken. `unsynced`: with `synced` none is known to be on the disk.

    `left`: what `verify` says of what is left: who removes records is found out.
    """

    trouble: Callable[[Path], AbstractContextManager[None]]
    unwritten: bool = False
    unsynced: bool = False
    left: tuple[Flaw, ...] = ()


CASES = [
    Case(full, unwritten=True),
    Case(limited, unwritten=True),
    Case(read_only),
    Case(removed, left=(Flaw.MISSING,)),
    Case(folder_removed, unwritten=True, left=(Flaw.MISSING,)),
    Case(rotated),
    Case(no_descriptors, unsynced=True),
]


# ---------------------------------------------------------------- one runner for all


class Calls:
    """Calls on one connection, which needs no new descriptor, and their answers."""

    def __init__(self, proxy: Proxy, client: RawClient) -> None:
        self.proxy = proxy
        self.client = client
        self.answers: list[Answer] = []

    async def one(self) -> Answer:
        await self.client.send(request("POST", "/v1/search", [self.proxy.bearer()], b"{}"))
        self.answers.append(await self.client.answer(b"POST"))
        return self.answers[-1]


def files_in(folder: Path) -> list[Path]:
    """The audit's, that which was renamed as well."""
    return sorted(folder.glob("a*"))


def failures_in(metrics: str) -> int:
    (line,) = [line for line in metrics.splitlines() if line.startswith("moratorium_audit_failures_total")]
    return int(float(line.split()[1]))


@pytest.mark.parametrize("on_failure", ["refuse", "allow-and-count"])
@pytest.mark.parametrize("durability", ["written", "synced"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.trouble.__name__)
async def test_the_disk_fails_and_recovers(
    folder: Path, case: Case, durability: str, on_failure: str
) -> None:
    file = folder / "audit.jsonl"
    fails = case.unwritten or (case.unsynced and durability == "synced")
    settings: dict[str, Any] = {"audit_durability": durability, "on_audit_failure": on_failure}
    async with running_proxy(audit_file=str(file), **settings) as proxy, RawClient.to(proxy.port) as client:
        calls = Calls(proxy, client)
        assert (await calls.one()).status == 200
        assert failures_in(await proxy.metrics()) == 0

        with case.trouble(file):
            proxy.application.archive.look()
            answer = await calls.one()
            while fails and not proxy.application.audit.failures and len(calls.answers) < MANY:
                answer = await calls.one()
            assert answer.status == (503 if fails and on_failure == "refuse" else 200)
            assert (proxy.application.audit.failures > 0) == fails
            await calls.one()
        proxy.application.archive.look()

        assert (await calls.one()).status == 200
        lost = failures_in(await proxy.metrics())
        assert (lost > 0) == fails
        assert proxy.application.components()[-1].fault is None
        await proxy.application.stop()

        files = files_in(folder)
        assert [flaw for flaw, *_ in found(*files, key=None)] == [*case.left]
        ids = {record["id"] for record in whole_records(*files) if record["kind"] == "decision"}
        # No call without a decision, and none of which the log does not know but those that were counted.
        assert len(proxy.upstream.messages) == sum(answer.status == 200 for answer in calls.answers)
        before = 1 if case.left else 0  # whose record went with the file
        unrecorded = len(calls.answers) - len(ids) - before
        assert unrecorded == (lost if case.unwritten else 0)


async def test_a_slow_disk_holds_calls_back_and_nothing_else() -> None:
    """The threads that wait for the disk are all taken: syncs are real, and late."""
    go = Event()
    loop = asyncio.get_running_loop()
    async with running_proxy(audit_durability="synced") as proxy, RawClient.to(proxy.port) as client:
        with ThreadPoolExecutor(1) as taken:
            loop.set_default_executor(taken)
            taken.submit(go.wait)
            try:
                call = Calls(proxy, client)
                waiting = loop.create_task(call.one())
                await until(lambda: len(proxy.audit()) == 1, "the record")
                denied = await proxy.call("POST", "/v1/search", b"{}", caller="police")
                assert (denied.status, proxy.upstream.messages, waiting.done()) == (451, [], False)
            finally:
                go.set()
            assert (await waiting).status == 200
        loop.set_default_executor(ThreadPoolExecutor())

    assert len(proxy.upstream.messages) == 1


async def test_a_record_is_synced_though_what_follows_it_did_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint that comes right behind a decision is cut short; the decision is whole."""
    file, key = tmp_path / "audit.jsonl", tmp_path / "key.pem"
    key.write_bytes(PEM)
    settings: dict[str, Any] = {"audit_key_file": str(key), "audit_checkpoint_records": "1"}
    settings |= {"audit_durability": "synced", "audit_outcomes": "false"}
    async with running_proxy(audit_file=str(file), **settings) as proxy, RawClient.to(proxy.port) as client:
        calls, enforcer = Calls(proxy, client), proxy.application.enforcer
        synced: list[NeedSync] = []
        sync = enforcer.sync

        async def watched(need: NeedSync) -> Permit | Denied:
            synced.append(need)
            return await sync(need)

        monkeypatch.setattr(enforcer, "sync", watched)
        await calls.one()
        await calls.one()
        decision = [line for line in file.read_bytes().splitlines(keepends=True) if b'"decision"' in line][-1]
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + len(decision) + 10, hard))
        try:
            answer = await calls.one()
            fault = proxy.application.audit.sink.fault
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

        assert fault is not None
        assert answer.status == 200
        assert len(synced) == 3
