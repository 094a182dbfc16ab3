"""Callers that are known already: until their token dies, and no longer (threats T38 and T39)."""

import math
from typing import cast

import pytest

from proxy.authn.cache import TokenCache
from proxy.backends.base import Backend
from proxy.messages import RequestHead, Slot
from proxy.pipeline import Rules, authenticate
from proxy.policy.callers import Caller
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason
from tests.authn.tokens import ISSUER, KEYS, LEEWAY, NOW, POLICY, TRUST, forged, good, header, signed

CALLER = Caller(ISSUER, ("commercial",), "org-1", valid_until=NOW + 100)


class BareSlotBackend:
    """All that authentication asks of a backend."""

    slots = (Slot(b"x-moratorium-token"),)
    reads: frozenset[bytes] = frozenset()


def head(token: bytes) -> RequestHead:
    return RequestHead(b"POST", b"/", b"HTTP/1.1", ((b"x-moratorium-token", token),))


@pytest.fixture
def rules() -> Rules:
    return Rules(cast("Backend", BareSlotBackend()), POLICY, {ISSUER: TRUST})


def test_an_unknown_token_is_a_miss() -> None:
    cache = TokenCache()

    assert cache.get(b"a.b.c", NOW) is None
    assert (cache.hits, cache.misses) == (0, 1)


@pytest.mark.parametrize("later", [0.0, 1.0, 99.0, math.nextafter(NOW + 100, 0) - NOW])
def test_a_caller_is_kept_until_his_token_dies(later: float) -> None:
    cache = TokenCache()
    cache.put(b"a.b.c", CALLER, NOW)

    assert cache.get(b"a.b.c", NOW + later) == CALLER
    assert (cache.hits, cache.misses) == (1, 0)


@pytest.mark.parametrize("later", [100.0, 101.0, 1e9])
def test_a_caller_is_gone_at_the_instant_his_token_dies(later: float) -> None:
    cache = TokenCache()
    cache.put(b"a.b.c", CALLER, NOW)

    assert cache.get(b"a.b.c", NOW + later) is None


def test_a_clock_that_steps_back_behind_the_keeping_finds_nothing() -> None:
    cache = TokenCache()
    cache.put(b"a.b.c", CALLER, NOW)

    assert cache.get(b"a.b.c", math.nextafter(NOW, 0)) is None
    assert cache.get(b"a.b.c", NOW) == CALLER


def test_a_clock_that_steps_back_does_not_revive_the_dead() -> None:
    cache = TokenCache()
    cache.put(b"a.b.c", CALLER, NOW)
    cache.get(b"a.b.c", NOW + 100)

    assert cache.get(b"a.b.c", NOW - 1) is None


def test_a_token_that_is_dead_already_is_not_kept() -> None:
    cache = TokenCache()
    cache.put(b"a.b.c", CALLER, NOW + 100)

    assert cache.get(b"a.b.c", NOW + 100) is None
    assert repr(cache) == "<TokenCache 0 of 10000>"


def test_a_later_keeping_replaces_the_earlier() -> None:
    cache = TokenCache()
    other = Caller(ISSUER, ("police",), valid_until=NOW + 50)
    cache.put(b"a.b.c", CALLER, NOW)
    cache.put(b"a.b.c", other, NOW + 1)

    assert other == cache.get(b"a.b.c", NOW + 2)
    assert cache.get(b"a.b.c", NOW + 50) is None


def test_its_size_is_bounded() -> None:
    cache = TokenCache(2)
    for name in (b"a", b"b", b"c"):
        cache.put(name, CALLER, NOW)

    assert repr(cache) == "<TokenCache 2 of 2>"
    assert cache.get(b"c", NOW) == CALLER


def test_clear_forgets_everybody() -> None:
    cache = TokenCache()
    cache.put(b"a.b.c", CALLER, NOW)
    cache.clear()

    assert cache.get(b"a.b.c", NOW) is None
    assert repr(cache) == "<TokenCache 0 of 10000>"


def test_a_good_token_is_verified_once(rules: Rules) -> None:
    token = good()
    first = authenticate(head(token), rules, {ISSUER: KEYS}, NOW)

    assert isinstance(first, Caller)
    assert first == authenticate(head(token), rules, {}, NOW)  # without a key: only the cache can know
    assert (rules.tokens.hits, rules.tokens.misses) == (1, 1)


def test_a_kept_token_still_expires(rules: Rules) -> None:
    token = good()
    authenticate(head(token), rules, {ISSUER: KEYS}, NOW)

    assert isinstance(authenticate(head(token), rules, {ISSUER: KEYS}, NOW + 299 + LEEWAY), Caller)
    assert Refusal(Reason.TOKEN_EXPIRED) == authenticate(
        head(token), rules, {ISSUER: KEYS}, NOW + 300 + LEEWAY
    )


@pytest.mark.parametrize(
    "token",
    [good(exp=1), good(org_type="army"), forged(header(), {"iss": ISSUER}), b"a.b.c", good(aud="other")],
    ids=["expired", "unknown type", "forged", "malformed", "other audience"],
)
def test_a_refused_token_is_not_kept(token: bytes, rules: Rules) -> None:
    refusal = authenticate(head(token), rules, {ISSUER: KEYS}, NOW)

    assert isinstance(refusal, Refusal)
    assert refusal == authenticate(head(token), rules, {ISSUER: KEYS}, NOW)
    assert repr(rules.tokens) == "<TokenCache 0 of 10000>"


def test_another_signature_over_the_same_claims_is_another_token(rules: Rules) -> None:
    token = good()
    authenticate(head(token), rules, {ISSUER: KEYS}, NOW)
    text, _, _ = token.rpartition(b".")
    _, _, stranger = good(jti="x").rpartition(b".")

    assert Refusal(Reason.TOKEN_SIGNATURE) == authenticate(
        head(text + b"." + stranger), rules, {ISSUER: KEYS}, NOW
    )


def test_tokens_that_share_id_and_subject_are_kept_apart(rules: Rules) -> None:
    tokens = {kind: good(jti="1", sub="u", org_type=kind) for kind in ("police", "commercial")}
    for _ in range(2):
        for kind, token in tokens.items():
            caller = authenticate(head(token), rules, {ISSUER: KEYS}, NOW)

            assert isinstance(caller, Caller)
            assert (kind,) == caller.org_types


def test_of_a_token_only_its_digest_is_kept(rules: Rules) -> None:
    token = signed(header(), {"iss": ISSUER, "aud": "face-api", "exp": int(NOW) + 9, "org_type": "police"})
    authenticate(head(token), rules, {ISSUER: KEYS}, NOW)

    assert token not in vars(rules.tokens)["_entries"]
