"""Whatever is sent, `verify` answers with a value; and only what the issuer signed gives a caller."""

import functools
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from proxy.authn.bearer import find_token
from proxy.authn.keyset import KeySet, parse_keys
from proxy.authn.verifier import NeedKey, verify
from proxy.errors import KeySetInvalid
from proxy.messages import RequestHead, Slot
from proxy.policy.callers import LEVELS, Caller
from proxy.policy.model import Refusal
from proxy.testing import Algorithm
from tests.authn.tokens import (
    DETAILED,
    ISSUER,
    KEYS,
    LEEWAY,
    NOW,
    POLICY,
    TRUST,
    claims,
    forged,
    header,
    jwk,
    jwks,
    mint,
    part,
    signed,
)

quick = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)

CLAIMS = (
    "iss", "aud", "exp", "nbf", "iat", "jti", "sub", "org_type", "org_id", "org_subtype", "org_level",
    "jurisdiction", "subject_jurisdiction", "place_jurisdiction", "org_path", "on_behalf_of", "act",
    "authorization_details", "purpose", "case_id", "media", "type", "id", "issued_at", "classes", "purposes",
)  # fmt: skip
claim_names = st.sampled_from(CLAIMS)
numbers = st.integers() | st.integers(-(10**400), 10**400) | st.floats(allow_nan=False, allow_infinity=False)
WORDS = ("police", "sheriff", "state", "US-MA", "warrant", "search", "missing-child", "camera", "pd-7")
texts = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(WORDS)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        | st.dictionaries(claim_names, inner, max_size=4)
    ),
)
header_names = st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "jku", "x5c", "b64", "zip", "x"])
headers = st.dictionaries(header_names, values, max_size=3)
payloads = st.dictionaries(claim_names, values, max_size=4)

NAMES: tuple[Algorithm, ...] = ("RS256", "ES256", "EdDSA")
THREE_KEYS = parse_keys(jwks(*[jwk(name, kid=name) for name in NAMES]))


@functools.cache
def good_token(algorithm: Algorithm) -> bytes:
    return signed(
        header(alg=algorithm, kid=algorithm), claims(), key=mint(algorithm).key, algorithm=algorithm
    )


spelt = st.from_regex(rb"[A-Za-z0-9_=.-]{0,8}", fullmatch=True)


def ask(token: bytes, keys: KeySet = KEYS) -> Caller | Refusal | NeedKey:
    return verify(token, {ISSUER: TRUST}, {ISSUER: keys}, DETAILED, NOW)


@given(st.binary(max_size=400))
@quick
def test_arbitrary_bytes_never_raise_and_never_give_a_caller(token: bytes) -> None:
    assert isinstance(ask(token), Refusal)


@given(st.lists(st.binary(max_size=60).map(part), min_size=3, max_size=3))
@quick
def test_three_well_spelt_parts_of_nonsense_are_refused(parts: list[bytes]) -> None:
    assert isinstance(ask(b".".join(parts)), Refusal)


@given(headers, payloads, st.binary(min_size=1, max_size=70))
@quick
def test_arbitrary_headers_over_a_forged_signature_never_give_a_caller(
    head: dict[str, Any], body: dict[str, Any], signature: bytes
) -> None:
    assert isinstance(ask(forged(header(**head), claims(**body), signature)), Refusal | NeedKey)


@given(payloads)
@example({"exp": 10**400})
@quick
def test_whatever_the_issuer_signs_gets_an_answer(body: dict[str, Any]) -> None:
    outcome = ask(signed(header(), claims(**body)))

    assert isinstance(outcome, Caller | Refusal)
    if isinstance(outcome, Caller):
        for _, principal in outcome.principals():
            assert POLICY.org_types.issuperset(principal.org_types)
            assert principal.org_subtype is None or principal.org_subtype in POLICY.org_subtypes
            assert principal.level is None or principal.level in LEVELS
        assert all(value in DETAILED.circumstances[name] for name, value in outcome.circumstances)
        assert outcome.issuer == ISSUER
        assert outcome.valid_until > NOW


@pytest.mark.parametrize("algorithm", NAMES)
@given(data=st.data())
@quick
def test_a_good_token_with_any_change_is_not_good(algorithm: Algorithm, data: st.DataObject) -> None:
    token = good_token(algorithm)
    start = data.draw(st.integers(0, len(token)), "from")
    end = data.draw(st.integers(start, min(len(token), start + 8)), "to")
    filling = data.draw(st.binary(max_size=8) | spelt, "put")

    changed = token[:start] + filling + token[end:]

    assert isinstance(ask(changed, THREE_KEYS), Caller) == (changed == token)


@pytest.mark.parametrize("algorithm", NAMES)
def test_no_single_bit_of_a_good_token_can_be_turned(algorithm: Algorithm) -> None:
    token = good_token(algorithm)
    for place in range(len(token)):
        for bit in range(8):
            changed = bytearray(token)
            changed[place] ^= 1 << bit

            assert not isinstance(ask(bytes(changed), THREE_KEYS), Caller)


@pytest.mark.parametrize("algorithm", NAMES)
@given(
    org_types=st.lists(st.sampled_from(sorted(POLICY.org_types)), min_size=1, max_size=3, unique=True),
    org_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,30}", fullmatch=True),
    case_id=st.text(min_size=1, max_size=40).filter(str.strip),
    life=st.floats(-LEEWAY, 1e6, exclude_min=True),
    extra=st.dictionaries(st.text(max_size=8).map("x-".__add__), values, max_size=3),
)
@quick
def test_every_good_token_is_accepted(
    algorithm: Algorithm, org_types: list[str], org_id: str, case_id: str, life: float, extra: dict[str, Any]
) -> None:
    exp = NOW + life
    body = claims(org_type=org_types, org_id=org_id, case_id=case_id, exp=exp, **extra)
    token = signed(header(alg=algorithm, kid=algorithm), body, key=mint(algorithm).key, algorithm=algorithm)
    outcome = ask(token, THREE_KEYS)

    if exp + LEEWAY > NOW:  # a life that the addition rounds away is none
        assert isinstance(outcome, Caller)
        assert (outcome.org_types, outcome.org_id) == (tuple(org_types), org_id)


SLOTS = (Slot(b"x-moratorium-token"), Slot(b"authorization", b"Bearer"))
field_names = st.sampled_from([b"authorization", b"x-moratorium-token", b"cookie"])
field_values = st.binary(max_size=20) | st.binary(max_size=9).map(b"Bearer ".__add__)


@given(st.lists(st.tuples(field_names, field_values), max_size=4))
@quick
def test_a_token_is_found_only_where_no_slot_is_sent_twice(lines: list[tuple[bytes, bytes]]) -> None:
    head = RequestHead(b"GET", b"/", b"HTTP/1.1", tuple(lines))
    outcome = find_token(head, SLOTS)

    if isinstance(outcome, bytes):
        assert all(len(head.values(slot.header)) <= 1 for slot in SLOTS)
        assert outcome in [value.removeprefix(b"Bearer ") for name, value in lines if name != b"cookie"] or (
            outcome in head.values(b"x-moratorium-token")
        )


key_members = st.sampled_from([*jwk("RS256"), *jwk(), "key_ops", "d", "k"])
key_sets = st.lists(st.dictionaries(key_members, values, max_size=3), max_size=3)


@given(st.binary(max_size=80) | key_sets.map(lambda sets: jwks(*[{**jwk(), **more} for more in sets])))
@example(jwks({**jwk(), "key_ops": None}))
@example(jwks({**jwk(), "alg": "none"}))
@quick
def test_a_key_set_is_read_or_is_invalid(content: bytes) -> None:
    try:
        keys = parse_keys(content).keys
    except KeySetInvalid:
        return

    assert keys
    assert all(key.algorithms for key in keys)
