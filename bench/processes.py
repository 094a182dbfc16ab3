"""Starting, stopping and watching processes: CPU time and memory from /proc, children included."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE = CORES[0]
LOAD_CORES = CORES[1:2] or CORES
MIB = 1024 * 1024


class NotStarted(Exception):
    """A process ended or did not listen in time. Says what it wrote last."""


class Process:
    """A child on chosen cores that listens on `port`. Its output goes to a file."""

    def __init__(
        self,
        command: list[str],
        *,
        port: int,
        cores: list[int],
        log: Path,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        pinned = ["taskset", "-c", ",".join(map(str, cores)), *command]
        environment = {"PATH": os.environ.get("PATH", os.defpath), **(env or {})}
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                pinned, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._log = log
        try:
            self._wait_until_listening(port)
        except NotStarted:
            self.stop()
            raise

    def _wait_until_listening(self, port: int) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if self._child.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        last = self._log.read_text(errors="replace").strip().splitlines()[-5:]
        raise NotStarted(" / ".join(last) or "it did not start listening")

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def stop(self) -> None:
        """End it: politely, then not."""
        if self.alive:
            self._child.terminate()
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def cpu_seconds(self) -> float:
        """User and system time of the process and its children."""
        return sum(_cpu_ticks(pid) for pid in self._family()) / TICK

    def resident_bytes(self) -> int:
        return sum(_resident(pid) for pid in self._family())

    def _family(self) -> list[int]:
        found, todo = [], [self._child.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for file in Path(f"/proc/{pid}/task").glob("*/children"):
                todo += map(int, file.read_text().split())
        return found


def _cpu_ticks(pid: int) -> int:
    # The name stands in parentheses and may hold blanks; utime and stime are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def core_busy_seconds(core: int) -> float:
    """How long a core has been busy with anything at all."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(int, fields)
            return (user + nice + system + irq + softirq + steal) / TICK
    return 0.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
