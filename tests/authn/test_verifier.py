"""A token's header and its key: allowed algorithms only, the issuer's own keys only (threats T28 to T31)."""

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proxy.authn.keyset import EMPTY, SUPPORTED, KeySet, parse_keys
from proxy.authn.verifier import NeedKey
from proxy.policy.callers import Caller
from proxy.policy.reasons import Reason
from proxy.testing import Algorithm
from tests.authn.tokens import (
    EVERY_ALGORITHM,
    ISSUER,
    KEYS,
    LEEWAY,
    NOW,
    TRUST,
    claims,
    forged,
    good,
    header,
    hmac_signed,
    judged,
    jwk,
    jwk_of,
    jwks,
    key_for,
    mint,
    part,
    pem,
    private_key,
    signed,
    without,
)

CALLER = Caller(ISSUER, ("commercial",), "org-1", valid_until=NOW + 300 + LEEWAY)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_good_token_gives_its_caller(algorithm: Algorithm) -> None:
    keys = parse_keys(json.dumps(mint(algorithm).jwks()).encode())

    assert judged(mint(algorithm).token().encode(), keys=keys) == CALLER


def test_every_algorithm_of_the_table_is_tried_here() -> None:
    assert EVERY_ALGORITHM == SUPPORTED


@pytest.mark.parametrize("algorithm", EVERY_ALGORITHM)
def test_each_algorithm_works_when_it_is_allowed_and_only_then(algorithm: str) -> None:
    key = key_for(algorithm)
    keys = parse_keys(jwks(jwk_of(key.public_key())))
    token = signed(header(alg=algorithm, kid="k1"), claims(), key=key, algorithm=algorithm)

    assert judged(token, replace(TRUST, algorithms=frozenset({algorithm})), keys) == CALLER
    others = frozenset(EVERY_ALGORITHM) - {algorithm}
    assert judged(token, replace(TRUST, algorithms=others), keys) == Reason.TOKEN_ALGORITHM


NO_ALGORITHM: dict[str, Any] = {
    **{
        name: name for name in ("none", "None", "NONE", "nOnE", "none ", " none", "non\u0435", "ｎｏｎｅ", "")
    },
    **{
        name: name
        for name in ("rs256", "es256", "Es256", "ES256 ", "ES256\x00", "ES\u200b256", "ЕS256", "EDDSA")
    },
    **{
        name: name
        for name in ("HS256", "HS384", "HS512", "hs256", "ES256K", "ES512", "PS256", "RSA-OAEP", "dir")
    },
    "null": None,
    "false": False,
    "zero": 0,
    "list of none": ["none"],
    "list of a good one": ["ES256"],
    "list of two": ["none", "ES256"],
    "empty list": [],
    "object": {"alg": "ES256"},
}


@pytest.mark.parametrize("algorithm", NO_ALGORITHM.values(), ids=map(ascii, NO_ALGORITHM))
def test_an_algorithm_that_is_not_exactly_one_allowed_is_refused(algorithm: Any) -> None:
    assert judged(signed(header(alg=algorithm), claims())) == Reason.TOKEN_ALGORITHM
    assert judged(forged(header(alg=algorithm), claims())) == Reason.TOKEN_ALGORITHM


def test_a_header_without_an_algorithm_is_refused() -> None:
    assert judged(signed(without(header(), "alg"), claims())) == Reason.TOKEN_ALGORITHM


def test_a_token_without_a_signature_is_malformed() -> None:
    assert judged(part(header(alg="none")) + b"." + part(claims()) + b".") == Reason.TOKEN_MALFORMED


SECRETS = {
    "PEM": pem(mint("RS256").key.public_key()),
    "PEM without its last line feed": pem(mint("RS256").key.public_key()).strip(),
    "PEM with CRLF": pem(mint("RS256").key.public_key()).replace(b"\n", b"\r\n"),
    "PKCS 1": pem(mint("RS256").key.public_key(), PublicFormat.PKCS1),
    "DER": mint("RS256").key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "JWK": json.dumps(jwk("RS256")).encode(),
    "JWK set": jwks(jwk("RS256")),
    "modulus": jwk("RS256")["n"].encode(),
    "key id": b"dev-1",
    "empty": b"",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize(
    ("claimed", "reason"),
    [("HS256", Reason.TOKEN_ALGORITHM), ("HS512", Reason.TOKEN_ALGORITHM), ("RS256", Reason.TOKEN_SIGNATURE)],
)
def test_the_public_key_is_never_a_shared_secret(secret: bytes, claimed: str, reason: Reason) -> None:
    digest = "sha512" if claimed == "HS512" else "sha256"
    token = hmac_signed(header(alg=claimed), claims(), secret, digest)

    assert judged(token, keys=parse_keys(jwks(jwk("RS256")))) == reason


@pytest.mark.parametrize("algorithm", ["HS256", "none", "ES256K"])
def test_even_if_the_settings_allowed_it_no_key_would_fit(algorithm: str) -> None:
    trust = replace(TRUST, algorithms=frozenset({algorithm}))
    token = hmac_signed(header(alg=algorithm), claims(), SECRETS["PEM"])

    assert judged(token, trust) == Reason.TOKEN_ALGORITHM
    assert KEYS.find("dev-1", algorithm) == []


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
def test_a_key_of_another_kind_is_never_tried(algorithm: str) -> None:
    assert judged(signed(header(alg=algorithm), claims())) == NeedKey(ISSUER, "dev-1")


def test_a_key_that_names_its_algorithm_verifies_no_other() -> None:
    key = private_key("RSA-2048")
    keys = parse_keys(jwks(jwk_of(key.public_key(), alg="PS256")))
    token = signed(header(alg="RS256", kid="k1"), claims(), key=key, algorithm="RS256")

    assert judged(token, keys=keys) == NeedKey(ISSUER, "k1")


KIDS = {
    "traversal": "../../../../dev/null",
    "SQL": "x' UNION SELECT 'key' -- ",
    "shell": "$(id)|id;`id`",
    "URL": "https://evil.test/keys.json",
    "file URL": "file:///dev/null",
    "NUL": "dev-1\x00",
    "space": "dev-1 ",
    "another case": "DEV-1",
    "empty": "",
    "lone surrogate": "\ud800",
    "5 KiB": "k" * 5120,
}


@pytest.mark.parametrize("kid", KIDS.values(), ids=KIDS.keys())
def test_a_made_up_key_id_is_only_ever_compared(kid: str) -> None:
    assert judged(signed(header(kid=kid), claims())) == NeedKey(ISSUER, kid)


@pytest.mark.parametrize("kid", [0, 1, True, 1.5, [], ["dev-1"], {}, {"dev-1": 1}], ids=str)
def test_a_key_id_of_another_type_is_malformed(kid: Any) -> None:
    assert judged(signed(header(kid=kid), claims())) == Reason.TOKEN_MALFORMED


@pytest.mark.parametrize("head", [without(header(), "kid"), header(kid=None)], ids=["missing", "null"])
def test_without_a_key_id_the_only_key_is_taken(head: dict[str, Any]) -> None:
    two = parse_keys(jwks(jwk(), jwk_of(private_key("P-256").public_key())))

    assert judged(signed(head, claims())) == CALLER
    assert judged(signed(head, claims()), keys=two) == NeedKey(ISSUER, None)


@pytest.mark.parametrize("keys", [EMPTY, parse_keys(jwks(jwk(kid="dev-2")))], ids=["none", "another"])
def test_a_key_that_is_not_at_hand_is_asked_for(keys: KeySet) -> None:
    assert judged(good(), keys=keys) == NeedKey(ISSUER, "dev-1")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("crit", ["exp"], Reason.TOKEN_CRITICAL),
        ("crit", [], Reason.TOKEN_CRITICAL),
        ("crit", None, Reason.TOKEN_CRITICAL),
        ("crit", ["b64"], Reason.TOKEN_CRITICAL),
        ("b64", False, Reason.TOKEN_CRITICAL),
        ("b64", True, Reason.TOKEN_CRITICAL),
        ("jwk", jwk_of(private_key("P-256").public_key()), Reason.TOKEN_KEY_INCLUDED),
        ("jku", "https://issuer.test/keys", Reason.TOKEN_KEY_INCLUDED),
        ("x5u", "https://issuer.test/cert", Reason.TOKEN_KEY_INCLUDED),
        ("x5c", ["MIIB"], Reason.TOKEN_KEY_INCLUDED),
        ("jwk", None, Reason.TOKEN_KEY_INCLUDED),
        ("cty", "JWT", Reason.TOKEN_NESTED),
        ("zip", "DEF", Reason.TOKEN_NESTED),
        ("enc", "A256GCM", Reason.TOKEN_NESTED),
    ],
    ids=str,
)
def test_a_header_that_asks_for_more_is_refused_for_what_it_asks(
    name: str, value: Any, reason: Reason
) -> None:
    strangers = private_key("P-256")
    for head in (header(**{name: value}), header(**{name: value}, pad="x" * 600)):  # kept, and not kept
        assert judged(signed(head, claims())) == reason
        assert judged(signed(head, claims(), key=strangers)) == reason
        assert judged(signed({**head, "alg": "none"}, claims())) == reason


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("enc", "jwk", "crit"), Reason.TOKEN_CRITICAL),
        (("cty", "x5c"), Reason.TOKEN_KEY_INCLUDED),
    ],
    ids=str,
)
def test_of_several_faults_in_a_header_the_gravest_is_named(names: tuple[str, ...], reason: Reason) -> None:
    assert judged(signed(header(**dict.fromkeys(names, 1)), claims())) == reason


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/jwt"])
def test_an_access_token_may_say_that_it_is_one(kind: str) -> None:
    assert judged(signed(header(typ=kind), claims())) == CALLER


def test_a_token_need_not_say_its_type() -> None:
    assert judged(signed(without(header(), "typ"), claims())) == CALLER


OTHER_TYPES: list[Any] = [
    "dpop+jwt", "logout+jwt", "secevent+jwt", "id_token+jwt", "JWE", "JOSE", "JWT ", "application/", "",
    "application/application/jwt", "at+\u200bjwt", "a\uff54+jwt", None, 1, True, ["JWT"], {},
]  # fmt: skip


@pytest.mark.parametrize("kind", OTHER_TYPES, ids=ascii)
def test_a_token_of_another_type_is_refused(kind: Any) -> None:
    assert judged(signed(header(typ=kind), claims())) == Reason.TOKEN_TYPE
    assert judged(forged(header(typ=kind), claims())) == Reason.TOKEN_TYPE


def test_an_issuer_can_be_held_to_types_of_its_own() -> None:
    trust = replace(TRUST, token_types=frozenset({"application/Face+JWT"}))

    assert judged(signed(header(typ="face+jwt"), claims()), trust) == CALLER
    for head in (header(), header(typ="at+jwt"), without(header(), "typ")):
        assert judged(signed(head, claims()), trust) == Reason.TOKEN_TYPE


STRICT = replace(TRUST, token_types=frozenset({"at+jwt"}))
ACCESS = {"sub": "u-1", "client_id": "c-1", "jti": "t-1"}


def access_token(body: dict[str, Any]) -> bytes:
    return signed(header(typ="at+jwt"), body)


def test_an_issuer_can_be_held_to_access_tokens() -> None:
    assert judged(access_token(claims(**ACCESS)), STRICT) == CALLER
    for head in (header(), without(header(), "typ")):
        assert judged(signed(head, claims(**ACCESS)), STRICT) == Reason.TOKEN_TYPE


@pytest.mark.parametrize("name", ["sub", "client_id", "jti", "iat", "exp", "aud"])
def test_an_access_token_lacks_nothing_that_its_standard_demands(name: str) -> None:
    assert judged(access_token(without(claims(**ACCESS), name)), STRICT) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("name", ["sub", "client_id", "jti"])
def test_an_access_token_says_nothing_with_an_empty_string(name: str) -> None:
    assert judged(access_token(claims(**{**ACCESS, name: ""})), STRICT) == Reason.TOKEN_CLAIMS


def test_an_access_token_without_an_issuer_is_nobodys() -> None:
    assert judged(access_token(without(claims(**ACCESS), "iss")), STRICT) == Reason.TOKEN_ISSUER


@pytest.mark.parametrize("name", ["jti", "sub", "client_id"])
@pytest.mark.parametrize("value", [None, True, 7, 1.5, [], ["t-1"], {}], ids=ascii)
def test_an_id_that_is_no_string_is_a_bad_claim(name: str, value: Any) -> None:
    assert judged(good(**{name: value})) == Reason.TOKEN_CLAIMS
