"""The face APIs as far as their clients need them: a key that they demand, one answer, one "too many calls".

The answers are in the form that the makers document. That they are right the SDKs themselves show: they have
to find the values in their own objects.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.clients.signature import is_signed

OWN_KEY = "9f1c5c1e-face-4a11-b0a7-000000000001"
"""What the face API wants to see. No caller knows it."""
ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
LIKENESS = 98.5

Accepts = Callable[[str, str, Mapping[str, str], bytes], bool]


@dataclass(frozen=True)
class Canned:
    """One answer."""

    status: int
    content_type: str
    members: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return json.dumps(self.members).encode()


@dataclass(frozen=True)
class Dialect:
    """One face API. `settings`: how the proxy is told its key. `accepts`: whether a request shows it."""

    backend: str
    answer: Canned
    throttled: Canned
    settings: Mapping[str, str]
    accepts: Accepts
    refused: Canned


def _signed(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bool:
    return is_signed(method, path, headers, body, ACCESS_KEY, SECRET_KEY)


def _shows(header: str, value: str) -> Accepts:
    return lambda _method, _path, headers, _body: headers.get(header) == value


_BOX = {"Left": 0.25, "Top": 0.2, "Width": 0.5, "Height": 0.5}
_AMZ = "application/x-amz-json-1.1"
_JSON = "application/json"
AWS = Dialect(
    backend="aws-rekognition",
    answer=Canned(
        200,
        _AMZ,
        {
            "SourceImageFace": {"BoundingBox": _BOX, "Confidence": 99.9},
            "FaceMatches": [{"Similarity": LIKENESS, "Face": {"BoundingBox": _BOX, "Confidence": 99.9}}],
            "UnmatchedFaces": [],
        },
    ),
    throttled=Canned(400, _AMZ, {"__type": "ThrottlingException", "Message": "Rate exceeded"}),
    settings={
        "MORATORIUM_UPSTREAM_AUTH": "sigv4",
        "MORATORIUM_AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    },
    accepts=_signed,
    refused=Canned(403, _AMZ, {"__type": "InvalidSignatureException", "Message": "not our signature"}),
)
AZURE = Dialect(
    backend="azure-face",
    answer=Canned(200, _JSON, {"isIdentical": True, "confidence": LIKENESS / 100}),
    throttled=Canned(
        429,
        _JSON,
        {"error": {"code": "429", "message": "Rate limit is exceeded. Try again in 1 seconds."}},
        {"Retry-After": "1"},
    ),
    settings={"MORATORIUM_UPSTREAM_KEY": OWN_KEY},
    accepts=_shows("Ocp-Apim-Subscription-Key", OWN_KEY),
    refused=Canned(401, _JSON, {"error": {"code": "401", "message": "not our key"}}),
)
_FOUND = {"box": {"probability": 0.99, "x_min": 10, "y_min": 10, "x_max": 90, "y_max": 90}}
COMPREFACE = Dialect(
    backend="compreface",
    answer=Canned(
        200,
        _JSON,
        {
            "result": [
                {"source_image_face": _FOUND, "face_matches": [{**_FOUND, "similarity": LIKENESS / 100}]}
            ]
        },
    ),
    throttled=Canned(429, _JSON, {"message": "Too many requests", "code": 429}),
    settings={"MORATORIUM_UPSTREAM_KEY": OWN_KEY},
    accepts=_shows("x-api-key", OWN_KEY),
    refused=Canned(404, _JSON, {"message": "Api key not found", "code": 10}),
)
GOOGLE = Dialect(
    backend="google-vision",
    answer=Canned(
        200,
        "application/json; charset=UTF-8",
        {
            "responses": [
                {"webDetection": {"webEntities": [{"score": LIKENESS / 100, "description": "Face"}]}}
            ]
        },
    ),
    throttled=Canned(
        429,
        "application/json; charset=UTF-8",
        {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded"}},
    ),
    settings={"MORATORIUM_UPSTREAM_AUTH": "bearer", "MORATORIUM_UPSTREAM_KEY": OWN_KEY},
    accepts=_shows("Authorization", f"Bearer {OWN_KEY}"),
    refused=Canned(401, _JSON, {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "no"}}),
)
DEEPFACE = Dialect(
    backend="deepface",
    answer=Canned(200, _JSON, {"verified": True, "distance": 0.054, "threshold": 0.07, "model": "Dlib"}),
    throttled=Canned(429, _JSON, {"error": "too many requests"}),
    settings={"MORATORIUM_UPSTREAM_KEY": OWN_KEY},
    accepts=_shows("Authorization", f"Bearer {OWN_KEY}"),
    refused=Canned(401, _JSON, {"message": "Invalid or missing authentication token"}),
)
