"""Issuers that are slow, down, or come back; waiters who leave (threat T40)."""

import asyncio
import socket
from typing import Any

import pytest

from proxy.authn.keys import RemoteKeys
from proxy.authn.keyset import parse_keys
from proxy.errors import KeysUnavailable
from tests.authn.issuers import KeyServer, at_hand, raw_server
from tests.authn.tokens import ISSUER, KEYS, FixedClock, jwk, jwks

OTHER = jwks(jwk(kid="dev-2"))


async def fails(source: RemoteKeys) -> str:
    with pytest.raises(KeysUnavailable) as caught:
        await source.refresh()
    return caught.value.why


async def test_a_silent_issuer_is_given_up_after_the_timeout(issuer: KeyServer, clock: FixedClock) -> None:
    issuer.gate.clear()

    assert await fails(RemoteKeys(ISSUER, issuer.url, clock, timeout=0.03)) == f"{issuer.url}: TimeoutError"


async def test_an_issuer_that_drips_is_given_up_after_the_timeout(clock: FixedClock) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
    async with raw_server(head, *[b" "] * 1000, pause=0.005) as url:
        source = RemoteKeys(ISSUER, url, clock, timeout=0.03)

        assert await fails(source) == f"{url}: TimeoutError"


async def test_nobody_listening_is_an_outage(clock: FixedClock) -> None:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))  # bound and not listening: refused for certain
        url = f"http://127.0.0.1:{trial.getsockname()[1]}/keys"

        assert (await fails(RemoteKeys(ISSUER, url, clock, timeout=2))).startswith(f"{url}: ")


@pytest.mark.parametrize(
    "url", ["", "keys", "file:///etc/passwd", "data:,{}", "ftp://127.0.0.1/keys", "http://"]
)
async def test_an_address_that_is_no_http_url_is_an_outage(url: str, clock: FixedClock) -> None:
    assert await fails(RemoteKeys(ISSUER, url, clock, timeout=2))


async def test_old_keys_go_on_during_an_outage_for_a_bounded_time(
    source: RemoteKeys, issuer: KeyServer, clock: FixedClock
) -> None:
    await source.refresh()
    issuer.status = 500
    clock.now += 3599
    await fails(source)

    assert at_hand(source) == KEYS
    clock.now += 2
    with pytest.raises(KeysUnavailable, match="status 500 instead of 200"):
        at_hand(source)


async def test_an_outage_ends_with_the_first_good_answer(
    source: RemoteKeys, issuer: KeyServer, clock: FixedClock
) -> None:
    issuer.status = 500
    await fails(source)
    issuer.status = 200
    clock.now += 30
    await source.seek()

    assert (KEYS, clock.now) == (at_hand(source), source.last_success)


async def test_keys_that_had_grown_stale_can_be_used_again(
    source: RemoteKeys, issuer: KeyServer, clock: FixedClock
) -> None:
    await source.refresh()
    issuer.status = 500
    clock.now += 7200
    await fails(source)
    issuer.status, issuer.body = 200, OTHER
    await source.refresh()

    assert parse_keys(OTHER) == at_hand(source)


async def test_a_failure_does_not_count_as_success(
    source: RemoteKeys, issuer: KeyServer, clock: FixedClock
) -> None:
    await source.refresh()
    first = clock.now
    issuer.body = b"[]"
    clock.now += 60
    await fails(source)

    assert first == source.last_success


async def test_a_waiter_who_leaves_does_not_end_the_fetch_for_the_others(
    source: RemoteKeys, issuer: KeyServer
) -> None:
    issuer.gate.clear()
    leaver, stayer = asyncio.create_task(source.seek()), asyncio.create_task(source.seek())
    await issuer.asked.wait()
    leaver.cancel()
    await asyncio.wait([leaver])
    issuer.gate.set()
    await stayer

    assert leaver.cancelled()
    assert (len(issuer.requests), at_hand(source)) == (1, KEYS)


async def test_a_fetch_that_nobody_waits_for_still_lands(source: RemoteKeys, issuer: KeyServer) -> None:
    issuer.gate.clear()
    leaver = asyncio.create_task(source.seek())
    await issuer.asked.wait()
    leaver.cancel()
    await asyncio.wait([leaver])
    issuer.gate.set()
    await source.refresh()  # joins what is under way

    assert (len(issuer.requests), at_hand(source)) == (1, KEYS)


async def test_a_fetch_that_fails_with_nobody_waiting_is_not_complained_about(
    source: RemoteKeys, issuer: KeyServer
) -> None:
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    issuer.status = 500
    issuer.gate.clear()
    leaver = asyncio.create_task(source.refresh())
    await issuer.asked.wait()
    (fetch,) = fetches()
    leaver.cancel()
    issuer.gate.set()
    await asyncio.wait([leaver, fetch])
    del fetch
    loop.set_exception_handler(None)

    assert complaints == []


def fetches() -> list["asyncio.Task[Any]"]:
    return [task for task in asyncio.all_tasks() if "RemoteKeys._fetch" in repr(task.get_coro())]


async def test_after_a_fetch_was_cancelled_the_next_one_goes_through(
    source: RemoteKeys, issuer: KeyServer
) -> None:
    issuer.gate.clear()
    waiter = asyncio.create_task(source.refresh())
    await issuer.asked.wait()
    (fetch,) = fetches()
    fetch.cancel()
    await asyncio.wait([waiter, fetch])
    issuer.gate.set()
    await source.refresh()

    assert waiter.cancelled()
    assert (len(issuer.requests), at_hand(source)) == (2, KEYS)
