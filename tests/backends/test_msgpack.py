"""What a body in MessagePack asks for; and what two parsers could read differently is refused, not read."""

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgpack.fallback import Unpacker

from proxy.backends.base import Sketch
from proxy.backends.bodies import Format, read_body
from proxy.backends.msgpackbody import LONGEST_LIST
from proxy.backends.registry import make_backend
from proxy.backends.strict import MAX_DEPTH
from proxy.messages import Headers
from proxy.policy.model import Refusal
from proxy.policy.operations import Operation
from tests.backends.asking import head, reason, said, terms

INSIGHTFACE = make_backend("insightface-rest")
PACKED = ((b"content-type", b"application/msgpack"),)
EXTRACT = head("POST", "/extract", PACKED)
OFF = {"extract_embedding": False, "extract_ga": False, "detect_masks": False}
PICTURES = {"images": {"data": [b"\xff\xd8\xff"]}}


def packed(value: Any) -> bytes:
    return bytes(msgpack.packb(value))


def pairs(*members: tuple[bytes, bytes]) -> bytes:
    """A map of members that are packed already."""
    return bytes([0x80 + len(members)]) + b"".join(name + value for name, value in members)


def read(body: bytes) -> dict[str, Any] | Refusal:
    return read_body(Format.MSGPACK, EXTRACT, body)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {"detect"}),
        ({"extract_embedding": True}, {"detect", "template"}),
        ({"extract_embedding": "false"}, {"detect"}),
        ({"extract_embedding": b"false"}, {"detect", "template"}),
        ({"extract_embedding": 0.0}, {"detect", "template"}),
        ({"extract_embedding": None}, {"detect", "template"}),
        ({"embed_only": b"true"}, {"detect", "template"}),
        ({"extract_ga": True}, {"detect", "analyze", "analyze.age", "analyze.gender"}),
    ],
)
def test_insightface_does_what_its_flags_ask_for(more: dict[str, object], expected: set[str]) -> None:
    assert terms(said(INSIGHTFACE, EXTRACT, packed(PICTURES | OFF | more))) == expected


def test_only_what_the_server_unpacks_is_read() -> None:
    assert isinstance(INSIGHTFACE.classify(EXTRACT), Sketch)
    for kind in (b"application/x-msgpack", b"application/vnd.msgpack"):
        found = INSIGHTFACE.classify(head("POST", "/extract", ((b"content-type", kind),)))
        assert terms(found) >= {"detect", "template", "analyze"}
    for name, target in (("deepface", "/analyze"), ("compreface", "/api/v1/detection/detect")):
        assert isinstance(make_backend(name).classify(head("POST", target, PACKED)), Operation)


NAME, ON, NO = packed("extract_embedding"), packed(True), packed(False)
AMBIGUOUS = {
    "nothing": b"",
    "JSON": b'{"extract_embedding": false}',
    "a list": packed([OFF]),
    "cut short": packed(OFF)[:-1],
    "bytes after it": packed(OFF) + b"\xc0",
    "another one after it": packed(OFF) + packed(PICTURES),
    "a name twice": pairs((NAME, NO), (NAME, ON)),
    "a name twice, written longer": pairs((NAME, NO), (b"\xda\x00" + NAME, ON)),
    "a name twice further in": pairs((packed("x"), pairs((NAME, NO), (NAME, ON)))),
    "a name in other letters": packed({"Extract_Embedding": False}),
    "a name with a NUL": packed({"extract_embedding\0": False}),
    "a name in bytes": packed({b"extract_embedding": False}),
    "a name that is a number": pairs((b"\x01", NO)),
    "a name that is nothing": pairs((b"\xc0", NO)),
    "a name that is a list": pairs((b"\x90", NO)),
    "Latin-1": pairs((packed("x"), b"\xa1\xe9")),
    "a surrogate": pairs((packed("x"), b"\xa3\xed\xa0\x80")),
    "an extension": packed({"x": msgpack.ExtType(5, b"x")}),
    "a timestamp": packed({"x": msgpack.Timestamp(1)}),
    "a timestamp in a list": packed({"x": [[msgpack.Timestamp(1, 1)]]}),
    "a timestamp of another length": pairs((packed("x"), b"\xc7\x03\xff123")),
    "a type that there is not": pairs((packed("x"), b"\xc1")),
    "too deep": b"\x81\xa1x" + b"\x91" * MAX_DEPTH + b"\xc0",
    "far too deep": b"\x81\xa1x" + b"\x91" * 100_000,
    "a list that is too long": packed({"x": [0] * (LONGEST_LIST + 1)}),
    "a map that is too long": packed({str(i): 0 for i in range(LONGEST_LIST + 1)}),
    "too many lists": packed({"x": [[0] * 100] * 100}),
    "a list longer than the body": b"\x81\xa1x\xdd\xff\xff\xff\xff",
    "bytes longer than the body": b"\x81\xa1x\xc6\xff\xff\xff\xff",
}


@pytest.mark.parametrize("body", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_messagepack_with_two_readings_is_refused(body: bytes) -> None:
    assert reason(said(INSIGHTFACE, EXTRACT, body)) == "request-ambiguous"


@pytest.mark.parametrize(
    "fields",
    [
        ((b"content-type", b"application/msgpack; charset=utf-8"),),
        ((b"content-type", b"application/msgpack;x=y"),),
        (*PACKED, (b"content-encoding", b"gzip")),
    ],
)
def test_messagepack_in_another_coding_is_refused(fields: Headers) -> None:
    assert reason(said(INSIGHTFACE, head("POST", "/extract", fields), packed(OFF))) == "request-ambiguous"


def test_as_much_as_a_call_can_have_is_read() -> None:
    deep: Any = []
    for _ in range(MAX_DEPTH - 2):
        deep = [deep]
    document = PICTURES | {"x": deep, "y": [0] * LONGEST_LIST, "z": [1.5, -1, 2**64 - 1, None, True, "ä"]}

    assert read(packed(document)) == document


# ------------------------------------------------------------ what others read


def by_python(body: bytes, **options: Any) -> Any:
    """As the library's other half reads it, which is not in C."""
    unpacker = Unpacker(**options)
    unpacker.feed(body)
    return unpacker.unpack()


def first_wins(members: list[tuple[Any, Any]]) -> dict[Any, Any]:
    return dict(reversed(members))


def as_texts(value: Any) -> Any:
    """The value with its texts as the bytes that they are in UTF-8."""
    if isinstance(value, dict):
        return {as_texts(name): as_texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_texts(inner) for inner in value]
    return value.encode() if isinstance(value, str) else value


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-200, 2**40) | st.binary(max_size=3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["extract_embedding", "images", "data", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def _almost_messagepack(draw: st.DrawFn) -> bytes:
    body = packed({"images": draw(_values), "extract_embedding": draw(_values)})
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(body)))
        piece = draw(
            st.sampled_from([b"\xc1", b"\xa1x", b"\xc4\x01x", b"\x82", b"\xd4\x05x", NAME, NAME + ON])
        )
        body = body[:at] + piece + body[at + draw(st.integers(0, 3)) :]
    return body


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(_almost_messagepack())
def test_what_is_read_others_read_alike(body: bytes) -> None:
    found = read(body)

    if isinstance(found, dict):
        assert by_python(body) == found
        assert by_python(body, object_pairs_hook=first_wins) == found
        assert by_python(body, raw=True) == as_texts(found)
