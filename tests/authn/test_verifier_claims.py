"""Issuer, audience and times: exact strings, finite numbers, half-open intervals (threats T33 and T34)."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from proxy.authn.standing import Revoked, Standing
from proxy.authn.verifier import NeedKey, verify
from proxy.policy.callers import Caller
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason
from tests.authn.tokens import (
    AUDIENCE,
    ISSUER,
    KEYS,
    LEEWAY,
    NOW,
    POLICY,
    TRUST,
    claims,
    forged,
    good,
    header,
    judged,
    signed,
    without,
)

CALLER = Caller(ISSUER, ("commercial",), "org-1", valid_until=NOW + 300 + LEEWAY)

ISSUERS: dict[str, Any] = {
    "another": "https://evil.test",
    "prefix": ISSUER[:-1],
    "suffix": ISSUER[1:],
    "longer": ISSUER + ".evil.test",
    "slash": ISSUER + "/",
    "path": ISSUER + "/x",
    "user part": "https://issuer.test@evil.test",
    "upper case": ISSUER.upper(),
    "http": ISSUER.replace("https", "http"),
    "space": ISSUER + " ",
    "NUL": ISSUER + "\x00",
    "Cyrillic": ISSUER.replace("i", "і"),
    "full-width dot": ISSUER.replace(".", "\uff0e"),
    "empty": "",
    "null": None,
    "true": True,
    "number": 0,
    "list": [ISSUER],
    "list of two": [ISSUER, "https://evil.test"],
    "object": {"iss": ISSUER},
}


@pytest.mark.parametrize("issuer", ISSUERS.values(), ids=ISSUERS.keys())
def test_an_issuer_that_is_not_exactly_ours_is_refused(issuer: Any) -> None:
    assert judged(good(iss=issuer)) == Reason.TOKEN_ISSUER
    assert judged(forged(header(kid="unknown"), claims(iss=issuer))) == Reason.TOKEN_ISSUER


def test_a_token_without_an_issuer_is_refused() -> None:
    assert judged(signed(header(), without(claims(), "iss"))) == Reason.TOKEN_ISSUER


@pytest.mark.parametrize(
    "audience", [AUDIENCE, [AUDIENCE], ["other", AUDIENCE], [AUDIENCE, AUDIENCE], "second"], ids=str
)
def test_any_one_of_the_audiences_will_do(audience: Any) -> None:
    trust = replace(TRUST, audiences=frozenset({AUDIENCE, "second"}))

    assert judged(good(aud=audience), trust) == CALLER


@pytest.mark.parametrize(
    "audience",
    [
        "other",
        "face",
        "face-api-2",
        "x-face-api",
        "FACE-API",
        "face-api ",
        "",
        "face-api,other",
        [],
        ["other"],
        ["face"],
    ],
    ids=str,
)
def test_another_audience_is_refused(audience: Any) -> None:
    assert judged(good(aud=audience)) == Reason.TOKEN_AUDIENCE


@pytest.mark.parametrize(
    "audience",
    [None, True, 7, {AUDIENCE: 1}, [[AUDIENCE]], [AUDIENCE, None], [AUDIENCE, {}], [AUDIENCE, 1]],
    ids=str,
)
def test_an_audience_of_another_shape_is_a_bad_claim(audience: Any) -> None:
    assert judged(good(aud=audience)) == Reason.TOKEN_CLAIMS


def test_a_token_without_an_audience_is_a_bad_claim() -> None:
    assert judged(signed(header(), without(claims(), "aud"))) == Reason.TOKEN_CLAIMS


def test_a_trust_without_audiences_trusts_nobody() -> None:
    assert judged(good(), replace(TRUST, audiences=frozenset())) == Reason.TOKEN_AUDIENCE


def with_time(name: str, literal: str) -> bytes:
    """A signed token in which one time is this JSON text."""
    text = json.dumps(without(claims(), name))[:-1] + f', "{name}": {literal}}}'
    return signed(header(), text.encode())


NO_TIME = {
    **{text: text for text in ("null", "true", "false", '"1800000300"', '" 1800000300"', '""', "[]", "{}")},
    **{text: text for text in ("[1800000300]", '"NaN"', '{"exp":1800000300}', "1e400", "-1e400", "1e300")},
    "the year 10000": "253402300800",
    "milliseconds": "1800000300000",
    "20 digits": "1" * 20,
    "400 digits": "1" * 400,
    "400 digits, negative": "-" + "1" * 400,
    "4000 digits": "1" * 4000,
}


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("literal", NO_TIME.values(), ids=NO_TIME.keys())
def test_a_time_that_no_clock_shows_is_a_bad_claim(name: str, literal: str) -> None:
    assert judged(with_time(name, literal)) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "literal", ["NaN", "Infinity", "-Infinity", "1" * 5000, "0x7", "1_000", "01", ".5", "+1"]
)
def test_a_time_that_is_no_json_number_is_malformed(name: str, literal: str) -> None:
    assert judged(with_time(name, literal)) == Reason.TOKEN_MALFORMED


def test_a_token_without_exp_is_refused() -> None:
    assert judged(signed(header(), without(claims(), "exp"))) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize(
    "literal", ["0", "-0", "-1", "-253402300799", "1e-300", "1", "1799999970", "1.79999997e9"]
)
def test_a_time_long_gone_is_expired(literal: str) -> None:
    assert judged(with_time("exp", literal)) == Reason.TOKEN_EXPIRED


def test_the_last_second_of_the_year_9999_is_a_time() -> None:
    assert isinstance(judged(good(exp=253402300799)), Caller)


@pytest.mark.parametrize("exp", [NOW + 300, NOW + 0.5, NOW])
@pytest.mark.parametrize("leeway", [0.0, 0.25, 30.0, 60.0])
def test_a_token_is_good_until_just_before_its_end(exp: float, leeway: float) -> None:
    end, trust = exp + leeway, replace(TRUST, leeway=leeway)
    token = signed(header(), without(claims(exp=exp), "iat"))

    assert judged(token, trust, now=math.nextafter(end, 0)) == CALLER._replace(valid_until=end)
    assert judged(token, trust, now=end) == Reason.TOKEN_EXPIRED
    assert judged(token, trust, now=math.nextafter(end, math.inf)) == Reason.TOKEN_EXPIRED


@pytest.mark.parametrize("name", ["nbf", "iat"])
@pytest.mark.parametrize("leeway", [0.0, 0.25, 30.0, 60.0])
def test_a_token_is_good_from_its_first_instant_on(name: str, leeway: float) -> None:
    start, trust = NOW + 100 - leeway, replace(TRUST, leeway=leeway)
    token = good(**{name: NOW + 100})

    assert isinstance(judged(token, trust, now=start), Caller)
    assert judged(token, trust, now=math.nextafter(start, 0)) == Reason.TOKEN_NOT_YET_VALID


def test_neither_nbf_nor_iat_is_needed() -> None:
    assert judged(signed(header(), without(claims(), "iat"))) == CALLER


def test_the_signature_is_judged_before_the_claims() -> None:
    for changes in ({"exp": 1}, {"aud": "other"}, {"nbf": 9e9}, {"org_type": "army"}, {"exp": None}):
        assert judged(forged(header(), claims(**changes))) == Reason.TOKEN_SIGNATURE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"org_type": "army"}, Reason.ORG_TYPE_UNKNOWN),
        ({"org_type": None}, Reason.TOKEN_CLAIMS),
        ({"purpose": "fun"}, Reason.PURPOSE_UNKNOWN),
        ({"org_id": 7}, Reason.TOKEN_CLAIMS),
    ],
    ids=str,
)
def test_a_verified_token_can_still_fail_to_name_a_caller(changes: dict[str, Any], reason: Reason) -> None:
    assert judged(good(**changes)) == reason


def test_a_refusal_never_quotes_the_token() -> None:
    for name in ("aud", "exp", "nbf", "org_type", "org_id", "purpose", "case_id"):
        refusal = verify(good(**{name: ["sesame", {}]}), {ISSUER: TRUST}, {ISSUER: KEYS}, POLICY, NOW)

        assert isinstance(refusal, Refusal)
        assert "sesame" not in repr(refusal)


REVOKED = {
    "token": Revoked(tokens={ISSUER: {"t-1": NOW}}),
    "subject": Revoked(subjects={ISSUER: {"u-1": NOW}}),
    "organisation": Revoked(organisations={ISSUER: {"org-1": NOW}}),
}


@pytest.mark.parametrize("revoked", REVOKED.values(), ids=REVOKED.keys())
def test_what_else_is_known_of_a_verified_token_is_asked_last(revoked: Revoked) -> None:
    standing = Standing(revoked=revoked)

    def at(now: float, token: bytes) -> Caller | Refusal | NeedKey:
        return verify(token, {ISSUER: TRUST}, {ISSUER: KEYS}, POLICY, now, standing=standing)

    before = at(NOW - 1, good(jti="t-1", sub="u-1"))

    refusal = at(NOW, good(jti="t-1", sub="u-1"))
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.caller and refusal.caller.org_id) == (Reason.TOKEN_REVOKED, "org-1")
    assert at(NOW, good(jti="t-1", sub="u-1", aud="other")) == Refusal(Reason.TOKEN_AUDIENCE)
    assert isinstance(before, Caller)
    assert before.valid_until == NOW


def test_an_issuer_without_usable_keys_is_asked_for_one() -> None:
    outcome = verify(good(), {ISSUER: TRUST}, {}, POLICY, NOW)

    assert isinstance(outcome, NeedKey)
    assert outcome.issuer == ISSUER


def test_a_refusal_of_an_issuers_word_says_whose_token_it_was() -> None:
    trust = replace(TRUST, org_types=frozenset({"police"}))

    refusal = verify(good(), {ISSUER: trust}, {ISSUER: KEYS}, POLICY, NOW)

    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.caller and refusal.caller.org_id) == (
        Reason.ORG_TYPE_NOT_ENTITLED,
        "org-1",
    )
