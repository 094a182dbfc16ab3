"""One timed run: wrk against one target, and what the target's processes used meanwhile."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from bench.checks import Broken, audit_lines, check_policy, metric, settle, upstream_calls
from bench.processes import LOAD_CORES, MIB, PROXY_CORE, core_busy_seconds
from bench.targets import HERE, Running
from bench.tokens import Credentials
from bench.workloads import Workload

CACHE_HITS = "moratorium_token_cache_hits_total"
SPARE = 64  # fresh tokens that wrk may repeat while it stops, see lua/call.lua


@dataclass(frozen=True)
class Measured:
    """The rows that one run gives, how much of the proxy's core other programs used, and what wrk said."""

    rows: dict[str, float]
    disturbed: float
    said: dict[str, Any]


def load(running: Running, workload: Workload, seconds: int, credentials: Credentials) -> dict[str, Any]:
    """Let wrk make the load; its own figures."""
    files = {
        "allowed": credentials.allowed_file,
        "police": credentials.police_file,
        "fresh": credentials.fresh_file,
    }
    command = [
        "taskset", "-c", ",".join(map(str, LOAD_CORES)),
        "wrk", "-t1", f"-c{workload.connections}", f"-d{seconds}s", "--timeout", "10s",
        "-s", str(HERE / "lua" / "call.lua"), f"http://127.0.0.1:{running.port}/",
        "--", str(files[workload.token]), str(workload.body), str(running.tokens_used),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 30)
    for line in done.stdout.splitlines():
        if line.startswith("BENCH "):
            return dict(json.loads(line.removeprefix("BENCH ")))
    raise Broken(f"wrk said nothing useful: {(done.stderr or done.stdout)[-300:]}")


def measure(
    running: Running, workload: Workload, seconds: int, credentials: Credentials, upstream_port: int
) -> Measured:
    """Warm up, run, check. Raises `Broken` when the run had any error."""
    if workload.token != "fresh":  # a warm-up would put the first of them into caches
        load(running, workload, 1, credentials)
    if running.audit_file is not None:
        audit_lines(running.audit_file)
    reached = settle(upstream_port)
    hits = metric(running, CACHE_HITS) if running.metrics_port else 0.0
    cpu, busy = running.cpu_seconds(), core_busy_seconds(PROXY_CORE)
    said = load(running, workload, seconds, credentials)
    if workload.token == "fresh":
        running.tokens_used += said["requests"] + SPARE + workload.connections
    busy = core_busy_seconds(PROXY_CORE) - busy
    cpu = running.cpu_seconds() - cpu
    resident = running.resident_bytes()
    _no_errors(running, workload, said, upstream_calls(upstream_port) - reached)
    _ours_is_complete(running, workload, said, hits)
    check_policy(running, upstream_port, credentials, quiet=False)
    calls = said["requests"]
    value = calls / said["seconds"] if workload.value == "rate" else said[workload.value]
    rows = {workload.name: value, f"{workload.name}.cpu": cpu / calls * 1000}
    if workload.name == "w1":
        rows["rss"] = resident / MIB
    return Measured(rows, max(0.0, busy - cpu) / seconds, said)


def _no_errors(running: Running, workload: Workload, said: dict[str, Any], reached: int) -> None:
    calls, blocked = said["requests"], workload.token == "police"
    if not calls:
        raise Broken(f"{running.name} answered no call of {workload.name}")
    if said["socket"]:
        raise Broken(f"{running.name}, {workload.name}: {said['socket']} connections failed")
    if said["status"] != (calls if blocked else 0):
        raise Broken(f"{running.name}, {workload.name}: {said['status']} of {calls} answers were errors")
    if (blocked and reached) or (not blocked and reached < calls):
        raise Broken(f"{running.name}, {workload.name}: the upstream saw {reached} of {calls} calls")


def _ours_is_complete(running: Running, workload: Workload, said: dict[str, Any], hits: float) -> None:
    """Each of our calls left a record; and new tokens were new to the cache."""
    if running.audit_file is not None:
        lines = audit_lines(running.audit_file)
        if lines < said["requests"]:
            raise Broken(f"{running.name}, {workload.name}: {lines} records of {said['requests']} calls")
    if workload.token == "fresh" and running.metrics_port:
        known = metric(running, CACHE_HITS) - hits
        if known > SPARE + workload.connections:
            raise Broken(f"{running.name}, {workload.name}: {known:.0f} tokens were not new")
