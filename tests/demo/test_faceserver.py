"""The face server, asked directly by boto3: it must pass for Rekognition where the demo needs it to."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import ClientError

from proxy.demo.callers import ONE, SAME_PERSON, SOMEONE_ELSE
from proxy.demo.calls import PHOTOS, client
from proxy.testing import TokenMint


def image(name: str) -> dict[str, bytes]:
    return {"Bytes": (PHOTOS / name).read_bytes()}


@pytest.fixture
def rekognition(faces: str) -> Iterator[Any]:
    each = client(faces, None)
    yield each
    each.close()


async def ask(call: Callable[..., dict[str, Any]], **arguments: Any) -> dict[str, Any]:
    """boto3 blocks, so it gets a thread of its own."""
    return await asyncio.to_thread(call, **arguments)


async def error_code(call: Callable[..., dict[str, Any]], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        await ask(call, **arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(caught.value.response["Error"]["Code"])


async def counted(faces: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"{faces}/_calls") as answer:
        seen: dict[str, Any] = await answer.json()
        return seen


async def test_the_same_person_is_a_match(rekognition: Any) -> None:
    answer = await ask(rekognition.compare_faces, SourceImage=image(ONE), TargetImage=image(SAME_PERSON))

    [match] = answer["FaceMatches"]
    assert match["Similarity"] > 95
    assert answer["UnmatchedFaces"] == []


async def test_someone_else_is_unmatched(rekognition: Any) -> None:
    answer = await ask(rekognition.compare_faces, SourceImage=image(ONE), TargetImage=image(SOMEONE_ELSE))

    assert answer["FaceMatches"] == []
    assert len(answer["UnmatchedFaces"]) == 1


async def test_detection_gives_a_place_and_landmarks(rekognition: Any) -> None:
    answer = await ask(rekognition.detect_faces, Image=image(SOMEONE_ELSE))

    [face] = answer["FaceDetails"]
    assert 0 < face["BoundingBox"]["Left"] < 1
    assert len(face["Landmarks"]) == 5


async def test_a_face_is_enrolled_found_and_erased(rekognition: Any) -> None:
    await ask(rekognition.create_collection, CollectionId="gallery")
    for name in (ONE, SOMEONE_ELSE):
        await ask(rekognition.index_faces, CollectionId="gallery", Image=image(name), ExternalImageId=name)

    found = await ask(rekognition.search_faces_by_image, CollectionId="gallery", Image=image(SAME_PERSON))
    listed = await ask(rekognition.list_faces, CollectionId="gallery")
    ids = [face["FaceId"] for face in listed["Faces"]]
    gone = await ask(rekognition.delete_faces, CollectionId="gallery", FaceIds=ids)
    left = await ask(rekognition.describe_collection, CollectionId="gallery")

    assert [match["Face"]["ExternalImageId"] for match in found["FaceMatches"]] == [ONE]
    assert sorted(gone["DeletedFaces"]) == sorted(ids)
    assert left["FaceCount"] == 0


async def test_errors_are_those_of_the_service(rekognition: Any) -> None:
    text = {"Bytes": (PHOTOS / "SOURCES.md").read_bytes()}
    elsewhere = {"S3Object": {"Bucket": "photos", "Name": "one.jpg"}}

    assert await error_code(rekognition.detect_faces, Image=text) == "InvalidImageFormatException"
    assert await error_code(rekognition.list_faces, CollectionId="nowhere") == "ResourceNotFoundException"
    assert await error_code(rekognition.list_users, CollectionId="any") == "UnknownOperationException"
    assert await error_code(rekognition.detect_faces, Image=elsewhere) == "InvalidParameterException"


async def test_calls_are_counted_by_operation(rekognition: Any, faces: str) -> None:
    before = (await counted(faces))["calls"].get("DetectFaces", 0)

    await ask(rekognition.detect_faces, Image=image(ONE))

    assert (await counted(faces))["calls"]["DetectFaces"] == before + 1


async def test_a_token_that_comes_this_far_is_refused_and_remembered(faces: str) -> None:
    before = (await counted(faces))["tokens_seen"]
    leaking = client(faces, TokenMint().token())

    code = await error_code(leaking.detect_faces, Image=image(ONE))

    leaking.close()
    assert code == "InvalidParameterException"
    assert (await counted(faces))["tokens_seen"] == before + 1


async def test_a_body_that_is_no_json_is_refused(faces: str) -> None:
    headers = {"X-Amz-Target": "RekognitionService.DetectFaces"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(faces, data=b"[", headers=headers) as answer,
    ):
        assert answer.status == 400
        assert json.loads(await answer.read())["__type"] == "SerializationException"
