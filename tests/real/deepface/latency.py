"""What the proxy adds to a call, beside the same call made directly. Measured, never judged."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median

from proxy.demo.callers import BANK, ONE, SAME_PERSON
from tests.real.deepface.bodies import as_json, inline
from tests.real.deepface.stage import Answer, Stage

VERIFIES, HOMES = 9, 100


@dataclass(frozen=True)
class Pair:
    """The median of each, in seconds."""

    what: str
    calls: int
    direct: float
    through: float

    def __str__(self) -> str:
        direct, through = self.direct * 1000, self.through * 1000
        return (
            f"{self.what}: {direct:.1f} ms directly, {through:.1f} ms through the proxy, "
            f"ratio {through / direct:.3f}, {through - direct:+.1f} ms (medians of {self.calls})"
        )


async def measure(stage: Stage) -> list[Pair]:
    """Direct and proxied calls in turn, each on a connection of its own, one after the other."""
    token = stage.mint.token(expires_in=3600, **BANK)
    same = as_json(img1=inline(ONE), img2=inline(SAME_PERSON))

    async def verify(which: int) -> Answer:
        return await (stage.through(token, "/verify", same) if which else stage.direct("/verify", same))

    async def home(which: int) -> Answer:
        return await (
            stage.through(token, "/", None, method="GET") if which else stage.direct("/", None, method="GET")
        )

    return [
        await _pair(stage, "verify", VERIFIES, verify),
        await _pair(stage, "home page", HOMES, home),
    ]


async def _pair(stage: Stage, what: str, calls: int, call: Callable[[int], Awaitable[Answer]]) -> Pair:
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(calls):
        # The first of two is not always the same one.
        for which in (number % 2, 1 - number % 2):
            began = time.perf_counter()
            answer = await call(which)
            taken[which].append(time.perf_counter() - began)
            assert answer.status == 200, [answer, *stage.complaints()]
    return Pair(what, calls, median(taken[0]), median(taken[1]))
