"""What went wrong in comparable software, once each: the fault named by its advisory must not be ours.

PyJWT, oauth2-proxy and Ory Oathkeeper, as far as it concerns tokens and keys.
"""

import json
from dataclasses import replace
from importlib.metadata import version

import pytest
from cryptography.hazmat.primitives.serialization import PublicFormat

from proxy.authn.bearer import find_token
from proxy.authn.cache import TokenCache
from proxy.authn.claims import ClaimPaths
from proxy.authn.keys import RemoteKeys
from proxy.authn.keyset import parse_keys
from proxy.authn.verifier import NeedKey
from proxy.errors import KeySetInvalid, KeysUnavailable
from proxy.messages import RequestHead, Slot
from proxy.policy.callers import Caller
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason
from tests.authn.issuers import KeyServer, at_hand, key_server
from tests.authn.tokens import (
    EVERY_ALGORITHM,
    ISSUER,
    KEYS,
    NOW,
    TRUST,
    FixedClock,
    b64,
    claims,
    forged,
    good,
    header,
    hmac_signed,
    judged,
    jwk,
    jwk_of,
    jwks,
    mint,
    part,
    pem,
    private_key,
    signed,
)

RSA = mint("RS256").key.public_key()
RSA_KEYS = parse_keys(jwks(jwk("RS256")))
MIXED = replace(TRUST, algorithms=frozenset({"HS256", "RS256", "ES256"}))  # what made the confusions possible


def confused(secret: bytes) -> object:
    return judged(hmac_signed(header(alg="HS256"), claims(), secret), MIXED, RSA_KEYS)


def test_the_installed_pyjwt_has_every_published_fix() -> None:
    """CVE-2026-101917, 101918, 102265, 102270 and all below; the newest were fixed in 2.15.0."""
    assert tuple(int(number) for number in version("PyJWT").split(".")[:2]) >= (2, 15)


def test_cve_2017_11424_a_pkcs1_pem_is_no_shared_secret() -> None:
    assert confused(pem(RSA, PublicFormat.PKCS1)) == NeedKey(ISSUER, "dev-1")


def test_cve_2022_29217_an_ssh_key_is_no_shared_secret() -> None:
    assert confused(b"ssh-rsa " + b64(b"\x00\x00\x00\x07ssh-rsa")) == NeedKey(ISSUER, "dev-1")


def test_cve_2024_53861_a_part_of_the_issuer_is_not_the_issuer() -> None:
    for issuer in (ISSUER[:5], ISSUER[:-1], ISSUER[1:], "", "https"):
        assert judged(good(iss=issuer)) == Reason.TOKEN_ISSUER


def test_cve_2025_45768_a_weak_key_is_no_key() -> None:
    with pytest.raises(KeySetInvalid):
        parse_keys(jwks(jwk_of(private_key("RSA-1024").public_key())))


def test_cve_2026_32597_a_critical_extension_is_not_passed_over() -> None:
    assert judged(signed(header(crit=["x-must"], **{"x-must": 1}), claims())) == Reason.TOKEN_MALFORMED


async def test_cve_2026_48522_keys_come_over_http_only(clock: FixedClock) -> None:
    for url in (
        "file:///etc/passwd",
        "ftp://127.0.0.1/keys",
        f"data:application/json,{jwks(jwk()).decode()}",
    ):
        with pytest.raises(KeysUnavailable):
            await RemoteKeys(ISSUER, url, clock, timeout=2).refresh()


def test_cve_2026_48523_the_allowed_algorithms_hold_for_published_keys() -> None:
    key = private_key("RSA-2048")
    token = signed(header(alg="RS256", kid="k1"), claims(), key=key, algorithm="PS512")
    keys = parse_keys(jwks(jwk_of(key.public_key(), alg="PS512")))

    assert judged(token, keys=keys) == NeedKey(ISSUER, "k1")


async def test_cve_2026_48524_a_failed_fetch_does_not_wipe_the_keys(
    source: RemoteKeys, issuer: KeyServer
) -> None:
    """GHSA-fhv5-28vv-h8m8: nor does each unknown key id cost a request."""
    await source.refresh()
    issuer.status = 500
    with pytest.raises(KeysUnavailable):
        await source.refresh()
    for _ in range(9):
        with pytest.raises(KeysUnavailable):
            await source.seek()

    assert (len(issuer.requests), at_hand(source)) == (2, KEYS)


def test_cve_2026_48525_an_unencoded_payload_is_not_looked_at() -> None:
    head = header(b64=False, crit=["b64"])

    assert judged(part(head) + b"." + b"$" * 9000 + b".AAAA") == Reason.TOKEN_MALFORMED
    assert judged(signed(head, claims())) == Reason.TOKEN_MALFORMED


@pytest.mark.parametrize(
    "secret", [json.dumps(jwk("RS256")).encode(), jwks(jwk("RS256"))], ids=["JWK", "set"]
)
def test_cve_2026_48526_a_jwk_as_text_is_no_shared_secret(secret: bytes) -> None:
    """CVE-2026-102273 is the same with the key one level down."""
    assert confused(secret) == NeedKey(ISSUER, "dev-1")


@pytest.mark.parametrize("k", ["", "AA"])
def test_cve_2026_102266_an_empty_symmetric_key_is_no_key(k: str) -> None:
    oct_key = {"kty": "oct", "k": k, "kid": "dev-1", "alg": "HS256"}

    assert parse_keys(jwks(oct_key, jwk())) == KEYS
    assert confused(b"") == NeedKey(ISSUER, "dev-1")


async def test_cve_2026_102267_a_redirect_of_the_key_endpoint_is_not_followed(clock: FixedClock) -> None:
    async with key_server() as honest, key_server() as trap:
        for status in (301, 302, 303, 307, 308):
            honest.status, honest.headers["Location"] = status, trap.url
            with pytest.raises(KeysUnavailable):
                await RemoteKeys(ISSUER, honest.url, clock, timeout=2).refresh()

        assert (len(honest.requests), trap.requests) == (5, [])


@pytest.mark.parametrize(
    "change", [(b"\n", b"\r\n"), (b"\n", b"\n "), (b"-----\n", b"-----\n\n"), (b"KEY", b"KEY ")]
)
def test_cve_2026_102268_a_pem_with_other_white_space_is_no_shared_secret(
    change: tuple[bytes, bytes],
) -> None:
    assert confused(pem(RSA).replace(*change)) == NeedKey(ISSUER, "dev-1")


def test_cve_2026_102269_a_signature_has_one_spelling() -> None:
    """PyJWT 2.15.1 takes padding again; we do not."""
    for spelling in (good() + b"=", good() + b"==", good() + b"!!!!", good()[:-1] + b"\xc3"):
        assert judged(spelling) == Reason.TOKEN_MALFORMED


def test_cve_2026_102274_a_malformed_rsa_key_does_not_spoil_the_set() -> None:
    for n in ("", "!", "AA", None, 5):
        assert parse_keys(jwks(jwk("RS256", n=n), jwk())) == KEYS


def test_cve_2026_102275_a_private_key_is_not_taken_for_a_public_one() -> None:
    mixed = {**jwk_of(private_key("Ed25519")), "x": jwk("EdDSA")["x"]}

    assert parse_keys(jwks(mixed, jwk())) == KEYS


def test_pyjwt_2_15_0_a_deeply_nested_payload_is_refused() -> None:
    assert judged(signed(header(), b"[" * 6000 + b"]" * 6000)) == Reason.TOKEN_MALFORMED


async def test_a_token_cannot_say_where_its_key_is() -> None:
    """Threat T30: `jku`, `x5u` and `kid` lead nowhere, with or without a good signature."""
    async with key_server() as trap:
        for name in ("jku", "x5u", "kid"):
            for token in (
                signed(header(**{name: trap.url}), claims()),
                forged(header(**{name: trap.url}), claims()),
            ):
                assert judged(token) in (Reason.TOKEN_MALFORMED, NeedKey(ISSUER, trap.url))

        assert trap.requests == []


SLOTS = (Slot(b"authorization", b"Bearer"),)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(((b"user-agent", b"GoogleHC/1.0"),), id="GHSA-5hvv-m4w4-gf6v health check user agent"),
        pytest.param(((b"x-forwarded-uri", b"/ping"),), id="GHSA-7x63-xv5r-3p2x forwarded URI"),
        pytest.param(((b"x_forwarded_user", b"a"),), id="CVE-2025-64484 GHSA-vjrc-mh2v-45x6 underscores"),
        pytest.param(((b"x-forwarded-email", b"a@b.test"),), id="forwarded identity"),
    ],
)
def test_oauth2_proxy_no_other_field_stands_in_for_a_token(lines: tuple[tuple[bytes, bytes], ...]) -> None:
    for target in (
        b"/ping",
        b"/ping%23",
        b"/#/ping",
        b"/search?/ping",
    ):  # GHSA-7rh7-c77v-6434, GHSA-pxq7-h93f-9jrg
        head = RequestHead(b"POST", target, b"HTTP/1.1", lines)

        assert find_token(head, SLOTS) == Refusal(Reason.TOKEN_MISSING)


@pytest.mark.parametrize(
    "org_id", ["a@evil.test@good.test\n", "a b@good.test", "@good.test", "a@good.test,b"]
)
def test_oauth2_proxy_ghsa_c5c4_8r6x_56w3_a_claim_is_not_matched_by_its_end(org_id: str) -> None:
    assert judged(good(org_id=org_id)) == Reason.TOKEN_CLAIMS
    assert judged(good(org_type="police@commercial")) == Reason.ORG_TYPE_UNKNOWN


def test_oathkeeper_the_key_of_one_issuer_does_not_sign_for_another() -> None:
    """Oathkeeper's JWT verifier takes keys from every `jwks_urls` and checks issuers elsewhere."""
    theirs = private_key("P-256")
    ours_only = judged(signed(header(), claims(), key=theirs))
    for_them = judged(signed(header(), claims(iss="https://other.test"), key=theirs))

    assert (ours_only, for_them) == (Reason.TOKEN_SIGNATURE, Reason.TOKEN_ISSUER)


def test_oathkeeper_cve_2021_32701_what_is_kept_is_the_caller_and_no_permission() -> None:
    """There, a token kept for one scope passed for another. Here a kept caller is asked about each call."""
    kept = "".join(Caller._fields)

    assert not any(word in kept for word in ("decision", "operation", "scope", "permi", "allow", "window"))


def test_oathkeeper_cve_2026_33496_what_one_verifier_has_kept_no_other_sees() -> None:
    first, second = TokenCache(), TokenCache()
    first.put(b"a.b.c", Caller(ISSUER, ("police",), valid_until=NOW + 60), NOW)

    assert second.get(b"a.b.c", NOW) is None


@pytest.mark.parametrize("algorithm", ["none", "HS256", *EVERY_ALGORITHM])
def test_oathkeeper_no_unverified_claim_gets_into_a_refusal(algorithm: str) -> None:
    """Oathkeeper puts the claims of a refused token into its error."""
    outcome = judged(forged(header(alg=algorithm), claims(org_id="sesame")))

    assert "sesame" not in repr(outcome)


def test_haproxy_an_escaped_member_name_is_the_member() -> None:
    """Its JSON reader passes over a name with an escape in it, and takes the next one."""
    raw = json.dumps(claims()).replace('"org_type"', r'"org\u005ftype"')

    assert isinstance(judged(signed(header(), raw.encode())), Caller)
    assert judged(signed(header(), raw[:-1].encode() + b',"org_type":"police"}')) == Reason.TOKEN_MALFORMED


def test_haproxy_a_whole_name_is_found_before_a_path() -> None:
    trust = replace(TRUST, claims=ClaimPaths(org_type="realm.type"))
    caller = judged(good(**{"realm.type": "police", "realm": {"type": "commercial"}}), trust)

    assert isinstance(caller, Caller)
    assert caller.org_types == ("police",)
