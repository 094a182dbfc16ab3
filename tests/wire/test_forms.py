"""Forms and MessagePack through the proxy: what they ask for decides, and they go on as they came."""

from urllib.parse import urlencode

import msgpack
import pytest

from tests.backends.forms import FORM, URLENCODED, Part, form, framed
from tests.harness.proxy import MORATORIUM, running_proxy

PACKED = ((b"content-type", b"application/msgpack"),)
# Nothing in it is text, and some of it looks like a boundary that is none.
PICTURE = bytes(range(256)) * 1024 + b"\r\n--\r\n--b0undary\r\n"
EMOTION = MORATORIUM.replace('["compare", "search", "enroll", "template"]', '["analyze"]') + (
    'covers.traits = ["emotion"]\n'
)
INLINE = "data:image/jpeg;base64,/9j/4A+="
NO_VECTOR = {"extract_embedding": False, "images": {"data": [PICTURE]}}
FACE = Part("file", PICTURE, "face.jpg")
AGE, EMOTIONS = Part("actions", b"[age, race]"), Part("actions", b"[age, emotion]")
IMG = Part("img", PICTURE, "face.jpg")


@pytest.mark.parametrize(
    ("backend", "target", "fields", "policy", "let_go", "stopped"),
    [
        (
            "insightface-rest",
            "/extract",
            PACKED,
            MORATORIUM,
            msgpack.packb(NO_VECTOR),
            msgpack.packb(NO_VECTOR | {"embed_only": True}),
        ),
        (
            "compreface",
            "/api/v1/detection/detect?face_plugins=age",
            FORM,
            MORATORIUM,
            form(FACE, Part("face_plugins", b"gender")),
            form(FACE, Part("face_plugins", b"calculator")),
        ),
        ("deepface", "/analyze", FORM, EMOTION, form(IMG, AGE), form(IMG, EMOTIONS)),
        (
            "deepface",
            "/analyze",
            URLENCODED,
            EMOTION,
            urlencode({"img": INLINE, "actions": "age"}).encode(),
            urlencode({"img": INLINE, "actions": "age,emotion"}).encode(),
        ),
    ],
    ids=["msgpack", "plugins of a form", "actions of a form", "actions of an urlencoded form"],
)
async def test_what_a_body_asks_for_decides_and_it_goes_on_unchanged(
    backend: str,
    target: str,
    fields: tuple[tuple[bytes, bytes], ...],
    policy: str,
    let_go: bytes,
    stopped: bytes,
) -> None:
    lines = [(name.decode(), value.decode()) for name, value in fields]
    async with running_proxy(backend=backend, policy=policy) as proxy:
        answers = [
            await proxy.call("POST", target, body, caller=caller, fields=lines)
            for caller, body in (
                ("police", stopped),
                ("police", let_go),
                ("police", let_go + b"\n"),
                ("commercial", stopped),
            )
        ]

        assert [answer.status for answer in answers] == [451, 200, 400, 200]
        assert proxy.reasons() == ["moratorium", "not-covered", "request-ambiguous", "not-bound"]
        assert [message.body for message in proxy.upstream.messages] == [let_go, stopped]


@pytest.mark.parametrize(
    ("backend", "target", "fields", "sent", "named"),
    [
        (
            "insightface-rest",
            "/extract",
            PACKED,
            msgpack.packb(NO_VECTOR),
            msgpack.packb({"images": {"urls": ["http://169.254.169.254/"]}}),
        ),
        ("deepface", "/verify", FORM, form(IMG._replace(name="img1")), form(Part("img1", b"/etc/passwd"))),
        ("deepface", "/represent", FORM, form(IMG), form(Part("img", b"http://169.254.169.254/"))),
        (
            "deepface",
            "/represent",
            URLENCODED,
            urlencode({"img": INLINE}).encode(),
            urlencode({"img": "/etc/passwd"}).encode(),
        ),
    ],
    ids=["msgpack", "a path", "an address", "a path in an urlencoded form"],
)
async def test_a_picture_that_is_sent_goes_on_and_one_that_is_named_does_not(
    backend: str, target: str, fields: tuple[tuple[bytes, bytes], ...], sent: bytes, named: bytes
) -> None:
    lines = [(name.decode(), value.decode()) for name, value in fields]
    async with running_proxy(backend=backend, media="inline-only") as proxy:
        for body, expected in ((sent, 200), (named, 403)):
            assert (await proxy.call("POST", target, body, fields=lines)).status == expected

        assert proxy.reasons()[1] == "media-by-reference"
        assert [message.body for message in proxy.upstream.messages] == [sent]


async def test_a_form_within_a_form_is_refused_by_name() -> None:
    about = b'Content-Disposition: form-data; name="img"\r\n'
    inner = about + b"Content-Type: multipart/mixed; boundary=abcdefgh\r\n\r\n"
    async with running_proxy(backend="deepface", media="inline-only") as proxy:
        fields = [(name.decode(), value.decode()) for name, value in FORM]
        answer = await proxy.call("POST", "/represent", framed(inner), fields=fields)

        assert answer.status == 400
        assert proxy.reasons() == ["request-ambiguous"]
        assert not proxy.upstream.connections
