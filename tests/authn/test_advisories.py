"""What went wrong in comparable software, once each: the fault named by its advisory must not be ours.

PyJWT, oauth2-proxy and Ory Oathkeeper, as far as it concerns tokens and keys; what concerns requests is in
`tests/wire/test_advisories.py`.
"""

import json
import re
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proxy.authn.claims import ClaimPaths
from proxy.authn.keys import RemoteKeys
from proxy.authn.keyset import parse_keys
from proxy.authn.sought import UNKNOWN_IDS_AT_ONCE
from proxy.authn.verifier import NeedKey, verify
from proxy.backends.registry import make_backend
from proxy.errors import KeySetInvalid, KeysUnavailable
from proxy.messages import RequestHead
from proxy.pipeline import Rules, authenticate
from proxy.policy.callers import Caller
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason
from tests.authn.issuers import KeyServer, at_hand, key_server
from tests.authn.tokens import (
    EVERY_ALGORITHM,
    ISSUER,
    KEYS,
    NOW,
    POLICY,
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
    """What becomes of an HMAC under something public: by name, and as if it were the kind of key at hand."""
    by_name = judged(hmac_signed(header(alg="HS256"), claims(), secret), MIXED, RSA_KEYS)
    assert RSA_KEYS.find("dev-1", "HS256") == []
    disguised = judged(hmac_signed(header(alg="RS256"), claims(), secret), MIXED, RSA_KEYS)
    return by_name if disguised is Reason.TOKEN_SIGNATURE else disguised


@pytest.mark.parametrize(
    "advisory",
    ["CVE-2026-101917", "CVE-2026-101918", "CVE-2026-102265", "CVE-2026-102270", "CVE-2026-102271",
     "CVE-2026-102272", "CVE-2026-103001"],
)  # fmt: skip
def test_pyjwt_is_new_enough_to_have_the_fix_of(advisory: str) -> None:
    """Of these little more than the title is public; the last of them was fixed in 2.15.0."""
    assert tuple(int(number) for number in version("PyJWT").split(".")[:2]) >= (2, 15), advisory


def test_cve_2022_39227_a_token_in_two_serialisations_at_once_is_refused() -> None:
    """python-jwt took the claims from one and the signature from the other."""
    head, body, signature = good().split(b".")
    members = b'{"  %b.%b.":"","protected":"%b","payload":"%b","signature":"%b"}'
    mixed = members % (head, part(claims(org_type="child-safety")), head, body, signature)

    assert judged(mixed) == Reason.TOKEN_MALFORMED
    assert judged(b"%b.%b.%b" % (head, b64(mixed), signature)) == Reason.TOKEN_ISSUER
    assert judged(b"%b.%b.%b" % (b64(mixed), body, signature)) == Reason.TOKEN_ALGORITHM


def test_cve_2017_11424_a_pkcs1_pem_is_no_shared_secret() -> None:
    assert confused(pem(RSA, PublicFormat.PKCS1)) == Reason.TOKEN_ALGORITHM


def test_cve_2022_29217_an_ssh_key_is_no_shared_secret() -> None:
    for form in (PublicFormat.OpenSSH, PublicFormat.PKCS1, PublicFormat.SubjectPublicKeyInfo):
        encoding = Encoding.OpenSSH if form is PublicFormat.OpenSSH else Encoding.DER

        assert confused(RSA.public_bytes(encoding, form)) == Reason.TOKEN_ALGORITHM


def test_cve_2024_53861_a_part_of_the_issuer_is_not_the_issuer() -> None:
    for issuer in (ISSUER[:5], ISSUER[:-1], ISSUER[1:], "", "https"):
        assert judged(good(iss=issuer)) == Reason.TOKEN_ISSUER


def test_cve_2025_45768_a_weak_key_is_no_key() -> None:
    with pytest.raises(KeySetInvalid):
        parse_keys(jwks(jwk_of(private_key("RSA-1024").public_key())))


def test_cve_2026_32597_a_critical_extension_is_not_passed_over() -> None:
    assert judged(signed(header(crit=["x-must"], **{"x-must": 1}), claims())) == Reason.TOKEN_CRITICAL


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
    for number in range(99):
        with pytest.raises(KeysUnavailable):
            await source.seek(f"made-up-{number}")

    assert at_hand(source) == KEYS
    assert len(issuer.requests) <= 2 + UNKNOWN_IDS_AT_ONCE < 99


def test_cve_2026_48525_an_unencoded_payload_is_not_looked_at() -> None:
    head = header(b64=False, crit=["b64"])

    assert judged(part(head) + b"." + b"$" * 9000 + b".AAAA") == Reason.TOKEN_MALFORMED
    assert judged(signed(head, claims())) == Reason.TOKEN_CRITICAL


@pytest.mark.parametrize(
    "secret", [json.dumps(jwk("RS256")).encode(), jwks(jwk("RS256"))], ids=["JWK", "set"]
)
def test_cve_2026_48526_a_jwk_as_text_is_no_shared_secret(secret: bytes) -> None:
    assert confused(secret) == Reason.TOKEN_ALGORITHM


@pytest.mark.parametrize(
    "wrapped", [{"key": jwk("RS256")}, [jwk("RS256")], {"keys": {"a": [jwk("RS256")]}}], ids=str
)
def test_cve_2026_102273_nor_is_a_jwk_within_something_else(wrapped: object) -> None:
    assert confused(json.dumps(wrapped).encode()) == Reason.TOKEN_ALGORITHM
    with pytest.raises(KeySetInvalid):
        parse_keys(json.dumps(wrapped).encode())


@pytest.mark.parametrize("k", ["", "AA"])
def test_cve_2026_102266_an_empty_symmetric_key_is_no_key(k: str) -> None:
    oct_key = {"kty": "oct", "k": k, "kid": "dev-1", "alg": "HS256"}

    assert parse_keys(jwks(oct_key, jwk())) == KEYS
    assert confused(b"") == Reason.TOKEN_ALGORITHM


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
    assert confused(pem(RSA).replace(*change)) == Reason.TOKEN_ALGORITHM


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
                assert judged(token) in (Reason.TOKEN_KEY_INCLUDED, NeedKey(ISSUER, trap.url))

        assert trap.requests == []


@pytest.mark.parametrize(
    "org_id", ["a@evil.test@good.test\n", "a b@good.test", "@good.test", "a@good.test,b"]
)
def test_oauth2_proxy_ghsa_c5c4_8r6x_56w3_a_claim_is_not_matched_by_its_end(org_id: str) -> None:
    assert judged(good(org_id=org_id)) == Reason.TOKEN_CLAIMS
    assert judged(good(org_type="police@commercial")) == Reason.ORG_TYPE_UNKNOWN


def test_oathkeeper_the_key_of_one_issuer_does_not_sign_for_another() -> None:
    """Oathkeeper's JWT verifier takes keys from every `jwks_urls` and checks issuers elsewhere."""
    other, theirs = "https://other.test", private_key("P-256")
    trusts = {ISSUER: TRUST, other: replace(TRUST, issuer=other)}
    keys = {ISSUER: KEYS, other: parse_keys(jwks(jwk_of(theirs.public_key(), kid="dev-1")))}

    def said(token: bytes) -> object:
        outcome = verify(token, trusts, keys, POLICY, NOW)
        return outcome.reason if isinstance(outcome, Refusal) else outcome

    assert said(signed(header(), claims(), key=theirs)) == Reason.TOKEN_SIGNATURE
    assert said(signed(header(), claims(iss=other))) == Reason.TOKEN_SIGNATURE
    assert isinstance(said(signed(header(), claims(iss=other), key=theirs)), Caller)


def test_oathkeeper_cve_2021_32701_what_is_kept_is_the_caller_and_no_permission() -> None:
    """There, a token kept for one scope passed for another. Here a kept caller is asked about each call."""
    kept = "".join(Caller._fields)

    assert not any(word in kept for word in ("decision", "operation", "scope", "permi", "allow", "window"))


def test_oathkeeper_cve_2026_33496_what_one_verifier_has_kept_no_other_sees() -> None:
    """There, a token that one server had vouched for passed where another was to be asked."""
    strict = {ISSUER: replace(TRUST, audiences=frozenset({"other"}))}
    head = RequestHead(b"POST", b"/", b"1.1", ((b"authorization", b"Bearer " + good()),))
    first = Rules(make_backend("deepface", ()), POLICY, {ISSUER: TRUST})
    second = Rules(make_backend("deepface", ()), POLICY, strict)

    assert isinstance(authenticate(head, first, {ISSUER: KEYS}, NOW), Caller)
    assert authenticate(head, second, {ISSUER: KEYS}, NOW) == Refusal(Reason.TOKEN_AUDIENCE)


@pytest.mark.parametrize("algorithm", ["none", "HS256", *EVERY_ALGORITHM])
def test_oathkeeper_no_unverified_claim_gets_into_a_refusal(algorithm: str) -> None:
    """Oathkeeper puts the claims of a refused token into its error."""
    outcome = judged(forged(header(alg=algorithm), claims(org_id="sesame")))

    assert "sesame" not in repr(outcome)


def test_haproxy_an_escaped_member_name_is_the_member() -> None:
    """Its JSON reader passes over a name with an escape in it, and takes the next one."""
    raw = json.dumps(claims()).replace('"org_type"', r'"org\u005ftype"')

    assert isinstance(judged(signed(header(), raw.encode())), Caller)
    assert judged(signed(header(), raw[:-1].encode() + b',"org_type":"police"}')) == Reason.TOKEN_AMBIGUOUS


def test_haproxy_a_whole_name_is_found_before_a_path() -> None:
    trust = replace(TRUST, claims=ClaimPaths(org_type="realm.type"))
    caller = judged(good(**{"realm.type": "police", "realm": {"type": "commercial"}}), trust)

    assert isinstance(caller, Caller)
    assert caller.org_types == ("police",)


def test_every_advisory_that_the_docs_name_has_its_test() -> None:
    tests = Path(__file__).parents[1]
    written = "".join(
        (tests / room / "test_advisories.py").read_text("utf-8").lower().replace("-", "_")
        for room in ("authn", "wire")
    )
    page = (tests.parent / "docs" / "threat-model.md").read_text("utf-8")
    table = page.split("## What went wrong elsewhere")[1].split("\n## ")[0].lower().replace("-", "_")
    named = re.findall(r"ghsa(?:_\w{4}){3}|20\d\d_\d{4,6}", table)

    assert len(named) > 40
    assert [advisory for advisory in named if advisory not in written] == []
