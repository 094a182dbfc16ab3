"""A token's spelling and its signature: one token has one form (threats T31, T32 and T37)."""

import json
import string
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from proxy.authn.compact import MAX_TOKEN
from proxy.policy.callers import Caller
from proxy.policy.reasons import Reason
from tests.authn.tokens import (
    ISSUER,
    b64,
    claims,
    forged,
    good,
    header,
    judged,
    mint,
    part,
    private_key,
    signed,
)

GOOD = good()
TEXT, _, SIGNATURE = GOOD.rpartition(b".")
HEAD, _, BODY = TEXT.partition(b".")
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
URLSAFE = (string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_").encode()
MINE: ec.EllipticCurvePrivateKey = private_key("P-256")


def other_trailing_bits(segment: bytes) -> bytes:
    """The same bytes once decoded leniently, in another spelling."""
    assert len(segment) % 4 in (2, 3)
    return segment[:-1] + URLSAFE[URLSAFE.index(segment[-1:]) ^ 1 :][:1]


def json_form(**members: Any) -> bytes:
    return json.dumps({name: value.decode() for name, value in members.items()}).encode()


FORMS = {
    "empty": b"",
    "dots alone": b"..",
    "one part": HEAD,
    "two parts": TEXT,
    "signature empty": TEXT + b".",
    "header empty": b"." + BODY + b"." + SIGNATURE,
    "payload empty": HEAD + b".." + SIGNATURE,
    "four parts": GOOD + b"." + SIGNATURE,
    "dot in front": b"." + GOOD,
    "dot behind": GOOD + b".",
    "two dots": HEAD + b".." + BODY + b"." + SIGNATURE,
    "6000 dots": b"." * 6000,
    "space in front": b" " + GOOD,
    "space behind": GOOD + b" ",
    "line feed behind": GOOD + b"\n",
    "line feed within": HEAD + b".\n" + BODY + b"." + SIGNATURE,
    "NUL behind": GOOD + b"\x00",
    "padded signature": GOOD + b"==",
    "padded needlessly": GOOD + b"====",
    "padded header": HEAD + b"=." + BODY + b"." + SIGNATURE,
    "standard alphabet": TEXT + b"." + b64(b"\xfb\xff" * 32).replace(b"-", b"+").replace(b"_", b"/"),
    "percent-encoded dot": GOOD.replace(b".", b"%2E"),
    "junk within": TEXT + b"." + SIGNATURE[:9] + b"!" + SIGNATURE[9:],
    "three characters too many": GOOD + b"AAA",
    "signature of one character": TEXT + b".A",
    "other trailing bits": TEXT + b"." + other_trailing_bits(SIGNATURE),
    "comma and another": GOOD + b"," + GOOD,
    "scheme kept": b"Bearer " + GOOD,
    "quoted": b'"' + GOOD + b'"',
    "not ASCII": TEXT + "é.".encode() + SIGNATURE,
    "not UTF-8": b"\xff\xfe.\x80.\xff",
    "full-width dot": GOOD.replace(b".", "\uff0e".encode()),
    "JSON, flattened": json_form(protected=HEAD, payload=BODY, signature=SIGNATURE),
    "JSON, general": b'{"payload":"' + BODY + b'","signatures":[]}',
}


@pytest.mark.parametrize("token", FORMS.values(), ids=FORMS.keys())
def test_what_is_not_three_canonical_parts_is_malformed(token: bytes) -> None:
    assert judged(token) == Reason.TOKEN_MALFORMED


ENCRYPTED = {
    "direct": b".".join([part(header(alg="dir", enc="A256GCM")), b"", b"AAAA", b"AAAA", b"AAAA"]),
    "with a key": b".".join([part(header(alg="RSA-OAEP", enc="A256GCM"))] + [b"AAAA"] * 4),
    "unreadable": b"A.A.A.A.A",
}


@pytest.mark.parametrize("token", ENCRYPTED.values(), ids=ENCRYPTED.keys())
def test_an_encrypted_token_is_not_opened(token: bytes) -> None:
    assert judged(token) == Reason.TOKEN_NESTED


@pytest.mark.parametrize("token", [b"....", b"A.A.A.A.A=", b"A.A.A.A.A.A", b".A.A.A.A", b"A.A.A.A"])
def test_what_only_looks_encrypted_is_malformed(token: bytes) -> None:
    assert judged(token) == Reason.TOKEN_MALFORMED


LARGE = {
    "a good one": good(ballast="x" * 75_000),
    "one character": b"A" * 100_000,
    "dots": b"." * 100_000,
    "6000 parts": b".".join([b"e30"] * 6000),
    "not ASCII": b"\xff" * 100_000,
    "encrypted": b"A.A.A.A." + b"A" * 100_000,
}


@pytest.mark.parametrize("token", LARGE.values(), ids=LARGE.keys())
def test_a_large_token_is_not_looked_into(token: bytes) -> None:
    assert judged(token) == Reason.TOKEN_TOO_LARGE


@pytest.mark.parametrize("place", [0, 1])
def test_trailing_bits_count_in_every_part(place: int) -> None:
    heads = [header(pad="x" * n) for n in range(3)]
    bodies = [claims(pad="x" * n) for n in range(3)]
    for token in (signed(heads[n], bodies[n]) for n in range(3)):
        parts = token.split(b".")
        if len(parts[place]) % 4:
            parts[place] = other_trailing_bits(parts[place])

            assert judged(b".".join(parts)) == Reason.TOKEN_MALFORMED


def test_a_token_of_the_greatest_size_is_read_and_one_byte_more_is_not() -> None:
    sizes = {
        len(token): token
        for ballast in range(MAX_TOKEN * 3 // 4 - 400, MAX_TOKEN * 3 // 4 - 200)
        for pad in ("", "x")
        if len(token := signed(header(pad=pad), claims(ballast="x" * ballast))) in (MAX_TOKEN, MAX_TOKEN + 1)
    }

    assert isinstance(judged(sizes[MAX_TOKEN]), Caller)
    assert judged(sizes[MAX_TOKEN + 1]) == Reason.TOKEN_TOO_LARGE


HEADS = {
    "empty": b"",
    "null": b"null",
    "list": b'["ES256"]',
    "string": b'"ES256"',
    "number": b"7",
    "cut short": b'{"alg":"ES256"',
    "trailing text": b'{"alg":"ES256","kid":"dev-1"} x',
    "single quotes": b"{'alg':'ES256'}",
    "comment": b'{"alg":"ES256"/**/}',
    "byte order mark": b'\xef\xbb\xbf{"alg":"ES256","kid":"dev-1"}',
    "UTF-16": '{"alg":"ES256","kid":"dev-1"}'.encode("utf-16"),
    "not UTF-8": b'{"alg":"ES256","kid":"\xff"}',
    "NaN": b'{"alg":"ES256","x":NaN}',
    "3000 deep": b"[" * 3000 + b"]" * 3000,
}


@pytest.mark.parametrize("raw", HEADS.values(), ids=HEADS.keys())
def test_a_header_that_is_no_plain_json_object_is_malformed(raw: bytes) -> None:
    assert judged(signed(raw, claims())) == Reason.TOKEN_MALFORMED


HEADS_TWICE = {
    "algorithm twice": b'{"alg":"none","alg":"ES256","kid":"dev-1"}',
    "algorithm twice, the same": b'{"alg":"ES256","alg":"ES256","kid":"dev-1"}',
    "algorithm twice, once escaped": b'{"\\u0061lg":"none","alg":"ES256","kid":"dev-1"}',
    "key id twice": b'{"alg":"ES256","kid":"x","kid":"dev-1"}',
    "an unknown member twice": b'{"alg":"ES256","kid":"dev-1","x":1,"x":1}',
    "twice within another member": b'{"alg":"ES256","kid":"dev-1","x":{"y":1,"y":2}}',
}


@pytest.mark.parametrize("raw", HEADS_TWICE.values(), ids=HEADS_TWICE.keys())
def test_a_header_that_two_could_read_differently_is_ambiguous(raw: bytes) -> None:
    assert judged(signed(raw, claims())) == Reason.TOKEN_AMBIGUOUS


def mirrored(token: bytes) -> bytes:
    """The other ECDSA signature that is as good: (r, n - s) for (r, s)."""
    text, _, signature = token.rpartition(b".")
    raw = urlsafe_b64decode(signature + b"==")
    s = P256_ORDER - int.from_bytes(raw[32:], "big")
    return text + b"." + b64(raw[:32] + s.to_bytes(32, "big"))


def test_the_mirror_image_of_an_ecdsa_signature_says_nothing_else() -> None:
    """Whoever holds a token can make this second spelling. So nothing may be withdrawn by a token's text."""
    assert mirrored(GOOD) != GOOD
    assert judged(mirrored(GOOD)) == judged(GOOD)


def members(**changes: str) -> bytes:
    """A payload as JSON text, with members that are added as they are."""
    return (
        json.dumps(claims())[:-1].encode() + "".join(f",{text}" for text in changes.values()).encode() + b"}"
    )


BODIES = {
    "NaN": members(a='"x":NaN'),
    "infinity in a list": members(a='"x":[-Infinity]'),
    "5000 digits": members(a='"x":' + "7" * 5000),
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "string": b'"x"',
    "trailing comma": members(a=""),
    "trailing text": members() + b"{}",
    "not UTF-8": members(a='"x":"') + b'\xff"}',
    "byte order mark": b"\xef\xbb\xbf" + members(),
    "UTF-16": members().decode().encode("utf-16"),
    "control character": members(a='"x":"\n"'),
    "3000 deep": b"[" * 3000 + b"]" * 3000,
    "compressed": b"\x78\x9c" + members(),
}


@pytest.mark.parametrize("raw", BODIES.values(), ids=BODIES.keys())
def test_a_payload_that_is_no_plain_json_object_is_malformed(raw: bytes) -> None:
    assert judged(signed(header(), raw)) == Reason.TOKEN_MALFORMED


BODIES_TWICE = {
    "organisation type twice": members(a='"org_type":"police"'),
    "organisation type twice, the same": members(a='"org_type":"commercial"'),
    "organisation type twice, once escaped": members(a='"org_\\u0074ype":"police"'),
    "issuer twice": members(a=f'"iss":"{ISSUER}"'),
    "expiry twice": members(a='"exp":9999999999'),
    "audience twice": members(a='"aud":"face-api"'),
    "twice within another member": members(a='"x":{"y":1,"y":2}'),
    "twice, as surrogates": members(a='"\\ud83d\\ude00":1', b='"😀":2'),
}


@pytest.mark.parametrize("raw", BODIES_TWICE.values(), ids=BODIES_TWICE.keys())
def test_a_payload_that_two_could_read_differently_is_ambiguous(raw: bytes) -> None:
    assert judged(signed(header(), raw)) == Reason.TOKEN_AMBIGUOUS
    assert judged(forged(header(), raw)) == Reason.TOKEN_AMBIGUOUS


def test_an_escaped_name_or_value_is_what_it_stands_for() -> None:
    raw = json.dumps(claims()).replace('"org_type": "commercial"', r'"\u006frg_type": "\u0070olice"')
    caller = judged(signed(header(), raw.encode()))

    assert isinstance(caller, Caller)
    assert caller.org_types == ("police",)


SIGNATURES = {
    "of another key": signed(header(), claims(), key=MINE).rpartition(b".")[2],
    "in DER": b64(mint().key.sign(TEXT, ec.ECDSA(SHA256()))),  # type: ignore[call-arg, arg-type]
    "cut short": b64(b"\x01" * 63),
    "too long": b64(b"\x01" * 65),
    "one character too many": SIGNATURE + b"A",
    "one byte": b64(b"\x00"),
    "zero": b64(bytes(64)),
    "r is zero": b64(bytes(32) + b"\x01" * 32),
    "s is zero": b64(b"\x01" * 32 + bytes(32)),
    "all ones": b64(b"\xff" * 64),
    "of other claims": good(org_id="org-2").rpartition(b".")[2],
}


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES.keys())
def test_a_signature_that_does_not_verify_is_refused(signature: bytes) -> None:
    assert judged(TEXT + b"." + signature) == Reason.TOKEN_SIGNATURE


def test_a_signature_covers_the_header() -> None:
    assert judged(part(header(x=1)) + b"." + BODY + b"." + SIGNATURE) == Reason.TOKEN_SIGNATURE
    assert judged(forged(header(), claims())) == Reason.TOKEN_SIGNATURE
