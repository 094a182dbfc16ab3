"""Rekognition's operations as the demo's face server speaks them: requests and answers as plain dicts.

The shapes are those of the service's model (2016-06-27); fields it leaves optional are filled only where dlib
has something to say. Collections live in memory. No HTTP here, and no caller: the server checks nobody.
"""

import base64
import binascii
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from proxy.demo.recogniser import Face, NotAnImageError

Document = dict[str, Any]
Look = Callable[[bytes], Awaitable[list[Face]]]

MODEL_VERSION = "dlib-20"
_LANDMARKS = ("eyeRight", "rightEyeRight", "eyeLeft", "leftEyeLeft", "nose")


class ServiceError(Exception):
    """An answer of kind error: its exception name in the service's model, and a message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


@dataclass
class Rekognition:
    """The operations, over collections in memory. `look` finds the faces of an image."""

    look: Look
    collections: dict[str, dict[str, Document]] = field(default_factory=dict)
    vectors: dict[str, Face] = field(default_factory=dict)

    async def call(self, operation: str, request: Document) -> Document:
        """Carry out one operation."""
        carry_out = OPERATIONS.get(operation)
        if carry_out is None:
            raise ServiceError("UnknownOperationException", f"No operation {operation!r} here")
        return await carry_out(self, request)

    async def faces(self, request: Document, member: str) -> list[Face]:
        """The faces of the image in `member` of a request."""
        try:
            image = base64.b64decode(request[member]["Bytes"], validate=True)
        except (KeyError, TypeError, binascii.Error) as error:
            raise ServiceError("InvalidParameterException", f"{member} must have Bytes") from error
        try:
            return await self.look(image)
        except NotAnImageError as error:
            raise ServiceError("InvalidImageFormatException", "Request has invalid image format") from error

    async def only_face(self, request: Document, member: str) -> Face:
        """The largest face of an image that must have one."""
        faces = await self.faces(request, member)
        if not faces:
            raise ServiceError("InvalidParameterException", f"There are no faces in {member}")
        return faces[0]

    def collection(self, request: Document) -> dict[str, Document]:
        """The collection that a request names."""
        name = str(request.get("CollectionId"))
        if name not in self.collections:
            raise ServiceError("ResourceNotFoundException", f"The collection id: {name} does not exist")
        return self.collections[name]


async def detect_faces(service: Rekognition, request: Document) -> Document:
    """Where the faces are."""
    return {"FaceDetails": [_detail(face) for face in await service.faces(request, "Image")]}


async def compare_faces(service: Rekognition, request: Document) -> Document:
    """The source's largest face against every face of the target."""
    source = await service.only_face(request, "SourceImage")
    threshold = float(request.get("SimilarityThreshold", 80))
    matches, others = [], []
    for face in await service.faces(request, "TargetImage"):
        similarity = source.similarity(face)
        if similarity >= threshold:
            matches.append({"Similarity": similarity, "Face": _detail(face)})
        else:
            others.append(_detail(face))
    return {"SourceImageFace": _place(source), "FaceMatches": matches, "UnmatchedFaces": others}


async def create_collection(service: Rekognition, request: Document) -> Document:
    """A new, empty collection."""
    name = str(request.get("CollectionId"))
    if name in service.collections:
        raise ServiceError("ResourceAlreadyExistsException", f"The collection id: {name} already exists")
    service.collections[name] = {}
    return {"StatusCode": 200, "CollectionArn": _arn(name), "FaceModelVersion": MODEL_VERSION}


async def index_faces(service: Rekognition, request: Document) -> Document:
    """Add the faces of an image to a collection."""
    collection = service.collection(request)
    image_id = str(uuid.uuid4())
    records = []
    for face in (await service.faces(request, "Image"))[: int(request.get("MaxFaces", 100))]:
        entry = {"FaceId": str(uuid.uuid4()), "ImageId": image_id, **_place(face)}
        if "ExternalImageId" in request:
            entry["ExternalImageId"] = request["ExternalImageId"]
        collection[entry["FaceId"]] = entry
        service.vectors[entry["FaceId"]] = face
        records.append({"Face": entry, "FaceDetail": _detail(face)})
    return {"FaceRecords": records, "UnindexedFaces": [], "FaceModelVersion": MODEL_VERSION}


async def search_faces_by_image(service: Rekognition, request: Document) -> Document:
    """The faces of a collection that are like the largest face of an image, most alike first."""
    collection = service.collection(request)
    face = await service.only_face(request, "Image")
    threshold = float(request.get("FaceMatchThreshold", 80))
    likeness = {face_id: face.similarity(service.vectors[face_id]) for face_id in collection}
    matches = [
        {"Similarity": likeness[face_id], "Face": collection[face_id]}
        for face_id in sorted(likeness, key=lambda each: likeness[each], reverse=True)
        if likeness[face_id] >= threshold
    ]
    place = _place(face)
    return {
        "SearchedFaceBoundingBox": place["BoundingBox"],
        "SearchedFaceConfidence": place["Confidence"],
        "FaceMatches": matches[: int(request.get("MaxFaces", 80))],
        "FaceModelVersion": MODEL_VERSION,
    }


async def list_faces(service: Rekognition, request: Document) -> Document:
    """Every face of a collection, in one page."""
    return {"Faces": list(service.collection(request).values()), "FaceModelVersion": MODEL_VERSION}


async def delete_faces(service: Rekognition, request: Document) -> Document:
    """Take faces out of a collection."""
    collection = service.collection(request)
    gone = [face_id for face_id in request.get("FaceIds", []) if collection.pop(face_id, None)]
    for face_id in gone:
        del service.vectors[face_id]
    return {"DeletedFaces": gone}


async def describe_collection(service: Rekognition, request: Document) -> Document:
    """How many faces a collection holds."""
    count = len(service.collection(request))
    arn = _arn(str(request["CollectionId"]))
    return {"FaceCount": count, "CollectionARN": arn, "FaceModelVersion": MODEL_VERSION}


async def list_collections(service: Rekognition, request: Document) -> Document:  # noqa: ARG001
    """The names of the collections, in one page."""
    names = list(service.collections)
    return {"CollectionIds": names, "FaceModelVersions": [MODEL_VERSION] * len(names)}


OPERATIONS: dict[str, Callable[[Rekognition, Document], Awaitable[Document]]] = {
    "DetectFaces": detect_faces,
    "CompareFaces": compare_faces,
    "CreateCollection": create_collection,
    "IndexFaces": index_faces,
    "SearchFacesByImage": search_faces_by_image,
    "ListFaces": list_faces,
    "DeleteFaces": delete_faces,
    "DescribeCollection": describe_collection,
    "ListCollections": list_collections,
}


def _place(face: Face) -> Document:
    box = face.box
    return {
        "BoundingBox": {"Left": box.left, "Top": box.top, "Width": box.width, "Height": box.height},
        "Confidence": face.confidence,
    }


def _detail(face: Face) -> Document:
    points = zip(_LANDMARKS, face.landmarks, strict=True)
    return {**_place(face), "Landmarks": [{"Type": kind, "X": x, "Y": y} for kind, (x, y) in points]}


def _arn(name: str) -> str:
    return f"aws:rekognition:us-east-1:000000000000:collection/{name}"
