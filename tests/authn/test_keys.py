"""Keys over HTTP and from files: fetched once, bounded, and the old ones stay (threat T40)."""

import asyncio
import contextlib
import gzip

import pytest

from proxy.authn.download import MAX_BYTES
from proxy.authn.keyring import KeyRing
from proxy.authn.keys import RemoteKeys
from proxy.authn.keyset import parse_keys
from proxy.authn.sought import UNKNOWN_IDS_AT_ONCE
from proxy.errors import KeysUnavailable
from tests.authn.issuers import KeyServer, at_hand, raw_server
from tests.authn.tokens import ISSUER, KEYS, FixedClock, jwk, jwks, mint

OTHER = jwks(jwk(kid="dev-2"))
HTTP_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def test_before_the_first_fetch_there_are_no_keys(source: RemoteKeys, issuer: KeyServer) -> None:
    with pytest.raises(KeysUnavailable, match="not fetched yet"):
        at_hand(source)

    assert (source.last_success, issuer.requests) == (0, [])


async def test_fetched_keys_are_at_hand(source: RemoteKeys, clock: FixedClock, issuer: KeyServer) -> None:
    await source.refresh()

    assert (KEYS, clock.now) == (at_hand(source), source.last_success)
    assert issuer.requests == ["/keys"]


async def test_many_who_seek_at_once_cost_one_request(source: RemoteKeys, issuer: KeyServer) -> None:
    issuer.gate.clear()
    async with asyncio.TaskGroup() as seekers:
        for _ in range(50):
            seekers.create_task(source.seek())
        await issuer.asked.wait()
        seekers.create_task(source.refresh())
        issuer.gate.set()

    assert (len(issuer.requests), at_hand(source)) == (1, KEYS)


async def test_who_seeks_while_a_fetch_fails_is_told_so(source: RemoteKeys, issuer: KeyServer) -> None:
    issuer.status = 500
    outcomes = await asyncio.gather(*[source.seek() for _ in range(5)], return_exceptions=True)

    assert [KeysUnavailable] * 5 == [type(outcome) for outcome in outcomes]
    assert len(issuer.requests) == 1


@pytest.mark.parametrize(("later", "requests"), [(0, 1), (29.9, 1), (30, 2), (31, 2), (-1, 2)])
async def test_a_made_up_key_id_costs_one_request_per_cooldown(
    source: RemoteKeys, issuer: KeyServer, clock: FixedClock, later: float, requests: int
) -> None:
    await source.seek("made-up")
    clock.now += later
    for _ in range(20):
        await source.seek("made-up")

    assert requests == len(issuer.requests)


async def test_a_flood_of_made_up_key_ids_costs_few_requests_and_nobody_knows_about_the_rest(
    source: RemoteKeys, issuer: KeyServer, clock: FixedClock
) -> None:
    await source.refresh()
    outcomes = await asyncio.gather(*[source.seek(f"id-{n}") for n in range(500)], return_exceptions=True)
    told = [type(outcome) for outcome in outcomes]

    assert (told.count(KeysUnavailable), told.count(type(None))) == (500 - UNKNOWN_IDS_AT_ONCE, 5)
    assert len(issuer.requests) <= 1 + UNKNOWN_IDS_AT_ONCE
    assert at_hand(source) == KEYS

    issuer.requests.clear()
    for second in range(60):
        clock.now += 1
        for n in range(20):
            with contextlib.suppress(KeysUnavailable):
                await source.seek(f"id-{second}-{n}")
    assert 1 < len(issuer.requests) <= 60 / 30 * UNKNOWN_IDS_AT_ONCE


async def test_a_flood_leaves_room_for_those_whose_key_is_at_hand(
    source: RemoteKeys, issuer: KeyServer, clock: FixedClock
) -> None:
    ring = KeyRing([source])
    ring.begin()
    await source.refresh()
    before = ring.view(clock.now)
    await asyncio.gather(*[source.seek(f"id-{n}") for n in range(500)], return_exceptions=True)

    assert ring.view(clock.now) is before


async def test_a_key_published_a_moment_after_a_fetch_is_found_by_one_more(
    source: RemoteKeys, issuer: KeyServer
) -> None:
    await source.refresh()
    issuer.body = OTHER
    await asyncio.gather(*[source.seek("dev-2") for _ in range(20)])

    assert (len(issuer.requests), at_hand(source)) == (2, parse_keys(OTHER))


async def test_who_seeks_while_an_older_fetch_is_under_way_waits_for_a_newer_one(
    source: RemoteKeys, issuer: KeyServer
) -> None:
    issuer.gate.clear()
    refreshing = asyncio.create_task(source.refresh())
    await issuer.asked.wait()
    seeking = [asyncio.create_task(source.seek("dev-2")) for _ in range(3)]
    await asyncio.sleep(0)
    issuer.publish_after(OTHER)
    issuer.gate.set()
    await asyncio.gather(refreshing, *seeking)

    assert (len(issuer.requests), at_hand(source)) == (2, parse_keys(OTHER))


async def test_during_the_cooldown_after_a_failure_seeking_fails_at_once(
    source: RemoteKeys, issuer: KeyServer
) -> None:
    issuer.status = 503
    for _ in range(3):
        with pytest.raises(KeysUnavailable, match="status 503 instead of 200"):
            await source.seek()

    assert len(issuer.requests) == 1


async def test_a_rotated_key_is_picked_up_by_seeking(
    source: RemoteKeys, issuer: KeyServer, clock: FixedClock
) -> None:
    await source.refresh()
    issuer.body = OTHER
    clock.now += 30
    await source.seek()

    assert parse_keys(OTHER) == at_hand(source)


async def test_a_redirect_is_not_followed(source: RemoteKeys, issuer: KeyServer) -> None:
    issuer.status, issuer.headers["Location"] = 302, "/elsewhere"
    with pytest.raises(KeysUnavailable, match="status 302 instead of 200"):
        await source.refresh()

    assert issuer.requests == ["/keys"]


BAD_BODIES = {
    "empty": b"",
    "HTML": b"<!doctype html><title>Sign in</title>",
    "an array": b"[]",
    "null": b"null",
    "no keys": b'{"keys": []}',
    "not UTF-8": b"\xff\xfe\x00",
    "cut short": OTHER[:-9],
    "too deep": b"[" * 50_000,
    "one byte too large": OTHER.ljust(MAX_BYTES + 1),
    "huge": OTHER.ljust(4 * MAX_BYTES),
    "symmetric": jwks({"kty": "oct", "k": "c2VjcmV0", "kid": "x"}),
    "duplicate ids": jwks(jwk(), jwk("EdDSA")),
    "key_ops null": jwks(jwk(kid="dev-2", key_ops=None)),
    "algorithm none": jwks(jwk(kid="dev-2", alg="none")),
    "private PEM": mint().private_pem(),
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_after_a_bad_answer_the_old_keys_stay(
    source: RemoteKeys, issuer: KeyServer, body: bytes
) -> None:
    await source.refresh()
    issuer.body = body
    with pytest.raises(KeysUnavailable) as caught:
        await source.refresh()

    assert at_hand(source) == KEYS
    assert str(caught.value).startswith(f"keys of {ISSUER}: {issuer.url}: ")


@pytest.mark.parametrize("status", [201, 203, 204, 206, 301, 304, 400, 401, 403, 404, 429, 500, 502, 503])
async def test_only_a_200_gives_keys(source: RemoteKeys, issuer: KeyServer, status: int) -> None:
    issuer.status, issuer.body = status, OTHER if status not in (204, 304) else b""
    with pytest.raises(KeysUnavailable, match=f"status {status} instead of 200"):
        await source.refresh()

    with pytest.raises(KeysUnavailable):
        at_hand(source)


async def test_a_body_of_the_greatest_size_is_read(source: RemoteKeys, issuer: KeyServer) -> None:
    issuer.body = OTHER.ljust(MAX_BYTES)
    await source.refresh()

    assert parse_keys(OTHER) == at_hand(source)


@pytest.mark.parametrize(
    "body", [gzip.compress(OTHER.ljust(64 * MAX_BYTES)), b"no gzip"], ids=["bomb", "garbage"]
)
async def test_a_compressed_answer_is_bounded_too(source: RemoteKeys, issuer: KeyServer, body: bytes) -> None:
    issuer.headers["Content-Encoding"], issuer.body = "gzip", body

    with pytest.raises(KeysUnavailable):
        await source.refresh()


BAD_PEERS = {
    "closes at once": (),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.9\r\n\r\n",),
    "half a head": (HTTP_OK,),
    "body shorter than declared": (HTTP_OK + b"Content-Length: 9999\r\n\r\n", OTHER),
    "broken chunk": (HTTP_OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", OTHER),
    "chunks without end": (HTTP_OK + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"key',),
    "huge field": (HTTP_OK + b"X: " + b"x" * 100_000 + b"\r\n\r\n", OTHER),
    "two lengths": (HTTP_OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", OTHER),
}


@pytest.mark.parametrize("answer", BAD_PEERS.values(), ids=BAD_PEERS.keys())
async def test_a_peer_that_speaks_badly_is_an_outage(clock: FixedClock, answer: tuple[bytes, ...]) -> None:
    async with raw_server(*answer) as url:
        with pytest.raises(KeysUnavailable):
            await RemoteKeys(ISSUER, url, clock, timeout=2).refresh()
