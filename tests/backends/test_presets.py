"""Every preset's table is complete, closed and free of overlaps; queries add what they ask for."""

import functools
import re
import tomllib
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import proxy.backends
from proxy.backends.registry import NAMES, make_backend
from proxy.messages import Headers
from proxy.policy.operations import COVERABLE, UNKNOWN_OPERATION, Operation, OperationClass
from tests.backends.asking import JSON, head, reason, said, terms
from tests.backends.forms import Part, multipart

TABLES = Path(proxy.backends.__file__).parent / "tables"
BY_PATH = [name for name in NAMES if name not in ("aws-rekognition", "generic")]
COUNTS = {
    "aws-rekognition": 75,
    "azure-face": 74,
    "compreface": 26,
    "deepface": 7,
    "insightface-rest": 9,
    "google-vision": 24,
}


@functools.cache
def table(name: str) -> dict[str, Any]:
    return tomllib.loads((TABLES / f"{name.replace('-', '_')}.toml").read_text("utf-8"))


def rows_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = document["operation"]
    return rows


def prefixes_of(name: str) -> list[str]:
    prefixes: list[str] = table(name).get("prefixes", [""])
    return prefixes


def calls(name: str) -> list[tuple[str, str, str]]:
    """Name, method and path of every row, with something in each placeholder."""
    found = []
    for row in rows_of(table(name)):
        for path, prefix in product(row.get("paths", [row.get("path")]), prefixes_of(name)):
            found.append((row["name"], row["method"], prefix + re.sub(r"\{\w+%?\}", "some-1.2_3~", path)))
    return found


@pytest.mark.parametrize("name", [name for name in NAMES if name != "generic"])
def test_a_table_says_where_it_comes_from_and_when_it_was_read(name: str) -> None:
    text = (TABLES / f"{name.replace('-', '_')}.toml").read_text("utf-8")

    assert re.match(r"# .+", text)
    assert re.search(r"^#.*read\n?#? ?20\d\d-\d\d-\d\d", text, re.MULTILINE)
    assert table(name)["backend"] == name
    assert table(name)["limits"]
    assert len(make_backend(name).operations()) == COUNTS[name]
    names = [o.name for o in make_backend(name).operations()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", BY_PATH)
def test_every_operation_is_found_by_its_own_method_and_path(name: str) -> None:
    backend = make_backend(name)
    known = {o.name: o for o in backend.operations()}
    for operation, method, path in calls(name):
        found = backend.classify(head(method, path))
        if operation == "get-static-image":
            assert reason(found) == "credentials-ambiguous"
            continue
        assert isinstance(found, Operation), path
        assert found.name == operation
        assert found.classes <= known[operation].classes


def fitting(name: str, method: str, path: str) -> set[str]:
    """The rows that fit, read segment by segment and without any pattern."""
    found = set()
    for row in rows_of(table(name)):
        if row["method"] != method:
            continue
        for prefix, template in product(prefixes_of(name), row.get("paths", [row.get("path")])):
            pieces = (prefix + template).split("/"), path.split("/")
            if len(pieces[0]) == len(pieces[1]) and all(map(_fits, *pieces)):
                found.add(row["name"])
    return found


def _fits(template: str, segment: str) -> bool:
    before, brace, rest = template.partition("{")
    after = rest.partition("}")[2]
    inner = segment.removeprefix(before).removesuffix(after)
    return segment == before + inner + after and inner != "" if brace else template == segment


@pytest.mark.parametrize("name", BY_PATH)
def test_every_method_and_path_is_one_operation_of_the_table_or_none(name: str) -> None:
    backend = make_backend(name)
    one_version = dict.fromkeys(
        path for _, _, path in calls(name) if path.startswith(prefixes_of(name)[0] + "/")
    )
    reached = set()
    for method, path in product(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"), one_version):
        for other in (path, path + "/x", "/x" + path, path + "x", path.swapcase(), path + "/"):
            found = backend.classify(head(method, other))
            expected = fitting(name, method, other)
            if found is UNKNOWN_OPERATION:
                assert not expected, other
            elif isinstance(found, Operation):
                assert found.name in expected, other
                reached.add(found.name)

    assert len(reached) >= COUNTS[name] - 1


@pytest.mark.parametrize(
    "target",
    ["/face/v1.3/detect", "/face/v2.0/detect", "/vision/v3.2/detect", "/face/V1.0/detect"],
)
def test_an_unknown_version_of_an_api_is_unknown(target: str) -> None:
    assert make_backend("azure-face").classify(head("POST", target)) is UNKNOWN_OPERATION


def test_a_beta_that_names_people_is_unknown() -> None:
    found = make_backend("google-vision").classify(head("POST", "/v1p4beta1/images:annotate"))

    assert reason(found) == "target-not-canonical"
    assert make_backend("google-vision").classify(head("GET", "/v1p4beta1/operations/1")) is UNKNOWN_OPERATION


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"detect", "template"}),
        ("?returnFaceId=true", {"detect", "template"}),
        ("?returnFaceId=True", {"detect", "template"}),
        ("?returnFaceId=", {"detect", "template"}),
        ("?returnFaceId=0", {"detect", "template"}),
        ("?returnFaceId=false", {"detect"}),
        ("?returnFaceId=false&recognitionModel=recognition_04&detectionModel=detection_03", {"detect"}),
        ("?returnFaceId=false&returnFaceAttributes=", {"detect"}),
        ("?returnFaceId=false&returnFaceAttributes=age", {"detect", "analyze", "analyze.age"}),
        (
            "?returnFaceId=false&returnFaceAttributes=age%2Cgender,mask",
            {"detect", "analyze", "analyze.age", "analyze.gender", "analyze.quality"},
        ),
        ("?returnFaceId=false&returnFaceAttributes=age,Emotion", {"detect", "analyze"}),
        ("?returnFaceId=false&returnFaceAttributes=age+emotion", {"detect", "analyze"}),
        ("?returnfaceid=false", {"unknown"}),
        ("?returnFaceId=false&x=1", {"unknown"}),
    ],
)
def test_detection_by_azure_does_what_its_query_asks_for(query: str, expected: set[str]) -> None:
    found = make_backend("azure-face").classify(head("POST", f"/face/v1.0/detect{query}"))

    assert terms(found) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"detect"}),
        ("?&limit=0", {"detect"}),
        ("?status=true&det_prob_threshold=0.8", {"detect"}),
        ("?face_plugins=landmarks", {"detect"}),
        ("?face_plugins=calculator", {"detect", "template"}),
        ("?face_plugins=%63alculator", {"detect", "template"}),
        ("?face%5Fplugins=calculator", {"detect", "template"}),
        ("?face_plugins=age,gender", {"detect", "analyze", "analyze.age", "analyze.gender"}),
        ("?face_plugins=pose,mask", {"detect", "analyze", "analyze.quality"}),
        (
            "?face_plugins=new",
            {"detect", "template", "analyze", "analyze.age", "analyze.gender", "analyze.quality"},
        ),
        ("?facePlugins=calculator", {"unknown"}),
    ],
)
def test_detection_by_compreface_does_what_its_plugins_ask_for(query: str, expected: set[str]) -> None:
    found = make_backend("compreface").classify(head("POST", f"/api/v1/detection/detect{query}", JSON))

    assert terms(found) == expected


def test_a_subject_can_have_any_name_that_is_one_segment() -> None:
    backend = make_backend("compreface")
    for name in ("Jane", "Jane%20Doe", "J%C3%A4ne", "a%2Bb", "a%2Cb", "a%26b", "a%40b"):
        found = backend.classify(head("DELETE", f"/api/v1/recognition/subjects/{name}"))
        assert terms(found) == {"erase"}, name
    for name in (
        "..",
        ".",
        "a%2Fb",
        "a%2fb",
        "a%5Cb",
        "%2e%2e",
        "a;b",
        "a%3Bb",
        "a%00",
        "a%0A",
        "%4Aane",
        "a%25b",
    ):
        found = backend.classify(head("DELETE", f"/api/v1/recognition/subjects/{name}"))
        assert reason(found) == "target-not-canonical", name


@pytest.mark.parametrize("name", BY_PATH)
def test_every_operation_that_deletes_is_open_unless_a_policy_names_it(name: str) -> None:
    known = {o.name: o for o in make_backend(name).operations()}
    for operation, method, _ in calls(name):
        if method == "DELETE":
            # What Google's product search deletes are goods.
            expected = OperationClass.NONFACE if name == "google-vision" else OperationClass.ERASE
            assert known[operation].classes == {expected}


SEEN = [
    (
        "azure-face",
        "POST /face/v1.2-preview.1/detect?detectionModel=detection_03&recognitionModel=recognition_04"
        "&returnFaceId=false&returnFaceAttributes=age,mask",
        {"detect", "analyze", "analyze.age", "analyze.quality"},
    ),
    (
        "azure-face",
        "POST /face/v1.0/detect?returnFaceId=false&returnFaceLandmarks=false&returnFaceAttributes=age,emotion"
        "&recognitionModel=recognition_01&returnRecognitionModel=false&detectionModel=detection_01"
        "&faceIdTimeToLive=86400",
        {"detect", "analyze", "analyze.age", "analyze.emotion"},
    ),
    ("azure-face", "GET /face/v1.0/persongroups?top=1000&returnRecognitionModel=false", {"manage"}),
    (
        "azure-face",
        "POST /face/v1.0/persongroups/g/persons/p/persistedfaces?detectionModel=detection_01",
        {"enroll"},
    ),
    (
        "compreface",
        "POST /api/v1/recognition/recognize?&limit=0&det_prob_threshold=0.8&prediction_count=1"
        "&face_plugins=calculator,age&status=true",
        {"search", "template", "analyze", "analyze.age"},
    ),
    ("compreface", "POST /api/v1/recognition/faces?subject=Jane%20Doe", {"enroll"}),
    ("compreface", "DELETE /api/v1/recognition/subjects/Jane%20Doe", {"erase"}),
    (
        "google-vision",
        "POST /v1/images:annotate?%24alt=json%3Benum-encoding%3Dint",
        {"detect", "analyze", "analyze.emotion", "nonface", "search"},
    ),
]


@pytest.mark.parametrize(("backend", "call", "expected"), SEEN)
def test_calls_that_the_sdks_make_are_known(backend: str, call: str, expected: set[str]) -> None:
    """As the Python SDKs of Azure (both), CompreFace and Google sent them."""
    method, target = call.split(" ", 1)
    fields: Headers = ()
    body = b""
    if backend == "compreface":
        fields, body = multipart(Part("file", b"\xff\xd8", "a.jpg"))

    assert terms(said(make_backend(backend), head(method, target, fields), body)) == expected


def test_the_page_about_backends_says_what_the_tables_say() -> None:
    page = (Path(__file__).parents[2] / "docs" / "backends.md").read_text("utf-8")
    named = [name for name in NAMES if name != "generic"]
    for name in named:
        backend = make_backend(name)
        statuses = re.search(rf"^\| `{name}` \| {COUNTS[name]} \| (.+) \| (.+) \|$", page, re.MULTILINE)
        assert statuses, name
        assert re.findall(r"\d+", statuses[2]) == [str(status) for status in backend.block_statuses]
        said = statuses[1].lower()
        places = [said.index(slot.header.decode()) for slot in backend.slots]
        assert places == sorted(places)
        assert len(re.findall("`", said)) == 2 * len(backend.slots)
    for known in COVERABLE:
        counts = [sum(known in o.classes for o in make_backend(name).operations()) for name in named]
        assert f"| `{known}` | " + " | ".join(str(count or "") for count in counts) + " |" in page
