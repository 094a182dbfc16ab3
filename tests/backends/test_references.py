"""With `inline-only`, a call that names its image or video instead of sending it is refused."""

import json
from urllib.parse import urlencode

import msgpack
import pytest

from proxy.backends.base import Sketch
from proxy.backends.registry import NAMES, make_backend
from proxy.errors import SettingsError
from proxy.messages import Headers, RequestHead
from proxy.policy.operations import Operation
from proxy.settings import read_settings
from tests.backends.asking import JSON, aws, head, reason, said
from tests.backends.forms import FORM, URLENCODED, Part, form
from tests.harness.proxy import running_proxy

OCTETS = ((b"content-type", b"application/octet-stream"),)
PACKED = ((b"content-type", b"application/msgpack"),)
X_PACKED = ((b"content-type", b"application/x-msgpack"),)
BUCKET = {"S3Object": {"Bucket": "b", "Name": "n"}}
INLINE = "data:image/jpeg;base64,AA=="
ANNOTATE = head("POST", "/v1/images:annotate", JSON)
DETECT = "/face/v1.0/detect?returnFaceId=false"


def one_file(name: str, **others: str) -> bytes:
    """A form with a picture in it, and other fields."""
    return form(Part(name, b"\xff\xd8", "a.jpg"), *(Part(n, v.encode()) for n, v in others.items()))


def fields(**members: str) -> bytes:
    return form(*(Part(name, value.encode()) for name, value in members.items()))


def packed(**members: object) -> bytes:
    return bytes(msgpack.packb(members))


def annotating(image: object) -> object:
    return {"requests": [{"image": image, "features": [{"type": 4}]}]}


@pytest.mark.parametrize(
    ("backend", "call", "body"),
    [
        ("aws-rekognition", aws("DetectFaces"), {"Image": BUCKET}),
        ("aws-rekognition", aws("CompareFaces"), {"SourceImage": {"Bytes": ""}, "TargetImage": BUCKET}),
        ("aws-rekognition", aws("StartFaceSearch"), {"Video": BUCKET}),
        ("aws-rekognition", aws("CreateStreamProcessor"), {}),
        ("azure-face", head("POST", DETECT, JSON), {"url": "https://pictures.example/a.jpg"}),
        ("azure-face", head("POST", DETECT), {"url": "https://pictures.example/a.jpg"}),
        ("azure-face", head("POST", "/face/v1.0/facelists/a/persistedfaces", JSON), {"url": ""}),
        (
            "deepface",
            head("POST", "/verify", JSON),
            {"img1": INLINE, "img2": "https://pictures.example/a.jpg"},
        ),
        ("deepface", head("POST", "/represent", JSON), {"img": "/etc/passwd"}),
        ("deepface", head("POST", "/represent", JSON), {"img": [INLINE, "http://a"]}),
        ("deepface", head("POST", "/represent", FORM), fields(img="/etc/passwd")),
        ("deepface", head("POST", "/represent", FORM), fields(img="http://a", model_name="Dlib")),
        ("deepface", head("POST", "/represent", FORM), fields(img=" data:image/jpeg;base64,AA==")),
        ("deepface", head("POST", "/verify", FORM), one_file("img1", img2="/etc/passwd")),
        ("deepface", head("POST", "/represent", URLENCODED), b"img=%2Fetc%2Fpasswd"),
        ("deepface", head("POST", "/represent", URLENCODED), b"img=" + b"/." * 5000),
        ("insightface-rest", head("POST", "/extract", JSON), {"images": {"urls": ["http://a"]}}),
        ("insightface-rest", head("POST", "/extract", JSON), {"img_req_headers": {"a": "b"}}),
        ("insightface-rest", head("POST", "/extract", PACKED), packed(images={"urls": ["http://a"]})),
        ("insightface-rest", head("POST", "/extract", PACKED), packed(images={"urls": b"http://a"})),
        ("insightface-rest", head("POST", "/draw_detections", PACKED), packed(images={"urls": []})),
        ("insightface-rest", head("POST", "/extract", X_PACKED), packed()),
        ("google-vision", ANNOTATE, annotating({"source": {"imageUri": "https://a"}})),
        ("google-vision", ANNOTATE, annotating({"source": {"image_uri": "https://a"}, "content": ""})),
        ("google-vision", head("POST", "/v1/files:asyncBatchAnnotate", JSON), {}),
    ],
)
def test_a_reference_is_refused(backend: str, call: RequestHead, body: object) -> None:
    found = said(make_backend(backend, inline_only=True), call, body)

    assert reason(found) == "media-by-reference"
    assert not getattr(said(make_backend(backend), call, body), "reason", None)


@pytest.mark.parametrize(
    ("backend", "call", "body"),
    [
        ("aws-rekognition", aws("DetectFaces"), {"Image": {"Bytes": ""}}),
        ("aws-rekognition", aws("SearchFaces"), {"FaceId": ""}),
        ("azure-face", head("POST", DETECT, OCTETS), b""),
        ("azure-face", head("POST", "/face/v1.0/verify", JSON), {"faceId1": ""}),
        ("compreface", head("POST", "/api/v1/recognition/recognize", FORM), one_file("file")),
        ("deepface", head("POST", "/verify", JSON), {"img1": INLINE, "img2": INLINE}),
        ("deepface", head("POST", "/represent", FORM), one_file("img", model_name="Dlib")),
        ("deepface", head("POST", "/represent", FORM), fields(img=INLINE + "A" * 5000)),
        ("deepface", head("POST", "/represent", URLENCODED), urlencode({"img": INLINE}).encode()),
        ("insightface-rest", head("POST", "/extract", PACKED), packed(images={"data": [b"\xff\xd8"]})),
        ("insightface-rest", head("POST", "/extract", JSON), {"images": {"data": [""], "urls": None}}),
        ("google-vision", ANNOTATE, annotating({"content": ""})),
        ("google-vision", head("GET", "/v1/operations/1"), b""),
    ],
)
def test_media_that_are_sent_go_on(backend: str, call: RequestHead, body: object) -> None:
    assert isinstance(said(make_backend(backend, inline_only=True), call, body), Operation)


def test_a_body_must_be_read_even_where_the_operation_is_known() -> None:
    found = make_backend("aws-rekognition", inline_only=True).classify(aws("CompareFaces"))

    assert isinstance(found, Sketch)
    assert found.required
    assert found.least == found.most


def test_a_name_that_others_may_read_as_a_reference_is_refused() -> None:
    found = said(
        make_backend("aws-rekognition", inline_only=True), aws("DetectFaces"), {"Image": {"s3object": {}}}
    )

    assert reason(found) == "request-ambiguous"


def test_the_generic_backend_cannot_tell_references_apart() -> None:
    environ = {"MORATORIUM_BACKEND": "generic", "MORATORIUM_MEDIA": "inline-only"}

    with pytest.raises(SettingsError, match="MORATORIUM_MEDIA: generic does not know"):
        read_settings(environ)
    for name in NAMES:
        if name != "generic":
            with pytest.raises(SettingsError) as error:
                read_settings({"MORATORIUM_BACKEND": name, "MORATORIUM_MEDIA": "inline-only"})
            assert "MORATORIUM_MEDIA" not in str(error.value)


@pytest.mark.parametrize(
    ("backend", "target", "fields", "body", "expected"),
    [
        ("azure-face", DETECT, JSON, {"url": "https://a"}, 403),
        ("azure-face", DETECT, OCTETS, {}, 200),
        ("deepface", "/analyze", JSON, {"img": "/etc/passwd", "actions": ["age"]}, 403),
        ("deepface", "/analyze", JSON, {"img": INLINE, "actions": ["age"]}, 200),
    ],
)
async def test_references_do_not_reach_the_face_api(
    backend: str, target: str, fields: Headers, body: object, expected: int
) -> None:
    lines = [(name.decode(), value.decode()) for name, value in fields]
    async with running_proxy(backend=backend, media="inline-only") as proxy:
        answer = await proxy.call("POST", target, json.dumps(body).encode(), fields=lines)

        assert answer.status == expected
        assert (proxy.reasons() == ["media-by-reference"]) is (expected == 403)
        assert bool(proxy.upstream.connections) is (expected == 200)
