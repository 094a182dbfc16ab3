"""Which keys of an issuer are usable, for what, and how a token's header finds one (threat T40)."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proxy.authn.keyset import EMPTY, parse_keys
from proxy.errors import KeySetInvalid
from tests.authn.tokens import b64, jwk, jwk_of, jwks, mint, pem, private_key, without

RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
KINDS = {
    "RSA-2048": RSA,
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": frozenset({"EdDSA"}),
}


def public(kind: str) -> Any:
    return private_key(kind).public_key()


@pytest.mark.parametrize(("kind", "algorithms"), KINDS.items(), ids=KINDS.keys())
def test_a_published_key_verifies_what_fits_its_kind(kind: str, algorithms: frozenset[str]) -> None:
    (key,) = parse_keys(jwks(jwk_of(public(kind)))).keys

    assert ("k1", algorithms) == (key.kid, key.algorithms)
    assert public(kind) == key.public


@pytest.mark.parametrize(("kind", "algorithms"), KINDS.items(), ids=KINDS.keys())
def test_a_pem_key_verifies_what_fits_its_kind_under_any_id(kind: str, algorithms: frozenset[str]) -> None:
    (key,) = parse_keys(b"\n" + pem(public(kind))).keys

    assert (None, algorithms) == (key.kid, key.algorithms)


def test_a_single_jwk_is_a_set_of_one() -> None:
    assert parse_keys(jwks(jwk())) == parse_keys(json.dumps(jwk()).encode())


def test_a_pem_file_may_hold_several_keys_and_the_older_rsa_form() -> None:
    keys = parse_keys(pem(public("RSA-2048"), PublicFormat.PKCS1) + pem(public("P-256"))).keys

    assert [public("RSA-2048"), public("P-256")] == [key.public for key in keys]


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("RSA-2048", name) for name in sorted(RSA)] + [("P-256", "ES256"), ("Ed25519", "EdDSA")],
)
def test_a_keys_own_algorithm_leaves_no_other(kind: str, algorithm: str) -> None:
    (key,) = parse_keys(jwks(jwk_of(public(kind), alg=algorithm))).keys

    assert {algorithm} == key.algorithms


@pytest.mark.parametrize(
    "members", [{"use": "sig"}, {"key_ops": ["verify"]}, {"key_ops": ["sign", "verify"]}], ids=str
)
def test_a_key_that_says_it_verifies_is_usable(members: dict[str, Any]) -> None:
    assert len(parse_keys(jwks(jwk_of(public("P-256"), **members))).keys) == 1


OKP = {"kty": "OKP", "kid": "k1"}
X25519 = b64(x25519.X25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
UNUSABLE: dict[str, Any] = {
    "RSA of 1024 bits": jwk_of(public("RSA-1024")),
    "RSA one byte short of 2048 bits": jwk_of(public("RSA-2040")),
    "for encryption": jwk_of(public("RSA-2048"), use="enc"),
    "use of another type": jwk_of(public("RSA-2048"), use=["sig"]),
    "use null": jwk_of(public("RSA-2048"), use=None),
    "for signing only": jwk_of(public("P-256"), key_ops=["sign"]),
    "for nothing": jwk_of(public("P-256"), key_ops=[]),
    "key_ops null": jwk_of(public("P-256"), key_ops=None),
    "key_ops a number": jwk_of(public("P-256"), key_ops=5),
    "key_ops a string": jwk_of(public("P-256"), key_ops="verify"),
    "symmetric": {
        "kty": "oct",
        "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA",
        "kid": "k1",
        "alg": "HS256",
    },
    "symmetric and empty": {"kty": "oct", "k": "", "kid": "k1"},
    "symmetric and called RSA": {"kty": "RSA", "k": "c2VjcmV0", "kid": "k1", "alg": "HS256"},
    "private RSA": jwk_of(private_key("RSA-2048")),
    "private EC": jwk_of(private_key("P-256")),
    "private Ed25519": jwk_of(private_key("Ed25519")),
    "curve below its algorithm": jwk_of(public("P-256"), alg="ES384"),
    "curve above its algorithm": jwk_of(public("P-384"), alg="ES256"),
    "curve named wrongly": jwk_of(public("P-256"), crv="P-384"),
    "point off the curve": jwk_of(public("P-256"), y=jwk_of(public("P-256"))["x"]),
    "EC key for RSA": jwk_of(public("P-256"), alg="RS256"),
    "RSA key for EC": jwk_of(public("RSA-2048"), alg="ES256"),
    "RSA key for HMAC": jwk_of(public("RSA-2048"), alg="HS256"),
    "RSA key for nothing": jwk_of(public("RSA-2048"), alg="none"),
    "EC key for nothing": jwk_of(public("P-256"), alg="none"),
    "RSA key for encryption by algorithm": jwk_of(public("RSA-2048"), alg="RSA-OAEP"),
    "secp256k1": jwk_of(public("secp256k1")),
    "Ed448": jwk_of(public("Ed448")),
    "X25519": {**OKP, "crv": "X25519", "x": X25519},
    "Ed25519 cut short": {**OKP, "crv": "Ed25519", "x": "AA"},
    "without its point": {**OKP, "crv": "Ed25519"},
    "without its modulus": without(jwk_of(public("RSA-2048")), "n"),
    "modulus null": jwk_of(public("RSA-2048"), n=None),
    "modulus no base64": jwk_of(public("RSA-2048"), n="!"),
    "exponent one": jwk_of(public("RSA-2048"), e="AQ"),
    "id a number": jwk_of(public("P-256"), kid=1),
    "id a list": jwk_of(public("P-256"), kid=["k1"]),
    "algorithm a list": jwk_of(public("P-256"), alg=["ES256"]),
    "kind a list": jwk_of(public("P-256"), kty=["EC"]),
    "kind in lower case": jwk_of(public("P-256"), kty="ec"),
    "without kind": without(jwk_of(public("P-256")), "kty"),
    "null": None,
    "a string": "P-256",
    "a list": [],
}


@pytest.mark.parametrize("unusable", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_key_that_cannot_be_used_is_passed_over(unusable: Any) -> None:
    assert parse_keys(jwks(jwk())) == parse_keys(jwks(unusable, jwk()))


@pytest.mark.parametrize("unusable", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_set_without_one_usable_key_is_invalid(unusable: Any) -> None:
    with pytest.raises(KeySetInvalid, match="no usable public signing key"):
        parse_keys(jwks(unusable))


DSA = dsa.generate_private_key(1024).public_key()  # noqa: S505
INVALID = {
    "empty": b"",
    "blank": b" \n",
    "HTML": b"<!doctype html><title>Sign in</title>",
    "not UTF-8": b'{"keys": ["\xff"]}',
    "cut short": jwks(jwk())[:-5],
    "null": b"null",
    "a number": b"7",
    "more digits than are read": b"7" * 5000,
    "a list": json.dumps([jwk()]).encode(),
    "an empty set": b'{"keys": []}',
    "keys an object": b'{"keys": {}}',
    "keys null": b'{"keys": null}',
    "another object": b'{"error": "not found"}',
    "nested too deep": b'{"keys":' + b"[" * 100_000,
    "two keys of one id": jwks(jwk(), jwk("EdDSA")),
    "the same key twice": jwks(jwk(), jwk()),
    "101 keys": jwks(*[jwk(kid=str(n)) for n in range(101)]),
    "private PEM": mint().private_pem(),
    "private PEM after a public one": pem(public("P-256")) + mint().private_pem(),
    "PEM of 1024 bits": pem(public("RSA-1024")),
    "PEM of Ed448": pem(public("Ed448")),
    "PEM of secp256k1": pem(public("secp256k1")),
    "PEM of DSA": DSA.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "PEM of a certificate": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "PEM cut short": pem(public("P-256"))[:60],
    "PEM head alone": b"-----BEGIN",
    "PEM, then JSON": pem(public("P-256"))[:-10] + jwks(jwk()),
}


@pytest.mark.parametrize("content", INVALID.values(), ids=INVALID.keys())
def test_what_is_no_key_set_is_invalid(content: bytes) -> None:
    with pytest.raises(KeySetInvalid) as caught:
        parse_keys(content)

    assert str(caught.value)


def test_a_hundred_keys_are_read() -> None:
    assert len(parse_keys(jwks(*[jwk(kid=str(n)) for n in range(100)])).keys) == 100


TWO = parse_keys(jwks(jwk(kid="a"), jwk_of(public("P-256"), kid="b"), jwk("EdDSA", kid="c")))
NAMELESS = parse_keys(jwks(without(jwk(), "kid"), jwk("EdDSA", kid="c")))
ANY_NAME = parse_keys(pem(mint().key.public_key()))
ANY_NAME_TWICE = parse_keys(pem(mint().key.public_key()) + pem(public("P-256")))


def test_a_key_is_found_by_its_id_and_algorithm() -> None:
    assert TWO.find("a", "ES256") == [TWO.keys[0]]
    assert TWO.find("b", "ES256") == [TWO.keys[1]]
    assert ANY_NAME.find("anything", "ES256") == ANY_NAME.find(None, "ES256") == [ANY_NAME.keys[0]]


def test_two_pem_keys_are_both_tried_while_one_replaces_the_other() -> None:
    assert ANY_NAME_TWICE.find("a", "ES256") == ANY_NAME_TWICE.find(None, "ES256") == [*ANY_NAME_TWICE.keys]


def test_two_published_keys_may_lack_an_id() -> None:
    nameless = parse_keys(jwks(without(jwk(), "kid"), without(jwk("EdDSA"), "kid")))

    assert nameless.find(None, "EdDSA") == [nameless.keys[1]]


def test_without_an_id_the_only_key_that_fits_is_found() -> None:
    assert TWO.find(None, "EdDSA") == [TWO.keys[2]]
    assert NAMELESS.find(None, "ES256") == [NAMELESS.keys[0]]


@pytest.mark.parametrize(
    ("keys", "kid", "algorithm"),
    [
        pytest.param(EMPTY, None, "ES256", id="no keys"),
        pytest.param(TWO, None, "ES256", id="two fit and no id says which"),
        pytest.param(TWO, "d", "ES256", id="unknown id"),
        pytest.param(TWO, "A", "ES256", id="id in another case"),
        pytest.param(TWO, "", "ES256", id="empty id"),
        pytest.param(TWO, "a", "EdDSA", id="the id of a key of another kind"),
        pytest.param(TWO, "c", "ES256", id="the algorithm of a key of another id"),
        pytest.param(TWO, "a", "HS256", id="symmetric"),
        pytest.param(TWO, "a", "none", id="none"),
        pytest.param(NAMELESS, "x", "ES256", id="an id, and a published key without one"),
        pytest.param(ANY_NAME, None, "RS256", id="another kind"),
    ],
)
def test_otherwise_no_key_is_found(keys: Any, kid: str | None, algorithm: str) -> None:
    assert keys.find(kid, algorithm) == []
