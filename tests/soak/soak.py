"""The soak: seeded mixed traffic against a real process, with reloads and rotations, then a quiet end."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness.proxy import write_settings
from tests.soak import polite, rude
from tests.soak.disturbances import POLICY, disturb
from tests.soak.issuer import Issuer
from tests.soak.ledger import Ledger, SurpriseError
from tests.soak.process import ProxyProcess, proxy_process
from tests.soak.upstream import FaultyUpstream
from tests.soak.visit import Visit

SETTINGS = {
    "max_body_bytes": str(polite.MOST),
    "max_connections": "400",
    "head_seconds": "2",
    "body_seconds": "2",
    "response_seconds": "2",
    "idle_seconds": "2",
    "upstream_idle_seconds": "0.5",
    "token_cache_size": "500",
    "drain_seconds": "2",
}
KINDS: dict[Callable[[Visit], Awaitable[None]], int] = {
    polite.allowed: 20,
    polite.blocked: 8,
    polite.rejected: 12,
    polite.new_tokens: 8,
    polite.uploads: 6,
    polite.waits_for_100: 4,
    polite.pipelined: 5,
    polite.old_protocol: 4,
    polite.odd_answers: 8,
    rude.breaks: 5,
    rude.breaks_off: 3,
    rude.breaks_uploads: 3,
    rude.slow_sender: 4,
    rude.stalls: 2,
    rude.idles: 2,
    rude.slow_reader: 4,
    rude.leaves: 12,
}
CLIENTS = 24
VISIT_SECONDS = 20.0
SAMPLE_SECONDS = 0.25
QUIET_SECONDS = 10.0


@dataclass
class Soak:
    """What is there when the traffic has ended, for the checks."""

    seconds: float
    proxy: ProxyProcess
    upstream: FaultyUpstream
    issuer: Issuer
    folder: Path
    ledger: Ledger = field(default_factory=Ledger)
    memory: list[int] = field(default_factory=list)
    idle_descriptors: int = 0
    reloads: int = 0
    rotations: int = 0
    key_changes: int = 0


Progress = Callable[[float, str], None]


@contextlib.asynccontextmanager
async def soaked(seconds: float, seed: int, folder: Path, progress: Progress) -> AsyncIterator[Soak]:
    """Run the traffic for so long; the proxy still runs, and is left alone, when this gives its result."""
    rng = random.Random(seed)  # noqa: S311  (seeded, no secret)
    async with FaultyUpstream() as upstream, Issuer(rng) as issuer:
        settings = write_settings(folder, upstream.port, issuer.mint, policy=POLICY, **SETTINGS)
        del settings["MORATORIUM_JWT_KEY_FILE"]
        settings["MORATORIUM_JWT_JWKS_URL"] = issuer.url
        async with proxy_process(folder, settings) as proxy:
            soak = Soak(seconds, proxy, upstream, issuer, folder)
            soak.idle_descriptors = await _idle_descriptors(soak, rng)
            await _traffic(soak, rng, progress)
            await _quiet(soak)
            yield soak


async def _idle_descriptors(soak: Soak, rng: random.Random) -> int:
    """After every kind of work has been done once, and nothing is under way."""
    await polite.allowed(Visit("allowed", soak.proxy.port, soak.issuer, rng, soak.ledger))
    await soak.proxy.metrics()
    soak.proxy.hang_up()
    await asyncio.sleep(0.5)
    await _quiet(soak)
    return soak.proxy.descriptors()


async def _traffic(soak: Soak, rng: random.Random, progress: Progress) -> None:
    began = time.monotonic()
    soak.issuer.troubled = True
    ends = began + soak.seconds
    lots = [random.Random(rng.random()) for _ in range(CLIENTS + 1)]  # noqa: S311  (seeded, no secret)
    disturbing = asyncio.ensure_future(disturb(soak, lots.pop()))
    clients = [asyncio.ensure_future(_client(soak, lot, ends)) for lot in lots]
    while (now := time.monotonic()) < ends:
        soak.memory.append(soak.proxy.memory())
        done = sum(soak.ledger.calls.values())
        progress((now - began) / soak.seconds, f"{done} calls, {soak.memory[-1] / 2**20:.1f} MiB")
        await asyncio.sleep(min(SAMPLE_SECONDS, ends - now))
    disturbing.cancel()
    await asyncio.wait({disturbing})
    if not disturbing.cancelled() and (error := disturbing.exception()) is not None:
        raise error
    await asyncio.gather(*clients)
    soak.issuer.troubled = False


async def _client(soak: Soak, rng: random.Random, ends: float) -> None:
    """One visit after another, each of a kind drawn by lot."""
    while time.monotonic() < ends:
        (make,) = rng.choices([*KINDS], [*KINDS.values()])
        visit = Visit(make.__name__, soak.proxy.port, soak.issuer, rng, soak.ledger)
        try:
            async with asyncio.timeout(VISIT_SECONDS):
                await make(visit)
        except (SurpriseError, TimeoutError, OSError, ValueError) as error:
            soak.ledger.surprise(visit.kind, error)
        await asyncio.sleep(rng.uniform(0, 0.03))


async def _quiet(soak: Soak) -> None:
    """Until nothing is in flight and idle connections to the face API have been closed, bounded."""
    ends = time.monotonic() + QUIET_SECONDS
    idle = soak.idle_descriptors or soak.proxy.descriptors()
    while time.monotonic() < ends:
        before = soak.proxy.descriptors()
        busy = await soak.proxy.metric("moratorium_requests_in_flight")
        await asyncio.sleep(0.8)
        if not busy and before == soak.proxy.descriptors() <= idle:
            return
