"""How fast a log is asked, as text, compressed, and as Parquet.

    ./run python -m bench.query [FOLDER] [--records N] [--rounds N]

Writes N records (default: 1,000,000; each about 1.3 KB) of 200 organisations to a journal in FOLDER (default:
the folder for temporary files), with the ends of those calls that went on, and asks `moratorium audit query`
about them as a process of its own: wall time with all of its start, and memory at most. Everything is removed
at the end.
"""

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from itertools import product
from pathlib import Path
from random import Random
from typing import NamedTuple

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.audit import journal_of
from bench.decision import BANK, POLICE, WHEN, policy_of
from proxy.audit.journal import Journal, Terms
from proxy.audit.record import Template
from proxy.policy.engine import decide
from proxy.policy.model import Mode, Verdict
from proxy.policy.operations import OperationClass, operation
from proxy.policy.reasons import Decision

OPERATIONS = (
    operation("DetectFaces", OperationClass.DETECT),
    operation("CompareFaces", OperationClass.COMPARE),
    operation("SearchFacesByImage", OperationClass.SEARCH),
)
QUESTIONS = {
    "blocked calls by week and organisation type": ["--decision", "blocked", "--by", "week,org_type"],
    "all calls by reason": ["--by", "reason"],
    "all calls by operation and status": ["--by", "operation,status"],
    "what one organisation was blocked from": ["--org", "org-17", "--decision", "blocked", "--limit", "100"],
    "one hour of one day, all of it": ["--from", "2024-05-29T20:00:00Z", "--to", "2024-05-29T21:00:00Z"],
}
_SCRIPT = (
    "import resource, sys; from proxy.cli import main; code = main(sys.argv[1:]); "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, file=sys.stderr); sys.exit(code)"
)


class Asked(NamedTuple):
    """Least wall seconds, and MiB at most."""

    seconds: float
    memory: float


def verdicts() -> list[Verdict]:
    """What 200 organisations, one in five of them police, are told of three operations."""
    policy = policy_of("amazon-2020")
    callers = [
        (POLICE if number % 5 == 0 else BANK)._replace(org_id=f"org-{number}") for number in range(200)
    ]
    return [decide(caller, what, policy, WHEN) for caller, what in product(callers, OPERATIONS)]


def write(file: Path, records: int) -> None:
    """In the order of time, a hundred a second."""
    journal, _ = journal_of(file, Terms(outcomes=True))
    known = [(verdict.decision is Decision.ALLOWED, _template(verdict, journal)) for verdict in verdicts()]
    random = Random(1)  # noqa: S311  (not for secrets)
    for number in track(range(records), "writing records", transient=True):
        goes_on, template = random.choice(known)
        name, now = b"%012x-%012x" % (1, number), WHEN + number / 100
        size = random.randrange(10_000, 200_000)
        request = b'"%b"' % sha256(b"%d" % number).hexdigest().encode()
        journal.write(template, name, now, imprint=(request, size, b"null"))
        if goes_on:
            journal.outcome(name, (200, size, 400, random.random(), True))
    journal.close(WHEN + records / 100)


def _template(verdict: Verdict, journal: Journal) -> Template:
    return Template(
        verdict, revision="r" * 64, mode=Mode.ENFORCE, instance="0" * 12, backend="aws-rekognition",
        chain=journal.chain.id,
    )  # fmt: skip


def ask(file: Path, words: list[str], rounds: int) -> Asked:
    """One question, several times."""
    command = [sys.executable, "-c", _SCRIPT, "audit", "query", str(file), *words, "-o", "csv"]
    seconds, memory = [], 0.0
    for _ in range(rounds):
        began = time.perf_counter()
        said = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
        )
        seconds.append(time.perf_counter() - began)
        memory = max(memory, float(said.stderr.splitlines()[-1]))
    return Asked(min(seconds), memory)


def forms(folder: Path, records: int) -> Iterator[tuple[str, Path]]:
    """The same log three times."""
    text, packed, cache = folder / "audit.jsonl", folder / "audit.jsonl.gz", folder / "cache"
    write(text, records)
    with text.open("rb") as source, gzip.open(packed, "wb", compresslevel=6) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    began = time.perf_counter()
    words = ["audit", "query", str(packed), "--cache", str(cache), "--by", "reason"]
    subprocess.run([sys.executable, "-m", "proxy", *words], check=True, stdout=subprocess.DEVNULL)
    rate = records / (time.perf_counter() - began)
    Console().print(f"copied to Parquet: {rate:,.0f} records a second, once")
    yield from {"text": text, "compressed": packed, "Parquet": next(cache.iterdir())}.items()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.query")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    out = Console(width=120)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        files = dict(forms(Path(name), args.records))
        found = {
            (form, what): ask(file, words, args.rounds)
            for form, file in files.items()
            for what, words in QUESTIONS.items()
        }
        table = Table("seconds", *files, "text to Parquet")
        for what in QUESTIONS:
            spent = [found[form, what].seconds for form in files]
            table.add_row(what, *(f"{seconds:.2f}" for seconds in spent), f"{spent[0] / spent[-1]:.0f}")
        memory = [max(found[form, what].memory for what in QUESTIONS) for form in files]
        table.add_row("memory at most", *(f"{mebibytes:,.0f} MiB" for mebibytes in memory), "")
        table.add_row(
            "bytes a record", *(f"{os.stat(file).st_size / args.records:,.0f}" for file in files.values()), ""
        )
        out.print(f"{args.records:,} records, {os.cpu_count()} CPUs")
        out.print(table)


if __name__ == "__main__":
    main()
