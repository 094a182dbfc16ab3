"""`./run python -m tests.proof [CALLS] [--seed N]`: 200 000 calls, if nothing is said."""

import argparse
import asyncio
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.proof.checks import checks, reconciling
from tests.proof.run import ran
from tests.soak.report import Bar, say, tell_checks

CALLS = 200_000
ROTATE_BYTES = 4 * 1024 * 1024


async def main(calls: int, seed: int) -> bool:
    bar = Bar()
    task = asyncio.current_task()
    assert task is not None
    # Whoever ends it gets the disk unmounted, too.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    say(f"{calls:,} mixed calls, seed {seed}")
    with tempfile.TemporaryDirectory(prefix="moratorium-proof-") as folder:
        async with ran(Path(folder), calls, seed, bar, mount=True, rotate_bytes=ROTATE_BYTES) as run:
            bar.end()
            say(f"{run.total('answers'):,} answers in {run.seconds:.0f} s")
            command = [sys.executable, "-m", "proxy", *map(str, reconciling(run))]
            shown = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, check=False
            )
            say(shown.stdout + shown.stderr)
            return tell_checks(await checks(run))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=CALLS)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(0 if runner.run(main(arguments.calls, arguments.seed)) else 1)
