"""Detached signatures: by the pinned key, over these bytes, as this kind of thing, in one spelling."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from proxy.authn.detached import decode, encode, parse_signing_keys, sign_detached, verify_detached
from proxy.errors import KeySetInvalid, SignatureInvalid
from proxy.testing import Algorithm, PrivateKey, TokenMint, new_private_key

KIND = "test+jws"
PAYLOAD = b'{"a":1}'


def private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


KEY = new_private_key("ES256")
KEYS = parse_signing_keys(public_pem(KEY))


def signature(header: dict[str, object], payload: bytes = PAYLOAD, key: PrivateKey = KEY) -> str:
    """By PyJWT itself: what another implementation would make."""
    whole = jwt.api_jws.encode(payload, key, algorithm=str(header["alg"]), headers=header)
    first, _, last = whole.split(".")
    return f"{first}..{last}"


def refusal(signed: str, payload: bytes = PAYLOAD, kind: str = KIND) -> str:
    with pytest.raises(SignatureInvalid) as caught:
        verify_detached(signed, payload, kind, KEYS)
    return caught.value.why


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_each_kind_of_key_signs_and_verifies_by_its_one_algorithm(algorithm: Algorithm) -> None:
    key = new_private_key(algorithm)

    signed = sign_detached(PAYLOAD, KIND, private_pem(key))

    verify_detached(signed, PAYLOAD, KIND, parse_signing_keys(public_pem(key)))
    assert json.loads(decode(signed.partition(".")[0])) == {"alg": algorithm, "typ": KIND}


def test_what_another_implementation_has_signed_verifies() -> None:
    verify_detached(signature({"alg": "ES256", "typ": KIND}), PAYLOAD, KIND, KEYS)
    verify_detached(signature({"alg": "ES256", "typ": KIND, "kid": "any"}), PAYLOAD, KIND, KEYS)


def test_what_we_sign_another_implementation_verifies() -> None:
    first, _, last = sign_detached(PAYLOAD, KIND, private_pem(KEY)).split(".")

    whole = f"{first}.{encode(PAYLOAD)}.{last}"

    assert jwt.api_jws.decode(whole, KEY.public_key(), algorithms=["ES256"]) == PAYLOAD


def test_other_bytes_another_kind_and_another_key_are_refused() -> None:
    signed = sign_detached(PAYLOAD, KIND, private_pem(KEY))
    strange = sign_detached(PAYLOAD, KIND, private_pem(new_private_key("ES256")))

    assert "or of other content" in refusal(signed, PAYLOAD + b" ")
    assert "typ (other)" in refusal(signed, kind="other")
    assert "of none of the keys" in refusal(strange)


def test_the_header_cannot_choose_the_algorithm() -> None:
    rsa_key = new_private_key("RS256")
    by_hmac = jwt.utils.base64url_encode(json.dumps({"alg": "HS256", "typ": KIND}).encode()).decode()

    assert "of this kid and algorithm" in refusal(f"{by_hmac}..AAAA")
    assert "of this kid and algorithm" in refusal(signature({"alg": "RS256", "typ": KIND}, key=rsa_key))
    none = encode(json.dumps({"alg": "none", "typ": KIND}).encode())
    assert "of this kid and algorithm" in refusal(f"{none}..AAAA")


def test_an_rsa_key_verifies_rs256_only() -> None:
    key = new_private_key("RS256")
    signed = signature({"alg": "PS256", "typ": KIND}, key=key)

    with pytest.raises(SignatureInvalid, match="kid and algorithm"):
        verify_detached(signed, PAYLOAD, KIND, parse_signing_keys(public_pem(key)))


@pytest.mark.parametrize(
    "more",
    [
        {"crit": ["b64"]},
        {"b64": False},
        {"jwk": {}},
        {"jku": "https://a"},
        {"x5u": "https://a"},
        {"cty": "a"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_a_header_with_anything_else_is_refused(more: dict[str, object]) -> None:
    header = encode(json.dumps({"alg": "ES256", "typ": KIND, **more}).encode())
    _, _, last = sign_detached(PAYLOAD, KIND, private_pem(KEY)).split(".")

    assert "and nothing else" in refusal(f"{header}..{last}")


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"ES256"}',
        b'{"typ":"test+jws"}',
        b'{"alg":"ES256","typ":"TEST+JWS"}',
        b'{"alg":"ES256","typ":"test+jws","alg":"ES256"}',
        b'{"alg":NaN,"typ":"test+jws"}',
        b'{"alg":["ES256"],"typ":"test+jws"}',
        b'{"alg":"ES256","typ":"test+jws","kid":7}',
        b"[]",
        b"\xff",
        b"[" * 3000,
    ],
)
def test_a_header_that_is_not_plainly_right_is_refused(header: bytes) -> None:
    _, _, last = sign_detached(PAYLOAD, KIND, private_pem(KEY)).split(".")

    assert refusal(f"{encode(header)}..{last}")


def test_a_signature_has_one_spelling() -> None:
    signed = sign_detached(PAYLOAD, KIND, private_pem(KEY))
    first, _, last = signed.split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other_spelling = last[:-1] + alphabet[alphabet.index(last[-1]) ^ 1]

    for spelled in (
        f"{first}..{other_spelling}", f"{first}..{last}=", f" {signed}", f"{signed}\n",
        f"{first}.{encode(PAYLOAD)}.{last}", f"{first}.{last}", f"{first}..", f"A..{last}", "", "a" * 5000,
    ):  # fmt: skip
        assert refusal(spelled)


def test_a_kid_names_a_key_of_a_set() -> None:
    other = new_private_key("ES256")
    jwks = [
        {**TokenMint(algorithm="ES256", key=key).jwks()["keys"][0], "kid": kid}
        for kid, key in (("old", KEY), ("new", other))
    ]
    keys = parse_signing_keys(json.dumps({"keys": jwks}).encode())

    verify_detached(sign_detached(PAYLOAD, KIND, private_pem(KEY), "old"), PAYLOAD, KIND, keys)
    verify_detached(sign_detached(PAYLOAD, KIND, private_pem(other), "new"), PAYLOAD, KIND, keys)
    for wrong in ("new", None, "neither"):
        with pytest.raises(SignatureInvalid):
            verify_detached(sign_detached(PAYLOAD, KIND, private_pem(KEY), wrong), PAYLOAD, KIND, keys)


def test_keys_that_cannot_sign_bundles_are_refused() -> None:
    with pytest.raises(KeySetInvalid, match="neither Ed25519 nor P-256"):
        parse_signing_keys(
            ec.generate_private_key(ec.SECP384R1())
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
    with pytest.raises(KeySetInvalid, match="private key does not belong here"):
        parse_signing_keys(private_pem(KEY))
    with pytest.raises(KeySetInvalid, match="not a PEM private key"):
        sign_detached(PAYLOAD, KIND, public_pem(KEY))
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    with pytest.raises(KeySetInvalid, match="too short"):
        sign_detached(PAYLOAD, KIND, private_pem(small))
