"""`python -m tests.real.deepface PYTHON`: exit 1 if one thing was not as promised.

PYTHON is the interpreter of an environment with `deepface[api]`, `dlib-bin` and `face_recognition_models`.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from proxy.demo.callers import BANK, ONE
from tests.real.deepface.bodies import as_json, inline
from tests.real.deepface.calling import Outcome, make
from tests.real.deepface.cast import CAST
from tests.real.deepface.checks import checks
from tests.real.deepface.latency import Pair, measure
from tests.real.deepface.spellings import Tried, try_all
from tests.real.deepface.stage import staged
from tests.soak.report import say


async def main(python: Path) -> bool:
    # The server is in a session of its own: whoever ends this program has to end it through this program.
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with tempfile.TemporaryDirectory(prefix="moratorium-deepface-") as name:
        began = time.monotonic()
        async with staged(python, Path(name)) as stage:
            say(f"the server and two proxies are up after {time.monotonic() - began:.1f} s")
            outcomes = [await make(call, stage) for call in CAST]
            tried = await try_all(stage)
            token = stage.mint.token(**BANK)
            foreign = await stage.direct("/represent", as_json(img=inline(ONE)), bearer=token)
            pairs = await measure(stage)
        found, complaints = checks(stage, outcomes, tried, foreign)
    _tell(outcomes, tried, pairs)
    for check in found:
        say(f"{'= ' if check.holds else 'FAILED: '}{check.says}: {check.found}")
    for words in complaints:
        say(f"  {words[:500]}")
    good = not complaints and all(check.holds for check in found)
    say("ok" if good else "FAILED")
    return good


def _tell(outcomes: Sequence[Outcome], tried: Sequence[Tried], pairs: Sequence[Pair]) -> None:
    say(f"{'who':<10}{'asks':<28}{'expected':<10}{'reason':<21}{'status':>6}  the client saw")
    for outcome in outcomes:
        call = outcome.call
        expected = f"{call.expected.decision:<10}{call.expected.reason:<21}"
        say(f"{call.who:<10}{call.asks:<28}{expected}{outcome.answer.status:>6}  {outcome.saw}")
    say(f"{'closed':<14}{'spelt as':<24}{'directly':<10}{'through the proxy':>17}")
    for one in tried:
        say(f"{one.way:<14}{one.name:<24}{'works' if one.works else '':<10}{one.answer.status:>17}")
    for pair in pairs:
        say(f"= {pair}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tests.real.deepface",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("python", metavar="PYTHON", type=Path)
    sys.exit(0 if asyncio.run(main(parser.parse_args().python)) else 1)
