"""Operation tables: complete, closed, and the Rekognition one equal to the SDK's own model."""

import boto3
import pytest

from proxy.backends.base import NEVER_FORWARDED, Backend, Sketch
from proxy.backends.registry import NAMES, make_backend
from proxy.messages import RequestHead
from proxy.policy.model import Refusal, Route
from proxy.policy.operations import UNKNOWN_OPERATION, Medium, Operation, OperationClass, operation
from proxy.policy.reasons import Reason

AWS_TYPE = (b"content-type", b"application/x-amz-json-1.1")


def aws(
    target: bytes, method: bytes = b"POST", path: bytes = b"/", *more: tuple[bytes, bytes]
) -> RequestHead:
    return RequestHead(method, path, b"1.1", ((b"x-amz-target", target), AWS_TYPE, *more))


def plain(method: bytes, target: bytes) -> RequestHead:
    return RequestHead(method, target, b"1.1", ())


@pytest.fixture
def rekognition() -> Backend:
    return make_backend("aws-rekognition")


def test_the_rekognition_table_names_exactly_the_operations_of_the_sdk(rekognition: Backend) -> None:
    """A new AWS operation is refused as unknown, and shows up here."""
    client = boto3.client("rekognition", region_name="us-east-1")

    assert {o.name for o in rekognition.operations()} == set(client.meta.service_model.operation_names)


def test_no_operation_is_taken_for_unknown() -> None:
    for name in NAMES:
        for known in make_backend(name).operations():
            assert known.classes, known
            assert OperationClass.UNKNOWN not in known.classes, known


def test_results_and_media_are_in_the_table(rekognition: Backend) -> None:
    found = {o.name: o for o in rekognition.operations()}

    assert {name for name, o in found.items() if o.is_result} == {
        name for name, o in found.items() if name.startswith("Get") and o.media == {Medium.STORED_VIDEO}
    }
    assert found["StartStreamProcessor"].media == {Medium.LIVE}
    assert found["CompareFaces"].media == {Medium.IMAGE}


def test_every_operation_is_found_by_its_target(rekognition: Backend) -> None:
    for known in rekognition.operations():
        found = rekognition.classify(aws(b"RekognitionService." + known.name.encode()))
        assert (found.most if isinstance(found, Sketch) else found) == known


@pytest.mark.parametrize(
    "target",
    [
        b"",
        b"CompareFaces",
        b"RekognitionService.comparefaces",
        b"RekognitionService.CompareFacesV2",
        b"RekognitionService.CompareFaces/",
        b"RekognitionService.CompareFaces ",
        b"RekognitionService.CompareFaces,RekognitionService.DetectFaces",
        b"rekognitionservice.CompareFaces",
        b"OtherService.DetectFaces",
        b"RekognitionService.%43ompareFaces",
        b'"RekognitionService.CompareFaces"',
    ],
)
def test_any_other_spelling_of_a_target_is_unknown(rekognition: Backend, target: bytes) -> None:
    assert rekognition.classify(aws(target)) is UNKNOWN_OPERATION


@pytest.mark.parametrize(
    "head",
    [
        aws(b"RekognitionService.DetectFaces", b"GET"),
        aws(b"RekognitionService.DetectFaces", b"PUT"),
        RequestHead(b"POST", b"/", b"1.1", (AWS_TYPE,)),
        RequestHead(b"POST", b"/", b"1.1", ((b"x-amz-target", b"RekognitionService.DetectFaces"),)),
        RequestHead(
            b"POST",
            b"/",
            b"1.1",
            ((b"x-amz-target", b"RekognitionService.DetectFaces"), (b"content-type", b"application/cbor")),
        ),
    ],
)
def test_another_method_or_protocol_is_unknown(rekognition: Backend, head: RequestHead) -> None:
    assert rekognition.classify(head) is UNKNOWN_OPERATION


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (aws(b"RekognitionService.DetectFaces", b"POST", b"/x"), Reason.TARGET_NOT_CANONICAL),
        (aws(b"RekognitionService.DetectFaces", b"POST", b"//"), Reason.TARGET_NOT_CANONICAL),
        (aws(b"RekognitionService.DetectFaces", b"POST", b"/?a=b"), Reason.TARGET_NOT_CANONICAL),
        (
            aws(b"RekognitionService.DetectFaces", b"POST", b"/", (b"x-amz-target", b"x")),
            Reason.REQUEST_AMBIGUOUS,
        ),
        (aws(b"RekognitionService.DetectFaces", b"POST", b"/", AWS_TYPE), Reason.REQUEST_AMBIGUOUS),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(
    rekognition: Backend, head: RequestHead, reason: Reason
) -> None:
    found = rekognition.classify(head)

    assert isinstance(found, Refusal)
    assert found.reason is reason


COMPARE = operation("compare", OperationClass.COMPARE)
READ = operation("read", OperationClass.GALLERY)
ROUTES = (
    Route(frozenset({"POST"}), "/v1/compare", COMPARE),
    Route(frozenset({"GET"}), "/v1/faces/{id}", READ),
)


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        (b"POST", b"/v1/compare", COMPARE),
        (b"POST", b"/v1/compare?threshold=%20", COMPARE),
        (b"GET", b"/v1/faces/a-b_c.d~1", READ),
        (b"GET", b"/v1/compare", UNKNOWN_OPERATION),
        (b"post", b"/v1/compare", UNKNOWN_OPERATION),
        (b"POST", b"/v1/compare/", UNKNOWN_OPERATION),
        (b"POST", b"/V1/compare", UNKNOWN_OPERATION),
        (b"POST", b"/v1/compare.json", UNKNOWN_OPERATION),
        (b"GET", b"/v1/faces/", UNKNOWN_OPERATION),
        (b"GET", b"/v1/faces/a/b", UNKNOWN_OPERATION),
        (b"GET", b"/x/v1/faces/a", UNKNOWN_OPERATION),
    ],
)
def test_routes_match_whole_paths_and_exact_methods(
    method: bytes, target: bytes, expected: Operation
) -> None:
    assert make_backend("generic", ROUTES).classify(plain(method, target)) == expected


@pytest.mark.parametrize("backend", ["generic", "deepface"])
@pytest.mark.parametrize(
    "path",
    [
        b"//verify", b"/./verify", b"/verify/.", b"/x/../verify", b"/..", b"/%76erify", b"/verify%2f",
        b"/verify%00", b"/verify;a=b", b"/verify;",
        b"/..;/verify", b"/ver%ify", b"/verify%3f", b"/verify//", b"/a:b", b"/a@b",
    ],
)  # fmt: skip
def test_a_path_with_a_second_spelling_is_refused(backend: str, path: bytes) -> None:
    found = make_backend(backend, ROUTES).classify(plain(b"POST", path))

    assert isinstance(found, Refusal)
    assert found.reason is Reason.TARGET_NOT_CANONICAL


@pytest.mark.parametrize(
    "path", [b"/", b"/verify", b"/.well-known/x", b"/a/b/", b"/a..b", b"/...", b"/~x/_y-z.0"]
)
def test_plain_paths_are_canonical(path: bytes) -> None:
    assert not isinstance(make_backend("generic", ROUTES).classify(plain(b"GET", path)), Refusal)


def test_no_backend_forwards_a_place_where_a_token_may_sit() -> None:
    for name in NAMES:
        backend = make_backend(name)
        assert backend.forwards.isdisjoint(slot.header for slot in backend.slots)
        assert backend.forwards.isdisjoint(NEVER_FORWARDED)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_fields_a_backend_names_matter_to_it(name: str) -> None:
    """Equal questions must have equal answers, and a question holds no other fields."""
    backend = make_backend(name, ROUTES)
    names = [
        b"x-amz-target",
        b"content-type",
        b"authorization",
        b"host",
        b"accept",
        b"x-http-method-override",
    ]
    values = [b"RekognitionService.CompareFaces", b"application/x-amz-json-1.1", b"DELETE", b"x"]
    fields = [(n, v) for n in names for v in values]
    for target in (b"/", b"/verify", b"/v1/compare", b"/v1/faces/a"):
        for mask in range(1, 1 << len(names)):
            chosen = tuple(f for i, f in enumerate(fields) if (mask * 2654435761 >> (i % 32)) & 1)
            read = tuple(f for f in chosen if f[0] in backend.reads)
            whole = RequestHead(b"POST", target, b"1.1", chosen)
            assert backend.classify(whole) == backend.classify(whole._replace(headers=read))
