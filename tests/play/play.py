"""The acts, in order, and the marks that say from when on which answer is right."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.policy.instants import format_instant
from tests.harness.proxy import ROUTES, write_settings
from tests.play.callers import Caller, Seen
from tests.play.issuers import Issuer
from tests.soak.process import ProxyProcess, proxy_process
from tests.soak.upstream import FaultyUpstream

STALE_SECONDS = 60.0
"""The least that can be set."""
WATCH_SECONDS = 0.2
SETTLED_SECONDS = 100.0
EACH = 2
"""Connections of each part."""

POLICY = """
schema = 1
[[moratorium]]
id = "police"
binds.org_types = ["police"]
covers.classes = ["search"]
[[moratorium.exemption]]
id = "missing-persons"
purposes = ["missing-persons"]
[[moratorium]]
id = "schools"
binds.org_types = ["school"]
covers.classes = ["search"]
window = [{{ start = "{start}", end = "{end}" }}]
"""
MORE = """
[[moratorium]]
id = "research"
binds.org_types = ["research"]
covers.classes = ["search"]
"""
NOBODY = "schema = 1\n"
SUSPENDED = NOBODY + '[[suspension]]\norg_id = "gazette"\nnotice = "under review"\n'


class UnsettledError(Exception):
    """A change did not show in time."""


@dataclass
class Marks:
    """For each change the instants between which it took effect; before it is made both are infinite."""

    at: dict[str, tuple[float, float]] = field(default_factory=dict)

    def before(self, change: str, moment: float) -> bool:
        """Whether it cannot have taken effect yet."""
        return change not in self.at or moment < self.at[change][0]

    def after(self, change: str, moment: float) -> bool:
        """Whether it must have taken effect."""
        return change in self.at and moment >= self.at[change][1]


@dataclass
class Play:
    """What is there when the curtain has fallen."""

    proxy: ProxyProcess
    folder: Path
    north: Issuer
    south: Issuer
    start: float
    end: float
    marks: Marks = field(default_factory=Marks)
    seen: list[Seen] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)

    def write(self, name: str, text: str) -> None:
        """As an operator should: whole or not at all."""
        new = self.folder / f"{name}.new"
        new.write_text(text, "utf-8")
        new.replace(self.folder / name)

    def records(self) -> dict[str, dict[str, Any]]:
        """The record of each decision by its id."""
        lines = (self.folder / "audit.jsonl").read_bytes().splitlines()
        records = [record for record in map(json.loads, lines) if record["kind"] == "decision"]
        return {record["id"]: record for record in records}

    def answers(self, part: str, since: float) -> set[int]:
        """The statuses that a part has had since then."""
        return {seen.status for seen in self.seen if seen.part == part and seen.began >= since}

    @contextlib.asynccontextmanager
    async def changing(self, change: str, shows: Callable[[], bool]) -> AsyncIterator[None]:
        """Make a change and wait until it shows in what callers are told; mark the span."""
        began = time.time()
        yield
        while not shows():
            if time.time() > began + SETTLED_SECONDS:
                raise UnsettledError(change)
            await asyncio.sleep(0.02)
        # A caller that was asking meanwhile may have been answered before.
        self.marks.at[change] = (began, time.time() + 0.5)


PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "bank": ("north", {"org_type": "commercial"}),
    "sheriff": ("north", {"org_type": "police"}),
    "missing": ("north", {"org_type": "police", "purpose": "missing-persons"}),
    "school": ("north", {"org_type": "school"}),
    "lab": ("north", {"org_type": "research"}),
    "gazette": ("north", {"org_type": "press", "org_id": "gazette"}),
    "insurer": ("south", {"org_type": "commercial"}),
}


@contextlib.asynccontextmanager
async def played(folder: Path, progress: Callable[[str], None], *, workers: int = 1) -> AsyncIterator[Play]:
    """Play all acts; the proxy still runs when this gives its result."""
    start = float(int(time.time()) + 6)
    async with (
        FaultyUpstream() as upstream,
        Issuer("https://north") as north,
        Issuer("https://south") as south,
    ):
        settings = write_settings(
            folder, upstream.port, north.mint, policy=_policy(start), workers=str(workers)
        )
        for name in ("ISSUER", "AUDIENCE", "KEY_FILE"):
            del settings[f"MORATORIUM_JWT_{name}"]
        (folder / "issuers.toml").write_text(_issuers(north, south), "utf-8")
        (folder / "revocations.toml").write_text(NOBODY, "utf-8")
        settings |= {
            "MORATORIUM_ISSUERS_FILE": str(folder / "issuers.toml"),
            "MORATORIUM_REVOCATIONS_FILE": str(folder / "revocations.toml"),
            "MORATORIUM_JWT_STALE_SECONDS": str(STALE_SECONDS),
            "MORATORIUM_WATCH_SECONDS": str(WATCH_SECONDS),
        }
        async with proxy_process(folder, settings) as proxy:
            play = Play(proxy, folder, north, south, start, start + 4)
            over = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for caller in _callers(play):
                    group.create_task(caller.call_until(over))
                try:
                    for act in ACTS:
                        progress(f"{act.__doc__} ({len(play.seen)} calls so far)")
                        await act(play)
                finally:
                    over.set()
            yield play


def _policy(start: float) -> str:
    return POLICY.format(start=format_instant(start), end=format_instant(start + 4)) + ROUTES


def _issuers(*issuers: Issuer) -> str:
    return NOBODY + "".join(
        f'[[issuer]]\nissuer = "{issuer.name}"\njwks_url = "{issuer.url}"\naudiences = ["face-api"]\n'
        for issuer in issuers
    )


def _callers(play: Play) -> list[Caller]:
    for part, (whose, claims) in PARTS.items():
        issuer: Issuer = getattr(play, whose)
        for _ in range(EACH):
            play.callers.append(Caller(part, play.proxy.port, _tokens(issuer, claims), play.seen))
    return play.callers


def _tokens(issuer: Issuer, claims: dict[str, Any]) -> Callable[[], str]:
    """The same token for a while, and a new one as soon as the issuer has a new key."""
    kept: dict[str, str] = {}

    def token() -> str:
        kid = issuer.mint.kid
        if kid not in kept:
            kept[kid] = issuer.mint.token(**{"expires_in": 3600, **claims})
        return kept[kid]

    return token


# ---------------------------------------------------------------- the acts


async def edges(play: Play) -> None:
    """A window opens and closes"""
    await asyncio.sleep(max(0.0, play.end + 1 - time.time()))


async def rotation(play: Play) -> None:
    """An issuer signs with a new key at once"""
    play.north.rotate()
    await asyncio.sleep(3)
    play.north.rotate()
    await asyncio.sleep(2)
    play.north.withdraw_old()
    await asyncio.sleep(2)


async def bad_reload(play: Play) -> None:
    """A broken policy is written"""
    good = (play.folder / "policy.toml").read_text("utf-8")
    play.write("policy.toml", good.replace("schema = 1", "schema = 99"))
    for _ in range(100):
        if not await play.proxy.metric("moratorium_config_last_reload_successful"):
            break
        await asyncio.sleep(0.1)
    else:
        raise UnsettledError("bad reload")
    await asyncio.sleep(1)
    play.write("policy.toml", good)
    await asyncio.sleep(1)


async def good_reload(play: Play) -> None:
    """A stricter policy is written"""
    began = time.time()
    async with play.changing("research", lambda: 451 in play.answers("lab", began)):
        play.write("policy.toml", _policy(play.start).replace("[[route]]", MORE + "[[route]]", 1))


async def suspension(play: Play) -> None:
    """An organisation is suspended"""
    began = time.time()
    async with play.changing("suspended", lambda: 403 in play.answers("gazette", began)):
        play.write("revocations.toml", SUSPENDED)


async def outage(play: Play) -> None:
    """An issuer falls silent until its keys are too old, and comes back"""
    began = time.time()
    play.south.silent = True
    async with play.changing("stale", lambda: 503 in play.answers("insurer", began)):
        pass
    back = time.time() + 1
    await asyncio.sleep(1)
    async with play.changing("back", lambda: 200 in play.answers("insurer", back)):
        play.south.silent = False
    await asyncio.sleep(1)


ACTS: tuple[Callable[[Play], Awaitable[None]], ...] = (
    edges, rotation, bad_reload, good_reload, suspension, outage,
)  # fmt: skip
