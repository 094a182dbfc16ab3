"""`./run python -m tests.soak [SECONDS] [--seed N]`: mixed traffic for so long, 180 s if nothing is said."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.soak.checks import checks
from tests.soak.report import Bar, say, tell_calls, tell_checks
from tests.soak.soak import soaked

SECONDS = 180.0
MOST_GROWTH = 16.0
"""MiB after warm-up, whatever the length of the run. The allocator keeps what a busy moment needed."""


async def main(seconds: float, seed: int) -> bool:
    bar = Bar()
    say(f"{seconds:g} s of mixed traffic, seed {seed}")
    with tempfile.TemporaryDirectory(prefix="moratorium-soak-") as folder:
        async with soaked(seconds, seed, Path(folder), bar) as soak:
            bar.end()
            found = await checks(soak, MOST_GROWTH)
            complaints = soak.proxy.complaints()
    tell_calls(soak.ledger)
    for line in complaints[:10]:
        say(f"  {line[:1000]}")
    return tell_checks(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(0 if runner.run(main(arguments.seconds, arguments.seed)) else 1)
