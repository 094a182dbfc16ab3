"""What the proof costs: CPU time for each record, waiting for the disk, and how fast a log is verified.

    ./run python -m bench.audit [FOLDER] [--records N]

Nothing is sent. The records are those of one blocked caller, written to a file in FOLDER (default: the folder
for temporary files; synced records need one on a real disk). Each CPU row is the least of several rounds. A
record that is synced is compared with one that is written, as a ratio.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from math import inf
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.console import Console
from rich.table import Table

from bench.decision import POLICE, WHEN, policy_of
from proxy.audit.checkpoint import Signer
from proxy.audit.journal import Journal, Terms
from proxy.audit.record import Template
from proxy.audit.sink import Sink
from proxy.policy.engine import decide
from proxy.policy.model import Mode
from proxy.policy.operations import OperationClass, operation

ROUNDS, CALLS = 9, 5_000
WAITERS = (1, 8, 64)
SYNCED_CALLS = 2_000


def journal_of(file: Path, terms: Terms) -> tuple[Journal, Template]:
    """A journal whose chain is open, and the record to be written."""
    journal = Journal(Sink(str(file)), instance="0" * 12, terms=terms)
    journal.sink.open()
    journal.begin(WHEN, version="0", policy="p")
    verdict = decide(POLICE, operation("CompareFaces", OperationClass.COMPARE), policy_of(), WHEN)
    record = Template(
        verdict, revision="r" * 64, mode=Mode.ENFORCE, instance="0" * 12, backend="generic",
        chain=journal.chain.id,
    )  # fmt: skip
    return journal, record


def cost(what: Callable[[], object]) -> float:
    """Least microseconds of CPU time of one call."""
    least = inf
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            what()
        least = min(least, (time.process_time() - began) / CALLS * 1e6)
    return least


def cpu_rows(folder: Path) -> list[tuple[str, float]]:
    """Before there was a chain, with it, and with all that can be had."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    plain, record = journal_of(folder / "audit.jsonl", Terms())
    signed, signed_record = journal_of(folder / "audit.jsonl", Terms(Signer(pem), None, 10_000, 10))
    name, facts = b"0" * 12 + b"-000000000001", (200, 1000, 2000, 0.01, True)

    def both() -> None:
        signed.write(signed_record, name, WHEN)
        signed.outcome(name, facts)

    return [
        ("a line, not written", cost(lambda: record.line(name, WHEN))),
        ("a line, written, without a chain", cost(lambda: plain.sink.write(record.line(name, WHEN)))),
        ("a record in a chain", cost(lambda: plain.write(record, name, WHEN))),
        ("and signed every 10 000", cost(lambda: signed.write(signed_record, name, WHEN))),
        ("and with the end of its call", cost(both)),
    ]


async def latencies(folder: Path, waiters: int, *, synced: bool) -> tuple[float, float, float]:
    """Records a second, and the median and 99th percentile of milliseconds until a call may go on."""
    journal, record = journal_of(folder / "audit.jsonl", Terms())
    taken: list[float] = []

    async def calls() -> None:
        for _ in range(SYNCED_CALLS // waiters):
            began = time.perf_counter()
            journal.write(record, b"0" * 25, WHEN)
            if synced:
                await journal.disk.reached()
            taken.append((time.perf_counter() - began) * 1e3)

    began = time.perf_counter()
    await asyncio.gather(*(calls() for _ in range(waiters)))
    rate = len(taken) / (time.perf_counter() - began)
    return rate, statistics.median(taken), statistics.quantiles(taken, n=100)[-1]


def verify_rate(folder: Path, records: int) -> tuple[float, float]:
    """Records a second of CPU time, and MiB of memory at most, of `moratorium audit verify`."""
    file = folder / "long.jsonl"
    journal, record = journal_of(file, Terms(None, None, 10_000, 10))
    for number in range(records):
        journal.write(record, b"0" * 12 + b"-%012x" % number, WHEN + number / 1000)
    journal.close(WHEN)
    script = (
        "import resource, sys; from proxy.cli import main; code = main(sys.argv[1:]); "
        "used = resource.getrusage(resource.RUSAGE_SELF); "
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, code)"
    )
    words = [sys.executable, "-c", script, "audit", "verify", str(file)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split()
    file.unlink()
    if said[2] != "0":
        raise SystemExit("the log does not verify")
    return records / float(said[0]), float(said[1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.audit")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    args = parser.parse_args()
    out = Console(width=100)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        table = Table("CPU time", "µs a record", "of an unchained one")
        rows = cpu_rows(folder)
        for what, spent in rows:
            table.add_row(what, f"{spent:.2f}", f"{spent / rows[1][1]:.2f}")
        out.print(table)
        table = Table("calls at a time", "records a second, synced to written", "median", "99th percentile")
        for waiters in WAITERS:
            written = asyncio.run(latencies(folder, waiters, synced=False))
            synced = asyncio.run(latencies(folder, waiters, synced=True))
            table.add_row(
                str(waiters), f"{synced[0] / written[0]:.4f}", f"+{synced[1] - written[1]:.2f} ms",
                f"+{synced[2] - written[2]:.2f} ms",
            )  # fmt: skip
        out.print(table)
        if args.records:
            rate, memory = verify_rate(folder, args.records)
            out.print(
                f"verify: {rate:,.0f} of {args.records:,} records a second of CPU time, {memory:.0f} MiB"
            )


if __name__ == "__main__":
    main()
