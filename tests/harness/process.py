"""`async with serving(upstream, workers=2) as served:` is `moratorium serve` as processes of its own."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from proxy.testing import TokenMint
from tests.harness.client import Answer, call
from tests.harness.proxy import MORATORIUM, ROUTES, write_settings
from tests.harness.upstream import RecordingUpstream
from tests.harness.waiting import PATIENCE, until

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
POLICY = MORATORIUM.replace(', end = "2021-06-10T00:00:00Z"', "")
"""In force until further notice: a process has no clock that a test could set."""


@dataclass
class Served:
    """The process, where it listens, and what it has logged."""

    process: asyncio.subprocess.Process
    folder: Path
    upstream: RecordingUpstream
    mint: TokenMint
    metrics_port: int
    port: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def policy_file(self) -> Path:
        return self.folder / "policy.toml"

    def write_policy(self, policy: str) -> None:
        """At one stroke, as editors and ConfigMaps do it."""
        new = self.folder / "policy.new"
        new.write_text(policy + ROUTES, "utf-8")
        new.replace(self.policy_file)

    def said(self, message: str) -> int:
        """How often the log says this."""
        return sum(entry["message"] == message for entry in self.log)

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        return [
            int(stat.parent.name)
            for stat in Path("/proc").glob("[0-9]*/stat")
            if _parent_of(stat) == self.process.pid
        ]

    def audit(self) -> list[dict[str, Any]]:
        """The record of every decision; fails unless each line is a record."""
        lines = (self.folder / "audit.jsonl").read_bytes().splitlines()
        return [record for record in map(json.loads, lines) if record["kind"] == "decision"]

    def bearer(self, org_type: str = "commercial") -> tuple[str, str]:
        return ("Authorization", f"Bearer {self.mint.token(org_type)}")

    async def call(self, caller: str = "commercial", target: str = "/v1/search") -> Answer:
        """One call on a connection of its own."""
        return await call(self.port, "POST", target, [self.bearer(caller)], b"{}")

    async def probe(self, name: str) -> Answer:
        return await call(self.metrics_port, "GET", f"/{name}")

    async def scrape(self) -> Samples:
        """What Prometheus would read."""
        text = (await self.probe("metrics")).body.decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def hang_up(self) -> None:
        """Ask for a reload."""
        self.process.send_signal(signal.SIGHUP)

    async def end(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE * 2):
            return await self.process.wait()


def value(samples: Samples, name: str, **labels: str) -> float:
    """The sum of all series of this name that have these labels."""
    return sum(
        number for (found, have), number in samples.items() if found == name and labels.items() <= set(have)
    )


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    upstream: RecordingUpstream,
    *,
    policy: str = POLICY,
    env_file: Path | None = None,
    under: Sequence[str] = (),
    **overrides: str,
) -> AsyncIterator[Served]:
    """Start it, wait until it serves, end it whatever happens. `overrides` are settings without prefix."""
    mint = TokenMint()
    metrics_port = _free_port()
    given = {"metrics_listen": f"127.0.0.1:{metrics_port}", "drain_seconds": "5", "watch_seconds": "0"}
    settings = write_settings(folder, upstream.port, mint, policy=policy, **(given | overrides))
    if env_file is not None:
        write_env(env_file, settings)
        settings = {"MORATORIUM_ENV_FILE": str(env_file)}
    process = await asyncio.create_subprocess_exec(
        *(*under, sys.executable, "-m", "proxy", "serve"),
        env={**os.environ, **settings},
        stderr=asyncio.subprocess.PIPE,
    )
    served = Served(process, folder, upstream, mint, metrics_port)
    reading = asyncio.ensure_future(_read(process, served))
    try:
        await until(lambda: served.port or process.returncode is not None, "the process to serve")
        assert served.port, served.log
        yield served
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await reading


def write_env(path: Path, settings: dict[str, str]) -> None:
    """At one stroke, as an env file."""
    new = path.with_suffix(".new")
    new.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), "utf-8")
    new.replace(path)


async def _read(process: asyncio.subprocess.Process, served: Served) -> None:
    assert process.stderr is not None
    async for line in process.stderr:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = {"message": line.decode()}
        served.log.append(entry)
        if entry["message"] == "serving":
            served.port = int(entry["address"].rpartition(":")[2])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def _parent_of(stat: Path) -> int:
    with contextlib.suppress(OSError):
        return int(stat.read_text("utf-8", errors="replace").rpartition(")")[2].split()[1])
    return 0


def falls(before: Samples, after: Samples) -> Iterator[str]:
    """Every counter that has gone back."""
    for (name, labels), number in before.items():
        if name.endswith(("_total", "_bucket", "_count", "_sum")) and not name.startswith("python_"):
            now = after.get((name, labels), -1.0)
            if now < number:
                yield f"{name} {sorted(labels)} {number} -> {now}"
