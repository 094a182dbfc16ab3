"""`./run python -m tests.play [--workers N]`: exit 1 if one answer was wrong."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.play.play import played
from tests.play.verdicts import as_facts, judge, lost, rows
from tests.soak.report import say


async def main(workers: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="moratorium-play-") as folder:
        async with played(Path(folder), say, workers=workers) as play:
            judgement = judge(play)
            broken = lost(play)
            complaints = play.proxy.complaints()
    say(f"{'caller':<10}{'was told':<28}{'times':>8}")
    for part, told, count in rows(judgement):
        say(f"{part:<10}{told:<28}{count:>8}")
    for name, found in as_facts(play, judgement).items():
        say(f"{name}: {found}")
    for line in [*judgement.wrong[:20], *complaints[:5]]:
        say(f"  {line[:500]}")
    good = bool(play.seen) and not judgement.wrong and not broken
    say("ok" if good else "FAILED")
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.play", description=__doc__)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(0 if runner.run(main(arguments.workers)) else 1)
