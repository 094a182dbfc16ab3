"""All issuers' keys together: the same view while nothing has changed, and each issuer's outage its own."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from proxy.authn.keyring import KeyRing, withdrawn
from proxy.authn.keys import RemoteKeys
from proxy.authn.keyset import EMPTY, KeySet, parse_keys
from proxy.authn.sources import FileKeys, Held
from proxy.errors import KeysUnavailable
from tests.authn.issuers import KeyServer, key_server
from tests.authn.tokens import ISSUER, KEYS, FixedClock, jwk, jwks
from tests.harness.waiting import until

OTHER_ISSUER = "https://other.test"
BOTH = parse_keys(jwks(jwk(), jwk(kid="dev-2")))
SECOND = parse_keys(jwks(jwk(kid="dev-2")))
STALE = 3600.0


class Pair:
    """A ring of two issuers with their servers."""

    def __init__(self, one: KeyServer, other: KeyServer, clock: FixedClock) -> None:
        self.servers = {ISSUER: one, OTHER_ISSUER: other}
        self.clock = clock
        self.ring = KeyRing(
            RemoteKeys(name, server.url, clock, timeout=2, stale_after=STALE)
            for name, server in self.servers.items()
        )
        self.ring.begin()

    def view(self) -> dict[str, KeySet]:
        return dict(self.ring.view(self.clock.now))


@pytest.fixture
async def pair(issuer: KeyServer, clock: FixedClock) -> "Pair":
    return Pair(issuer, issuer, clock)


async def test_the_view_is_the_same_object_while_nothing_changes(pair: Pair, clock: FixedClock) -> None:
    await pair.ring.refresh()
    view = pair.ring.view(clock.now)

    assert dict(view) == {ISSUER: KEYS, OTHER_ISSUER: KEYS}
    await pair.ring.refresh()
    clock.now += 300
    assert pair.ring.view(clock.now) is view
    assert pair.ring.view(clock.now - 9999) is view


async def test_changed_keys_make_another_view(pair: Pair, issuer: KeyServer, clock: FixedClock) -> None:
    await pair.ring.refresh()
    before = pair.ring.view(clock.now)
    issuer.body = jwks(jwk(), jwk(kid="dev-2"))
    await pair.ring.sources[ISSUER].refresh()

    after = pair.ring.view(clock.now)
    assert (dict(before), dict(after)) == (
        {ISSUER: KEYS, OTHER_ISSUER: KEYS},
        {ISSUER: BOTH, OTHER_ISSUER: KEYS},
    )


async def test_the_outage_of_one_issuer_ends_its_keys_alone_and_in_time(clock: FixedClock) -> None:
    async with key_server() as one, key_server() as other:
        pair = Pair(one, other, clock)
        await pair.ring.refresh()
        view, start = pair.ring.view(clock.now), clock.now
        one.status = 500
        clock.now += STALE - 1
        (fault,) = await pair.ring.refresh()

        assert fault.issuer == ISSUER
        assert pair.ring.view(clock.now) is view
        assert pair.ring.fault(clock.now) is None

        clock.now = start + STALE
        assert pair.view() == {OTHER_ISSUER: KEYS}
        assert pair.ring.fault(clock.now) == f"keys of {ISSUER}: {one.url}: status 500 instead of 200"
        clock.now -= 1
        assert pair.view() == {ISSUER: KEYS, OTHER_ISSUER: KEYS}
        clock.now = start - 1
        assert pair.view() == {OTHER_ISSUER: KEYS}

        one.status = 200
        clock.now = start + 2 * STALE
        assert await pair.ring.refresh() == []
        assert pair.view() == {ISSUER: KEYS, OTHER_ISSUER: KEYS}


async def test_only_the_issuer_that_a_token_names_is_asked(clock: FixedClock) -> None:
    async with key_server() as one, key_server() as other:
        pair = Pair(one, other, clock)
        await pair.ring.seek(OTHER_ISSUER, "dev-1")
        await pair.ring.seek("https://gone.test", "dev-1")

        assert (len(one.requests), len(other.requests)) == (0, 1)
        other.status = 500
        with pytest.raises(KeysUnavailable):
            await pair.ring.seek(OTHER_ISSUER, "dev-2")
        assert len(one.requests) == 0


async def test_a_ring_that_has_not_begun_looks_anew_each_time(clock: FixedClock) -> None:
    async with key_server() as server:
        source = RemoteKeys(ISSUER, server.url, clock)
        first, second = KeyRing([source]), KeyRing([source])
        first.begin()
        assert dict(second.view(clock.now)) == {}
        await source.refresh()

        assert dict(first.view(clock.now)) == dict(second.view(clock.now)) == {ISSUER: KEYS}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {ISSUER: KEYS}, False),
        ({ISSUER: KEYS}, {ISSUER: KEYS}, False),
        ({ISSUER: KEYS}, {ISSUER: BOTH}, False),
        ({ISSUER: KEYS}, {ISSUER: KEYS, OTHER_ISSUER: KEYS}, False),
        ({ISSUER: BOTH}, {ISSUER: KEYS}, True),
        ({ISSUER: KEYS}, {ISSUER: SECOND}, True),
        ({ISSUER: KEYS}, {OTHER_ISSUER: KEYS}, True),
        ({ISSUER: KEYS}, {}, True),
        ({ISSUER: EMPTY}, {}, False),
        ({ISSUER: KEYS, OTHER_ISSUER: BOTH}, {ISSUER: BOTH, OTHER_ISSUER: KEYS}, True),
    ],
)
def test_keys_are_withdrawn_when_one_of_them_is_no_longer_its_issuers(
    before: dict[str, KeySet], after: dict[str, KeySet], expected: bool
) -> None:
    assert withdrawn(before, after) is expected


class Restless(FileKeys):
    """A source that is refreshed all the time, and fails when told to."""

    def __init__(self, issuer: str, clock: FixedClock) -> None:
        super().__init__(issuer, Path("/nonexistent"), clock)
        self.tries = 0

    def pause(self) -> float:
        return 0.001

    async def refresh(self) -> None:
        self.tries += 1
        raise self.missed(Held(why="told so"))


async def test_keys_are_refreshed_again_and_again_until_another_ring_takes_over(clock: FixedClock) -> None:
    sources = [Restless(ISSUER, clock), Restless(OTHER_ISSUER, clock)]
    ring = KeyRing(sources)
    tasks: list[asyncio.Task[None]] = []

    def spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(work))
        return tasks[-1]

    ring.keep(spawn)
    await until(lambda: all(source.tries > 3 for source in sources), "some tries")
    ring.end()
    await asyncio.wait(tasks)

    assert [task.cancelled() for task in tasks] == [True, True]
    assert all(
        failed == source.tries for source, (_, failed) in zip(sources, ring.fetches().values(), strict=True)
    )
