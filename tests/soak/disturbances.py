"""What an operator does to a running proxy: reloads, new keys, rotated records, a look at the metrics."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tests.harness.proxy import MORATORIUM, ROUTES

if TYPE_CHECKING:
    from tests.soak.soak import Soak

POLICY = MORATORIUM.replace(', end = "2021-06-10T00:00:00Z"', "") + ROUTES
OTHER_POLICY = POLICY.replace("pause-2020", "pause-for-ever").replace('["police"]', '["police", "school"]')
BROKEN_POLICY = POLICY.replace("schema = 1", "schema = 99")
LEAST_SECONDS = 0.7


async def disturb(soak: "Soak", rng: random.Random) -> None:
    """All of it, again and again, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for share, do in ((0.04, _reload), (0.06, _rotate_records), (0.12, _change_keys), (0.02, _look)):
            group.create_task(_now_and_then(soak, rng, max(LEAST_SECONDS, min(10, share * soak.seconds)), do))


async def _now_and_then(
    soak: "Soak",
    rng: random.Random,
    seconds: float,
    do: Callable[["Soak", random.Random, int], Awaitable[None]],
) -> None:
    for number in itertools.count(1):
        await asyncio.sleep(seconds * rng.uniform(0.5, 1.5))
        await do(soak, rng, number)


async def _reload(soak: "Soak", rng: random.Random, _number: int) -> None:
    """Another policy, the same one, or one that is refused."""
    text = rng.choice([POLICY, OTHER_POLICY, BROKEN_POLICY])
    (soak.folder / "policy.toml").write_text(text, "utf-8")
    soak.proxy.hang_up()
    soak.reloads += 1


async def _rotate_records(soak: "Soak", _rng: random.Random, number: int) -> None:
    """By renaming, which the proxy has to notice."""
    current = soak.folder / "audit.jsonl"
    if current.exists():
        current.rename(soak.folder / f"audit.jsonl.{number}")
        soak.rotations += 1


async def _change_keys(soak: "Soak", _rng: random.Random, _number: int) -> None:
    """Published, fetched on reload, and only then signed with. The key before the last one is withdrawn."""
    mint = soak.issuer.publish_another()
    while not soak.issuer.fetched:
        (soak.folder / "policy.toml").write_text(POLICY, "utf-8")
        soak.proxy.hang_up()
        await asyncio.sleep(0.4)
    await asyncio.sleep(0.3)
    soak.issuer.switch_to(mint)
    soak.key_changes += 1
    await asyncio.sleep(3)


async def _look(soak: "Soak", _rng: random.Random, _number: int) -> None:
    await soak.proxy.metrics()
