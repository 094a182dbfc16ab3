"""What a form asks for; and every form that two parsers could read differently is refused, not read."""

import email.parser
import email.policy
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.backends.base import Sketch
from proxy.backends.bodies import Format, read_body
from proxy.backends.multipartbody import PIECE
from proxy.backends.registry import make_backend
from proxy.backends.strict import LONGEST_TEXT, MAX_FIELDS, Beginning, Upload
from proxy.messages import Headers
from proxy.policy.model import Refusal
from proxy.policy.operations import Operation
from tests.backends.asking import JSON, head, reason, said, terms
from tests.backends.forms import BOUNDARY, FORM, URLENCODED, Part, form, framed

COMPREFACE = make_backend("compreface")
DEEPFACE = make_backend("deepface")
DETECT = head("POST", "/api/v1/detection/detect", FORM)
ANALYZE = head("POST", "/analyze", FORM)
ENCODED = head("POST", "/analyze", URLENCODED)
PICTURE = Part("file", b"\xff\xd8\xff\r\n--\r\n", "a.jpg")
ABOUT = b"Content-Disposition: form-data; name="
AGE = {"detect", "analyze", "analyze.age"}
ALL = AGE | {"analyze.emotion", "analyze.gender", "analyze.race"}


def multipart(body: bytes, fields: Headers = FORM) -> dict[str, Any] | Refusal:
    return read_body(Format.MULTIPART, head("POST", "/", fields), body)


def urlencoded(body: bytes) -> dict[str, Any] | Refusal:
    return read_body(Format.URLENCODED, ENCODED, body)


def why(found: dict[str, Any] | Refusal) -> str:
    assert isinstance(found, Refusal), found
    return str(found.reason)


# ------------------------------------------------------------ what is asked for


@pytest.mark.parametrize(
    ("query", "plugins", "expected"),
    [
        ("", None, {"detect"}),
        ("", "", {"detect"}),
        ("", "calculator", {"detect", "template"}),
        ("", "age,calculator", AGE | {"template"}),
        ("?face_plugins=age", "calculator", AGE | {"template"}),
        ("?face_plugins=calculator", "age", AGE | {"template"}),
        ("", "pose", {"detect", "analyze", "analyze.quality"}),
    ],
)
def test_compreface_takes_plugins_from_query_and_form_alike(
    query: str, plugins: str | None, expected: set[str]
) -> None:
    more = [] if plugins is None else [Part("face_plugins", plugins.encode())]
    call = head("POST", f"/api/v1/detection/detect{query}", FORM)

    assert terms(said(COMPREFACE, call, form(PICTURE, *more))) == expected


def test_plugins_that_are_a_file_or_not_known_count_as_all_of_them() -> None:
    for plugins in (Part("face_plugins", b"age", "x.txt"), Part("face_plugins", b"age calculator")):
        assert terms(said(COMPREFACE, DETECT, form(PICTURE, plugins))) >= {"template", "analyze.gender"}


def test_a_plugin_behind_more_than_is_looked_at_is_not_missed() -> None:
    long = b"age," * LONGEST_TEXT + b"calculator"

    assert "template" in terms(said(COMPREFACE, DETECT, form(PICTURE, Part("face_plugins", long))))
    parts = form(Part("actions", b"age" + b" " * LONGEST_TEXT + b",emotion"))
    assert terms(said(DEEPFACE, ANALYZE, parts)) == ALL
    assert terms(said(DEEPFACE, ENCODED, b"actions=age" + b"+" * 5000 + b"%2Cemotion")) == ALL


def test_json_asks_for_no_plugins_and_is_not_read() -> None:
    found = COMPREFACE.classify(head("POST", "/api/v1/detection/detect", JSON))

    assert terms(found) == {"detect"}


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (b"age", AGE),
        (b"[age]", AGE),
        (b'["age", "race"]', AGE | {"analyze.race"}),
        (b"age,emotion", AGE | {"analyze.emotion"}),
        (b"age;emotion", ALL),
        (b"Age", ALL),
        (b"", ALL),
        (None, ALL),
    ],
)
def test_deepface_does_what_the_actions_of_a_form_ask_for(actions: bytes | None, expected: set[str]) -> None:
    more = [] if actions is None else [Part("actions", actions)]

    assert terms(said(DEEPFACE, ANALYZE, form(Part("img", b"\xff", "a"), *more))) == expected


def test_every_text_of_a_form_is_true_to_deepface() -> None:
    assert terms(said(DEEPFACE, ENCODED, b"actions=age&anti_spoofing=false")) == AGE | {"liveness"}


@pytest.mark.parametrize("body", [b"actions=age", b"actions=%61ge", b"actions=+age", b"a%63tions=['age']"])
def test_a_form_in_the_way_of_a_query_is_read(body: bytes) -> None:
    assert terms(said(DEEPFACE, ENCODED, body)) == AGE


def test_a_form_is_read_only_for_those_who_take_it() -> None:
    for name, target in (("insightface-rest", "/extract"), ("google-vision", "/v1/images:annotate")):
        for fields in (FORM, URLENCODED):
            assert isinstance(make_backend(name).classify(head("POST", target, fields)), Operation)
    assert terms(COMPREFACE.classify(DETECT._replace(headers=URLENCODED))) > {"detect", "template"}
    assert isinstance(COMPREFACE.classify(DETECT), Sketch)


# ------------------------------------------------------------ what is read


@pytest.mark.parametrize("size", [0, 1, PIECE - 150, PIECE, 3 * PIECE + 1])
@pytest.mark.parametrize("shift", range(4))
def test_a_file_of_any_size_is_read_wherever_the_pieces_end(size: int, shift: int) -> None:
    body = form(Part("file", b"\r" * (size + shift), "a.jpg"))

    assert multipart(body) == {"file": Upload(size + shift)}
    assert multipart(body.removesuffix(b"\r\n")) == {"file": Upload(size + shift)}


def test_a_form_that_ends_where_a_piece_does_is_read() -> None:
    spare = len(form(Part("file", b"", "a.jpg")))

    for size in range(PIECE - spare - 6, PIECE - spare + 7):
        assert multipart(form(Part("file", b"x" * size, "a.jpg"))) == {"file": Upload(size)}


@pytest.mark.parametrize(
    "part",
    [
        b'name="a"; filename="b.jpg"',
        b"name=a; filename=b.jpg",
        b"name=a;filename=b.jpg;filename*=utf-8''b.jpg",
        b'name="a"; filename="b.jpg"; filename*=utf-8\'\'b.jpg',
        b'name="a"; filename="J\xc3\xa4ne (1).jpg"\r\ncontent-type: image/jpeg',
        b'name="a"; filename="b"\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: 1',
    ],
)
def test_files_are_named_as_clients_name_them(part: bytes) -> None:
    assert multipart(framed(b"Content-Disposition: form-data; " + part + b"\r\n\r\nx")) == {"a": Upload(1)}


def test_of_a_long_text_only_the_beginning_is_known() -> None:
    text = "ä" * LONGEST_TEXT
    for found in (
        multipart(form(Part("img", text.encode()))),
        urlencoded(b"img=" + b"%C3%A4" * LONGEST_TEXT),
    ):
        assert isinstance(found, dict)
        assert isinstance(found["img"], Beginning)
        assert text.startswith(found["img"])
    assert isinstance(urlencoded(b"img=a" + b"%41" * 2 * LONGEST_TEXT), dict)
    assert urlencoded(b"img=" + b"a" * LONGEST_TEXT) == {"img": "a" * LONGEST_TEXT}


# ------------------------------------------------------------ what is refused

ONE = ABOUT + b'"actions"\r\n\r\nage'
TWO = ABOUT + b'"actions"\r\n\r\nemotion'
BARE = b"--" + BOUNDARY
AMBIGUOUS = {
    "nothing": b"",
    "JSON": b'{"actions": ["age"]}',
    "no end": framed(ONE).removesuffix(b"--\r\n"),
    "half an end": framed(ONE).removesuffix(b"-\r\n"),
    "text before it": b"hello\r\n" + framed(ONE),
    "a line end before it": b"\r\n" + framed(ONE),
    "text after it": framed(ONE) + b"hello",
    "a line end too many": framed(ONE) + b"\r\n",
    "another form after it": framed(ONE) + framed(TWO),
    "a field twice": framed(ONE, TWO),
    "a field twice, one a file": framed(ONE, ABOUT + b'"actions"; filename="a"\r\n\r\nage'),
    "a name in other letters": framed(ONE.replace(b"actions", b"Actions")),
    "a name with an escape": framed(ONE.replace(b"actions", b"%61ctions")),
    "a name with a backslash": framed(ONE.replace(b"actions", b"act\\ions")),
    "a name with brackets": framed(ONE.replace(b"actions", b"actions[]")),
    "an empty name": framed(ONE.replace(b"actions", b"")),
    "no name": framed(ONE.replace(b'; name="actions"', b"")),
    "two names": framed(ONE.replace(b'"actions"', b'"x"; name="actions"')),
    "a name in another coding": framed(ONE.replace(b"name=", b"name*=utf-8''x; name=")),
    "the name of the character set": framed(ABOUT + b'"_charset_"\r\n\r\nutf-7', ONE),
    "an empty file name": framed(ABOUT + b'"img"; filename=""\r\n\r\nx', ONE),
    "a file name in another coding": framed(ABOUT + b"\"img\"; filename*=utf-8''x\r\n\r\nx", ONE),
    "two file names": framed(ABOUT + b'"img"; filename="a"; filename*=utf-8\'\'b\r\n\r\nx', ONE),
    "a file name with a quote": framed(ABOUT + b'"img"; filename="a\\"; x="b"\r\n\r\nx', ONE),
    "a file name with a name in it": framed(ABOUT + b'"img"; filename="a; name=actions"\r\n\r\nage'),
    "another disposition": framed(ONE.replace(b"form-data", b"attachment")),
    "a disposition in capitals": framed(ONE.replace(b"form-data", b"Form-Data")),
    "two dispositions": framed(ABOUT + b'"x"\r\n' + ONE),
    "a line end within a field": framed(ONE.replace(b"; name", b";\r\n name")),
    "a blank before the colon": framed(ONE.replace(b"Disposition:", b"Disposition :")),
    "a blank at the beginning": framed(b" " + ONE),
    "blanks after the colon": framed(ONE.replace(b": ", b":  ")),
    "a tab after the colon": framed(ONE.replace(b": ", b":\t")),
    "a CR within a field": framed(ONE.replace(b'actions"', b'x"\r' + ABOUT + b'"actions"')),
    "a NUL in a name": framed(ONE.replace(b"actions", b"actions\0")),
    "an encoding": framed(b"Content-Transfer-Encoding: base64\r\n" + ONE.replace(b"age", b"YWdl")),
    "a field that is not known": framed(b"X-Any: 1\r\n" + ONE),
    "another character set": framed(b"Content-Type: text/plain; charset=utf-16\r\n" + ONE),
    "a form in the form": framed(b"Content-Type: multipart/mixed; boundary=abcdefgh\r\n" + ONE),
    "a message in the form": framed(b"Content-Type: message/rfc822\r\n" + ONE),
    "two types": framed(b"Content-Type: text/plain\r\nContent-Type: text/plain\r\n" + ONE),
    "another length": framed(b"Content-Length: 2\r\n" + ONE),
    "line ends without CR": framed(ONE).replace(b"\r\n", b"\n"),
    "a part after a line end without CR": framed(ONE.replace(b"age", b"age\n" + BARE + b"\n" + TWO)),
    "the boundary in a part": framed(ONE.replace(b"age", b"age" + BARE)),
    "the boundary after a CR": framed(ONE.replace(b"age", b"age\r" + BARE + b"\r" + TWO)),
    "blanks after the boundary": framed(ONE).replace(BARE + b"\r", BARE + b" \r", 1),
    "no header": framed(b"\r\nage"),
    "Latin-1": framed(ONE.replace(b"age", b"\xe4ge")),
    "too many parts": framed(*(ABOUT + b'"f%d"\r\n\r\n' % i for i in range(MAX_FIELDS + 1))),
}


@pytest.mark.parametrize("body", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_form_with_two_readings_is_refused(body: bytes) -> None:
    assert reason(said(DEEPFACE, ANALYZE, body)) == "request-ambiguous"


@pytest.mark.parametrize(
    "parameters",
    [
        b"",
        b"; boundary=",
        b"; boundary=x",
        b"; boundary=%b; boundary=abcdefghij",
        b"; boundary=%b; charset=utf-16",
        b"; boundary=%b;",
        b"; boundary=%b, text/plain",
        b"; x=y; boundary=%b",
        b"; boundary*=utf-8''%b",
        b"; boundary = %b",
        b'; boundary="%b',
        b'; boundary=%b"',
        b"; boundary=abcdefghij",
    ],
)
def test_a_boundary_with_two_readings_is_refused(parameters: bytes) -> None:
    stated = b"multipart/form-data" + parameters.replace(b"%b", BOUNDARY)

    assert why(multipart(framed(ONE), ((b"content-type", stated),))) == "request-ambiguous"


def test_a_boundary_that_is_short_is_refused() -> None:
    body = framed(ONE).replace(BOUNDARY, b"abcdefg")

    assert why(multipart(body, ((b"content-type", b"multipart/form-data; boundary=abcdefg"),)))


@pytest.mark.parametrize(
    "stated", [b'multipart/form-data; Boundary="%b"', b"Multipart/Form-Data;boundary=%b"]
)
def test_a_boundary_is_stated_as_clients_state_it(stated: bytes) -> None:
    fields = ((b"content-type", stated.replace(b"%b", BOUNDARY)),)

    assert multipart(framed(ONE), fields) == {"actions": "age"}


@pytest.mark.parametrize(
    "body",
    [
        b"actions=age&actions=emotion",
        b"actions=age&a%63tions=emotion",
        b"actions=age&Actions=emotion",
        b"actions=age;actions=emotion",
        b"actions=age;",
        b"img=" + b"a" * 5000 + b";actions=emotion&actions=age",
        b"actions",
        b"=age",
        b"actions=age&",
        b"&actions=age",
        b"actions%00=age",
        b"%2561ctions=age",
        b"actions[]=age",
        b"_charset_=utf-7&actions=age",
        b"actions=%6",
        b"actions=%zz",
        b"actions=%u0061ge",
        b"actions=%E4ge",
        b"actions=\xc3\xa4",
        b"actions=age\n",
        b"actions=age\0",
        b"actions=%C1%A1ge",
        b"&".join(b"a%d=" % i for i in range(MAX_FIELDS + 1)),
    ],
)
def test_an_urlencoded_form_with_two_readings_is_refused(body: bytes) -> None:
    assert reason(said(DEEPFACE, ENCODED, body)) == "request-ambiguous"


def test_as_many_fields_as_a_form_can_have_are_read() -> None:
    names = [f"f{i}" for i in range(MAX_FIELDS)]

    assert multipart(form(*(Part(name, b"") for name in names))) == dict.fromkeys(names, "")
    assert urlencoded(b"&".join(b"%b=" % name.encode() for name in names)) == dict.fromkeys(names, "")


@pytest.mark.parametrize("kind", [FORM, URLENCODED])
def test_a_form_in_another_coding_is_refused(kind: Headers) -> None:
    call = head("POST", "/analyze", (*kind, (b"content-encoding", b"gzip")))

    assert reason(said(DEEPFACE, call, framed(ONE))) == "request-ambiguous"


def test_an_urlencoded_form_in_another_character_set_is_refused() -> None:
    stated = URLENCODED[0][1]
    for charset, is_read in ((b"; charset=utf-8", True), (b"; charset=utf-16", False), (b"; x=y", False)):
        call = head("POST", "/analyze", ((b"content-type", stated + charset),))
        assert isinstance(said(DEEPFACE, call, b"actions=age"), Operation) is is_read


# ------------------------------------------------------------ what others read


def by_email(body: bytes) -> dict[str, Any]:
    """As the standard library reads it: the last of two fields counts."""
    whole = b"Content-Type: multipart/form-data; boundary=" + BOUNDARY + b"\r\n\r\n" + body
    message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(whole)
    found: dict[str, Any] = {}
    for part in message.walk():
        if part is not message:
            content: Any = part.get_payload(decode=True)
            name = str(part.get_param("name", header="content-disposition"))
            found[name] = Upload(len(content)) if part.get_filename() is not None else content.decode()
    return found


def by_line(body: bytes) -> dict[str, Any]:
    """As a server reads it that takes any line end and white space: the first of two fields counts."""
    found: dict[str, Any] = {}
    split = re.split(rb"(?:\A|\r?\n|\r)--" + BOUNDARY + rb"(?:--)?[ \t]*(?:\r?\n|\r|\Z)", body)
    for part in split[1:-1]:
        lines, content = re.split(rb"\r?\n\r?\n", part, maxsplit=1)
        about = {n.strip().lower(): v for n, _, v in (line.partition(b":") for line in lines.splitlines())}
        disposition = about[b"content-disposition"]
        name = re.search(rb'[; ]name="?([^";]*)', disposition)
        assert name is not None
        is_file = b"filename" in disposition
        found.setdefault(name[1].decode(), Upload(len(content)) if is_file else content.decode())
    return found


_PIECES = [
    b"\r\n", b"\n", b"\r", b" ", b"--", BARE, b"\r\n" + BARE, b"\n" + BARE, b'"', b";", b"\\", b"%41", b"\0",
    b'; filename="x"', b"; filename*=utf-8''x", b'; name="actions"', b"Content-Disposition: form-data",
    b"Content-Transfer-Encoding: base64\r\n", b"\r\n\r\n", ONE, TWO, framed(TWO),
]  # fmt: skip
_PARTS = st.builds(
    Part,
    st.sampled_from(["actions", "img", "x"]),
    st.binary(max_size=3) | st.sampled_from([b"age", b"age\r\n", b"\nage\n", b"\r"]),
    st.sampled_from([None, "a.jpg"]),
)


@st.composite
def _almost_forms(draw: st.DrawFn) -> bytes:
    body = form(*draw(st.lists(_PARTS, min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.sampled_from(_PIECES)) + body[at + draw(st.integers(0, 2)) :]
    return body


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(_almost_forms())
def test_what_is_read_others_read_alike(body: bytes) -> None:
    found = multipart(body)

    if isinstance(found, dict):
        assert by_email(body) == found
        assert by_line(body) == found
