"""Bundles: what is signed is what is read, to the byte, and nothing else is a bundle."""

import json
from typing import Any

import pytest

from proxy.authn.detached import encode, sign_detached
from proxy.distribution.bundle import KIND, MAX_BYTES, MAX_SERIAL, make, read, read_unverified
from proxy.errors import SignatureInvalid
from tests.distribution.publishing import PUBLISHED, Publisher

PUBLISHER = Publisher()
FILES = {"b.toml": "schema = 1\r\n# ünïcödé\n", "a.toml": "schema = 1\n"}
GOOD: dict[str, Any] = {"serial": 1, "published": PUBLISHED, "files": FILES}


def signed(payload: bytes) -> bytes:
    """Any payload with a good signature."""
    signature = sign_detached(payload, KIND, PUBLISHER.private_pem())
    return json.dumps({"payload": encode(payload), "signature": signature}).encode()


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def refusal(content: bytes) -> str:
    with pytest.raises(SignatureInvalid) as caught:
        read(content, PUBLISHER.keys())
    return caught.value.why


def test_what_is_read_is_what_was_signed() -> None:
    made = make(7, PUBLISHED, FILES, PUBLISHER.private_pem())

    found = read(made.content, PUBLISHER.keys())

    assert found == made == read_unverified(made.content)
    assert (found.serial, found.published, found.files) == (7, PUBLISHED, FILES)


def test_equal_content_is_equal_bytes_in_whatever_order_the_files_come() -> None:
    backwards = dict(reversed(FILES.items()))

    made = [make(7, PUBLISHED, files, PUBLISHER.private_pem()) for files in (FILES, backwards)]

    assert made[0].payload == made[1].payload == canonical(GOOD | {"serial": 7})


def test_another_publishers_bundle_is_refused() -> None:
    assert "of none of the keys" in refusal(make(1, PUBLISHED, FILES, Publisher().private_pem()).content)


def test_an_altered_payload_is_refused() -> None:
    document = json.loads(make(1, PUBLISHED, FILES, PUBLISHER.private_pem()).content)
    document["payload"] = encode(canonical(GOOD | {"serial": 2}))

    assert "of other content" in refusal(json.dumps(document).encode())


def test_a_token_of_the_same_key_is_no_bundle() -> None:
    signature = sign_detached(canonical(GOOD), "JWT", PUBLISHER.private_pem())

    content = json.dumps({"payload": encode(canonical(GOOD)), "signature": signature}).encode()

    assert "typ" in refusal(content)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"serial": 0}, "serial has to be"),
        ({"serial": -1}, "serial has to be"),
        ({"serial": MAX_SERIAL + 1}, "serial has to be"),
        ({"serial": True}, "serial has to be"),
        ({"serial": 1.0}, "serial has to be"),
        ({"serial": "1"}, "serial has to be"),
        ({"published": "yesterday"}, "RFC 3339"),
        ({"published": "2026-01-01T00:00:00"}, "RFC 3339"),
        ({"published": "2026-01-01"}, "RFC 3339"),
        ({"published": "2026-13-01T00:00:00Z"}, "RFC 3339"),
        ({"published": "2026-W01-1T00:00:00Z"}, "RFC 3339"),
        ({"published": 5}, "has to hold serial, published and files"),
        ({"files": {}}, "plain names"),
        ({"files": []}, "has to hold serial, published and files"),
        ({"files": {"../a.toml": ""}}, "plain names"),
        ({"files": {"a/b.toml": ""}}, "plain names"),
        ({"files": {".toml": ""}}, "plain names"),
        ({"files": {"a.txt": ""}}, "plain names"),
        ({"files": {"a.toml\n": ""}}, "plain names"),
        ({"files": {"a.toml": None}}, "plain names"),
        ({"more": 1}, "and nothing else"),
    ],
)
def test_a_signed_payload_of_another_form_is_refused(change: dict[str, object], says: str) -> None:
    assert says in refusal(signed(canonical(GOOD | change)))


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps(GOOD, ensure_ascii=False).encode(),
        canonical(GOOD) + b"\n",
        json.dumps(GOOD, sort_keys=True, separators=(",", ":")).encode(),
        canonical(GOOD).replace(b'"serial":1', b'"serial":1,"serial":1'),
        canonical(GOOD | {"files": {"a.toml": "@"}}).replace(b"@", b"\\ud800"),
        canonical(GOOD)[:-1],
        b"",
    ],
    ids=["spaces", "line end", "escapes", "twice", "half a pair", "cut", "empty"],
)
def test_a_signed_payload_in_another_spelling_is_refused(payload: bytes) -> None:
    assert refusal(signed(payload))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\x00", b'{"payload":"","signature":""}', b"<html>"])
def test_what_is_no_bundle_is_refused(content: bytes) -> None:
    assert refusal(content)


def test_what_stands_beside_payload_and_signature_is_refused() -> None:
    document = json.loads(make(1, PUBLISHED, FILES, PUBLISHER.private_pem()).content)

    assert "nothing else" in refusal(json.dumps(document | {"note": ""}).encode())
    assert "each member is there once" in refusal(
        json.dumps(document).replace('{"payload"', '{"payload": "", "payload"').encode()
    )
    assert "larger than" in refusal(json.dumps(document).encode() + b" " * MAX_BYTES)


@pytest.mark.parametrize("serial", [0, MAX_SERIAL + 1])
def test_what_nobody_would_read_is_not_made(serial: int) -> None:
    with pytest.raises(SignatureInvalid, match="serial"):
        make(serial, PUBLISHED, FILES, PUBLISHER.private_pem())
    with pytest.raises(SignatureInvalid, match="plain names"):
        make(1, PUBLISHED, {"no": ""}, PUBLISHER.private_pem())
