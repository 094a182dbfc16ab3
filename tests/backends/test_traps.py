"""The traps that face APIs hold for somebody who wants to know what a call does, one test each."""

import pytest

from proxy.backends.base import Sketch
from proxy.backends.registry import NAMES, make_backend
from proxy.messages import RequestHead
from proxy.policy.operations import UNKNOWN_OPERATION
from tests.backends.asking import JSON, aws, head, reason, said, terms

PRESETS = [name for name in NAMES if name != "generic"]


def test_an_enumeration_can_be_sent_as_a_number() -> None:
    target = "/v1/images:annotate?%24alt=json%3Benum-encoding%3Dint"
    call = head("POST", target, JSON)

    found = said(make_backend("google-vision"), call, {"requests": [{"features": [{"type": 1}]}]})

    assert terms(found) == {"detect", "analyze", "analyze.emotion"}


def test_one_face_in_a_batch_of_labels_makes_the_batch_about_faces() -> None:
    labels = {"features": [{"type": "LABEL_DETECTION"}]}
    faces = {"features": [{"type": "TEXT_DETECTION"}, {"type": "FACE_DETECTION"}]}

    found = said(
        make_backend("google-vision"),
        head("POST", "/v1/images:annotate", JSON),
        {"requests": [labels, faces]},
    )

    assert terms(found) >= {"detect", "analyze.emotion"}


@pytest.mark.parametrize(
    ("backend", "call"),
    [
        ("insightface-rest", head("POST", "/extract")),
        ("deepface", head("POST", "/represent")),
        ("azure-face", head("POST", "/face/v1.2/detect")),
        ("compreface", head("POST", "/api/v1/detection/detect?face_plugins=calculator")),
        ("compreface", head("POST", "/core/scan_faces")),
    ],
)
def test_a_vector_without_a_comparison_is_a_template(backend: str, call: RequestHead) -> None:
    found = make_backend(backend).classify(call)

    assert "template" in terms(found.most if isinstance(found, Sketch) else found)


@pytest.mark.parametrize(
    ("backend", "call"),
    [
        ("aws-rekognition", aws("GetFaceSearch")),
        ("azure-face", head("GET", "/face/v1.2/detectLivenessWithVerify/singleModal/sessions/1")),
        ("google-vision", head("GET", "/v1/projects/p/operations/1")),
    ],
)
def test_the_result_of_a_job_has_the_class_of_the_job(backend: str, call: RequestHead) -> None:
    found = make_backend(backend).classify(call)

    assert terms(found) & {"search", "compare"}
    assert found.is_result  # type: ignore[union-attr]


def test_what_a_call_does_is_not_told_by_its_method() -> None:
    compreface = make_backend("compreface")

    assert terms(compreface.classify(head("POST", "/api/v1/recognition/faces/delete"))) == {"erase"}
    assert terms(make_backend("azure-face").classify(head("GET", "/face/v1.0/facelists/a"))) == {"gallery"}


@pytest.mark.parametrize("path", ["/api/v1/static/00000000-0000-0000-0000-000000000000/images/1"])
def test_a_key_in_a_path_is_refused_and_never_goes_on(path: str) -> None:
    assert reason(make_backend("compreface").classify(head("GET", path))) == "credentials-ambiguous"


@pytest.mark.parametrize(
    "name",
    [
        "key", "KEY", "k%65y", "token", "access_token", "api_key", "subscription-key", "X-Amz-Signature",
        "x-amz-security-token", "X-Amz-Credential", "X-Goog-Signature",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("backend", "target"),
    [
        ("azure-face", "/face/v1.0/detect"),
        ("compreface", "/api/v1/recognition/recognize"),
        ("deepface", "/verify"),
        ("insightface-rest", "/extract"),
        ("google-vision", "/v1/images:annotate"),
        ("google-vision", "/v1/anything"),
    ],
)
def test_a_credential_in_a_query_is_refused_and_never_goes_on(backend: str, target: str, name: str) -> None:
    found = make_backend(backend).classify(head("POST", f"{target}?{name}=x"))

    assert reason(found) == "credentials-ambiguous"


def test_a_presigned_query_is_refused() -> None:
    call = aws("DetectFaces")._replace(target=b"/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0")

    assert reason(make_backend("aws-rekognition").classify(call)) == "target-not-canonical"


@pytest.mark.parametrize(
    "query",
    [
        "returnFaceId=false&returnFaceId=true", "returnFaceId=false&RETURNFACEID=true",
        "returnFaceId=false;x=1", "returnFaceId=%", "returnFaceId=%f", "returnFaceId=%ff",
        "returnFaceId=%2566alse", "returnFaceId=f%00", "returnFaceId=false&return%46aceId=true",
    ],
)  # fmt: skip
def test_a_query_with_two_readings_is_refused(query: str) -> None:
    found = make_backend("azure-face").classify(head("POST", f"/face/v1.0/detect?{query}"))

    assert reason(found) == "request-ambiguous"


def test_two_targets_are_refused() -> None:
    call = aws("DetectFaces")
    twice = call._replace(headers=(*call.headers, (b"x-amz-target", b"RekognitionService.CompareFaces")))

    assert reason(make_backend("aws-rekognition").classify(twice)) == "request-ambiguous"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"/service/RekognitionService/operation/DetectFaces", b"application/cbor"),
        (b"/service/RekognitionService/operation/DetectFaces", b"application/x-amz-json-1.1"),
        (b"/", b"application/x-amz-json-1.0"),
        (b"/", b"application/cbor"),
        (b"/", b"application/x-amz-json-1.1; charset=utf-8"),
    ],
)
def test_another_protocol_of_the_same_api_is_never_a_known_operation(path: bytes, kind: bytes) -> None:
    fields = ((b"x-amz-target", b"RekognitionService.DetectFaces"), (b"content-type", kind))

    found = make_backend("aws-rekognition").classify(RequestHead(b"POST", path, b"1.1", fields))

    assert found is UNKNOWN_OPERATION or reason(found) == "target-not-canonical"


@pytest.mark.parametrize("name", PRESETS)
def test_grpc_is_never_a_known_operation(name: str) -> None:
    fields = ((b"content-type", b"application/grpc"),)
    for target in ("/google.cloud.vision.v1.ImageAnnotator/BatchAnnotateImages", "/DeepFaceService/Verify"):
        found = make_backend(name).classify(head("POST", target, fields))
        assert found is UNKNOWN_OPERATION or reason(found) == "target-not-canonical"


def test_what_needs_no_key_upstream_is_judged_all_the_same() -> None:
    compreface = make_backend("compreface")

    assert terms(compreface.classify(head("POST", "/core/scan_faces"))) == {"detect", "template"}
    assert compreface.classify(head("POST", "/api/v1/migrate")) is UNKNOWN_OPERATION
    assert compreface.classify(head("GET", "/admin/user/me")) is UNKNOWN_OPERATION
