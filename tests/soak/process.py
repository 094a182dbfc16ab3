"""The proxy as a process of its own, and what the kernel and its metrics say about it."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.harness.client import call

STARTING_SECONDS = 20.0
KIB = 1024


@dataclass
class ProxyProcess:
    """A running `python -m proxy serve`; its log goes to a file."""

    process: asyncio.subprocess.Process
    port: int
    metrics_port: int
    log_file: Path

    def hang_up(self) -> None:
        """SIGHUP: read everything again."""
        self.process.send_signal(signal.SIGHUP)

    def descriptors(self) -> int:
        """How many it has open now."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self) -> int:
        """Bytes that are resident and its own, shared pages by their share (PSS)."""
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text("ascii")
        found = re.search(r"^Pss: +([0-9]+) kB", rollup, re.MULTILINE)
        assert found is not None
        return int(found[1]) * KIB

    async def metrics(self) -> str:
        return (await call(self.metrics_port, "GET", "/metrics")).body.decode()

    async def metric(self, name: str) -> float:
        """The sum of all series of this name."""
        pattern = rf"^{name}(?:\{{[^}}]*\}})? (\S+)$"
        return sum(float(value) for value in re.findall(pattern, await self.metrics(), re.MULTILINE))

    def complaints(self) -> list[str]:
        """Log lines that tell of a fault: whatever is not one of our own lines, or is one about an error."""
        found = []
        for line in self.log_file.read_text("utf-8", "replace").splitlines():
            if not line.startswith("{") or _is_fault(json.loads(line)):
                found.append(line)
        return found

    async def stop(self) -> int:
        """SIGTERM; gives the exit status."""
        if self.process.returncode is None:
            self.process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STARTING_SECONDS):
                return await self.process.wait()
        self.process.kill()
        return await self.process.wait()


def _is_fault(entry: dict[str, object]) -> bool:
    if "error" in entry or "trace" in entry or "exception" in str(entry["message"]).lower():
        return True
    refused = str(entry["message"]).startswith("reload refused")
    return entry["level"] in ("error", "critical") and not refused


@contextlib.asynccontextmanager
async def proxy_process(folder: Path, settings: dict[str, str]) -> AsyncIterator[ProxyProcess]:
    """Start one with these variables and stop it at the end."""
    metrics_port = _free_port()
    log_file = folder / "proxy.log"
    environ = {**os.environ, **settings, "MORATORIUM_METRICS_LISTEN": f"127.0.0.1:{metrics_port}"}
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", "serve"), env=environ, stdout=log, stderr=log
        )
    running = ProxyProcess(process, 0, metrics_port, log_file)
    try:
        async with asyncio.timeout(STARTING_SECONDS):
            while not running.port:
                running.port = _port(log_file, process.returncode)
                await asyncio.sleep(0.02)
        yield running
    finally:
        await running.stop()


def _port(log_file: Path, ended: int | None) -> int:
    """The port that it says it serves on; 0 while it does not."""
    log = log_file.read_text("utf-8")
    for line in log.splitlines(keepends=True):
        if (
            line.endswith("\n")
            and line.startswith("{")
            and (entry := json.loads(line))["message"] == "serving"
        ):
            return int(entry["address"].rpartition(":")[2])
    if ended is not None:
        raise AssertionError(f"the proxy ended with status {ended}: {log}")
    return 0


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])
