"""What a body asks for; and every body that two parsers could read differently is refused, not read."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.backends.base import Backend, Sketch
from proxy.backends.registry import make_backend
from proxy.backends.strict import MAX_DEPTH, MAX_PIECES
from proxy.messages import Headers
from proxy.policy.model import Refusal
from proxy.policy.operations import UNKNOWN_OPERATION, Operation
from tests.backends.asking import JSON, aws, head, reason, said, terms

REKOGNITION = make_backend("aws-rekognition")
DEEPFACE = make_backend("deepface")
INSIGHTFACE = make_backend("insightface-rest")
GOOGLE = make_backend("google-vision")
ANALYZE = head("POST", "/analyze", JSON)
EXTRACT = head("POST", "/extract", JSON)
ANNOTATE = head("POST", "/v1/images:annotate", JSON)
EVERYTHING = {
    "analyze",
    "analyze.age",
    "analyze.emotion",
    "analyze.gender",
    "analyze.race",
    "detect",
    "liveness",
}


def features(*types: Any) -> dict[str, Any]:
    return {"requests": [{"image": {"content": ""}, "features": [{"type": t}]} for t in types]}


@pytest.mark.parametrize(
    ("operation", "body", "expected"),
    [
        ("DetectFaces", {}, {"detect"}),
        ("DetectFaces", {"Attributes": []}, {"detect"}),
        ("DetectFaces", {"Attributes": None}, {"detect"}),
        ("DetectFaces", {"Attributes": ["DEFAULT"]}, {"detect"}),
        ("DetectFaces", {"Attributes": ["ALL"]}, {"detect", "analyze"}),
        ("DetectFaces", {"Attributes": ["DEFAULT", "AGE_RANGE"]}, {"detect", "analyze", "analyze.age"}),
        ("DetectFaces", {"Attributes": ["AGE_RANGE", "NEW"]}, {"detect", "analyze"}),
        ("DetectFaces", {"Attributes": "ALL"}, {"detect", "analyze"}),
        ("DetectFaces", {"Attributes": {"ALL": 1}}, {"detect", "analyze"}),
        ("DetectFaces", {"Attributes": [["ALL"]]}, {"detect", "analyze"}),
        ("IndexFaces", {"DetectionAttributes": ["DEFAULT"]}, {"detect", "enroll"}),
        (
            "IndexFaces",
            {"DetectionAttributes": ["EMOTIONS"]},
            {"detect", "enroll", "analyze", "analyze.emotion"},
        ),
        ("StartFaceDetection", {"FaceAttributes": "DEFAULT"}, {"detect"}),
        ("StartFaceDetection", {"FaceAttributes": "ALL"}, {"detect", "analyze"}),
        ("CreateStreamProcessor", {"Settings": {"FaceSearch": {"CollectionId": "c"}}}, {"search"}),
        ("CreateStreamProcessor", {"Settings": {"ConnectedHome": {"Labels": ["PERSON"]}}}, {"nonface"}),
        (
            "CreateStreamProcessor",
            {"Settings": {"ConnectedHome": {}, "FaceSearch": None}},
            {"search", "nonface"},
        ),
        ("CreateStreamProcessor", {}, {"search"}),
        ("CreateStreamProcessor", {"Settings": {"Gait": {}}}, {"unknown"}),
        ("StartStreamProcessor", {}, {"search"}),
    ],
)
def test_rekognition_does_what_its_body_asks_for(operation: str, body: object, expected: set[str]) -> None:
    assert terms(said(REKOGNITION, aws(operation), body)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"actions": ["age"]}, {"detect", "analyze", "analyze.age"}),
        ({"actions": "emotion"}, {"detect", "analyze", "analyze.emotion"}),
        (
            {"actions": ["age", "race"], "anti_spoofing": True},
            EVERYTHING - {"analyze.emotion", "analyze.gender"},
        ),
        ({"actions": "[age]"}, {"detect", "analyze", "analyze.age"}),
        ({"actions": "('age', \"race\")"}, {"detect", "analyze", "analyze.age", "analyze.race"}),
        ({"actions": "age;race"}, EVERYTHING - {"liveness"}),
        ({"actions": ""}, EVERYTHING - {"liveness"}),
        ({}, EVERYTHING - {"liveness"}),
        ({"actions": []}, EVERYTHING - {"liveness"}),
        ({"actions": ["age"], "anti_spoofing": 1}, {"detect", "analyze", "analyze.age", "liveness"}),
        ({"actions": ["age"], "anti_spoofing": "no"}, {"detect", "analyze", "analyze.age", "liveness"}),
        ({"actions": ["age"], "anti_spoofing": "false"}, {"detect", "analyze", "analyze.age", "liveness"}),
        ({"actions": ["age"], "anti_spoofing": [False]}, {"detect", "analyze", "analyze.age", "liveness"}),
        ({"actions": ["age"], "anti_spoofing": False}, {"detect", "analyze", "analyze.age"}),
    ],
)
def test_deepface_does_what_its_actions_ask_for(body: object, expected: set[str]) -> None:
    assert terms(said(DEEPFACE, ANALYZE, body)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"extract_embedding": False, "extract_ga": False, "detect_masks": False}, {"detect"}),
        ({"extract_ga": False, "detect_masks": False}, {"detect", "template"}),
        ({"extract_embedding": "false", "extract_ga": False, "detect_masks": False}, {"detect"}),
        ({"extract_embedding": 0, "extract_ga": False, "detect_masks": False}, {"detect", "template"}),
        (
            {"extract_embedding": False, "embed_only": True, "extract_ga": False, "detect_masks": False},
            {"detect", "template"},
        ),
        (
            {"extract_embedding": False, "detect_masks": False},
            {"detect", "analyze", "analyze.age", "analyze.gender"},
        ),
    ],
)
def test_insightface_does_what_its_flags_ask_for(body: object, expected: set[str]) -> None:
    assert terms(said(INSIGHTFACE, EXTRACT, body)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (features("LABEL_DETECTION"), {"nonface"}),
        (features("FACE_DETECTION"), {"detect", "analyze", "analyze.emotion"}),
        (features("LABEL_DETECTION", "WEB_DETECTION"), {"nonface", "search"}),
        (features("LABEL_DETECTION", 1), {"nonface", "detect", "analyze", "analyze.emotion"}),
        (features("NEW_DETECTION"), {"unknown"}),
        (features("face_detection"), {"unknown"}),
        (features("LABEL_DETECTION", 0), {"unknown"}),
        (features(1.0), {"unknown"}),
        (features(True), {"unknown"}),
        ({"requests": [{"features": [{"maxResults": 1}]}]}, {"unknown"}),
        ({"requests": []}, {"unknown"}),
        ({}, {"unknown"}),
    ],
)
def test_google_does_what_all_features_of_all_requests_ask_for(body: object, expected: set[str]) -> None:
    assert terms(said(GOOGLE, ANNOTATE, body)) == expected


@pytest.mark.parametrize("number", range(20))
def test_a_feature_by_number_is_the_feature_by_name(number: int) -> None:
    names = {1: "FACE_DETECTION", 4: "LABEL_DETECTION", 10: "WEB_DETECTION", 12: "PRODUCT_SEARCH"}
    by_number = said(GOOGLE, ANNOTATE, features(number))

    assert said(GOOGLE, ANNOTATE, features(str(number))) == by_number
    if number in names:
        assert said(GOOGLE, ANNOTATE, features(names[number])) == by_number
    assert (by_number is UNKNOWN_OPERATION) is (number not in {*range(1, 8), *range(9, 13), 19})


AMBIGUOUS = {
    "a member twice": b'{"Attributes":["DEFAULT"],"Attributes":["ALL"]}',
    "a member twice, spelt differently": b'{"Attributes":["DEFAULT"],"\\u0041ttributes":["ALL"]}',
    "a member twice further in": b'{"Attributes":["DEFAULT"],"Image":{"Bytes":"","Bytes":"x"}}',
    "a name in other letters": b'{"attributes":["ALL"]}',
    "a name in other words": b'{"Attributes":["DEFAULT"],"_attributes":["ALL"]}',
    "a name with a NUL": b'{"Attributes\\u0000":["ALL"]}',
    "not a number": b'{"Attributes":["DEFAULT"],"x":NaN}',
    "infinity": b'{"x":-Infinity}',
    "bytes after it": b'{"Attributes":["DEFAULT"]}{"Attributes":["ALL"]}',
    "bytes before it": b'\x0b{"Attributes":["DEFAULT"]}',
    "a byte order mark": b'\xef\xbb\xbf{"Attributes":["DEFAULT"]}',
    "UTF-16": '{"Attributes":["DEFAULT"]}'.encode("utf-16"),
    "UTF-32": '{"Attributes":["DEFAULT"]}'.encode("utf-32-be"),
    "Latin-1": b'{"x":"\xe9"}',
    "UTF-8 that is too long": b'{"x":"\xc1\x81"}',
    "a surrogate in UTF-8": b'{"x":"\xed\xa0\x80"}',
    "a comment": b'{"Attributes":["DEFAULT"]/*,"Attributes":["ALL"]*/}',
    "a comma too many": b'{"Attributes":["DEFAULT"],}',
    "other quotes": b"{'Attributes':['DEFAULT']}",
    "a control character": b'{"x":"\n"}',
    "no object": b'["ALL"]',
    "nothing": b"",
    "a form": b"Attributes=ALL",
    "too deep": b'{"x":' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b"}",
    "far too deep": b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "too many lists": b'{"x":[' + b"[]," * MAX_PIECES + b"0]}",
    "a list that is too long": b'{"x":[' + b"0," * MAX_PIECES + b"0,0]}",
    "too many members": b"{" + b",".join(b'"%d":0' % i for i in range(MAX_PIECES + 2)) + b"}",
    "a number beyond counting": b'{"x":' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("body", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_body_with_two_readings_is_refused(body: bytes) -> None:
    assert reason(said(REKOGNITION, aws("DetectFaces"), body)) == "request-ambiguous"


@pytest.mark.parametrize(
    "fields",
    [
        ((b"content-type", b"application/json; charset=utf-16"),),
        ((b"content-type", b"application/json; charset=utf-8; charset=utf-7"),),
        ((b"content-type", b"application/json;boundary=x"),),
        (*JSON, (b"content-encoding", b"gzip")),
        (*JSON, (b"content-encoding", b"identity")),
    ],
)
def test_a_body_in_another_coding_is_refused_where_it_matters(fields: Headers) -> None:
    assert (
        reason(said(DEEPFACE, head("POST", "/analyze", fields), {"actions": ["age"]})) == "request-ambiguous"
    )


@pytest.mark.parametrize("backend", [DEEPFACE, INSIGHTFACE, GOOGLE, make_backend("azure-face")])
def test_two_content_types_are_refused(backend: Backend) -> None:
    target = {"deepface": "/verify", "insightface-rest": "/extract", "azure-face": "/face/v1.0/verify"}
    call = head("POST", target.get(backend.name, "/v1/images:annotate"), (*JSON, *JSON))

    assert reason(backend.classify(call)) == "request-ambiguous"


@pytest.mark.parametrize(
    "kind",
    [b"multipart/mixed; boundary=x", b"application/msgpack", b"text/plain", b"application/x-protobuf", b""],
)
def test_a_body_in_another_format_counts_as_asking_for_everything(kind: bytes) -> None:
    found = DEEPFACE.classify(head("POST", "/analyze", ((b"content-type", kind),)))

    assert terms(found) == EVERYTHING


def test_as_many_members_as_a_call_can_have_are_read() -> None:
    many = b'{"Attributes":["DEFAULT"],"x":[' + b"0," * (MAX_PIECES - 5) + b"0]}"

    assert terms(said(REKOGNITION, aws("DetectFaces"), many)) == {"detect"}


def test_no_body_is_looked_at_that_cannot_matter() -> None:
    for name in ("CompareFaces", "SearchFacesByImage", "DetectText"):
        assert isinstance(REKOGNITION.classify(aws(name)), Operation)
    assert isinstance(make_backend("azure-face").classify(head("POST", "/face/v1.0/verify", JSON)), Operation)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 20) | st.sampled_from(["ALL", "age", "FACE_DETECTION", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Attributes", "actions", "requests", "features", "type", "image", "Settings", "images"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    st.sampled_from([REKOGNITION, DEEPFACE, INSIGHTFACE, GOOGLE]), st.one_of(_json.map(json.dumps), st.text())
)
def test_whatever_a_body_says_stays_within_what_the_head_allows(backend: Backend, text: str) -> None:
    call = {
        "aws-rekognition": aws("DetectFaces"),
        "deepface": ANALYZE,
        "insightface-rest": EXTRACT,
        "google-vision": ANNOTATE,
    }[backend.name]
    sketch = backend.classify(call)
    assert isinstance(sketch, Sketch)

    found = backend.read(call, text.encode("utf-8", "surrogatepass"))

    if isinstance(found, Refusal) or found is UNKNOWN_OPERATION:
        return
    assert sketch.least.classes <= found.classes <= sketch.most.classes
    assert not sketch.most.traits or found.traits <= sketch.most.traits
