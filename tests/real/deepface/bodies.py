"""Bodies for the DeepFace API: photographs as they go in JSON and in forms, and the models to use."""

import base64
import json
from typing import Any, NamedTuple
from urllib.parse import urlencode

from proxy.demo.calls import PHOTOS
from proxy.demo.callers import ONE, SAME_PERSON, SOMEONE_ELSE

__all__ = [
    "ONE",
    "PHOTOS",
    "SAME_PERSON",
    "SOMEONE_ELSE",
    "Body",
    "as_form",
    "as_json",
    "as_multipart",
    "inline",
]

DLIB = {"model_name": "Dlib", "detector_backend": "dlib"}
_BOUNDARY = "a-boundary-that-no-photograph-holds"


class Body(NamedTuple):
    """The bytes and what they say they are."""

    content: bytes
    media_type: str


def inline(photo: str) -> str:
    """A photograph of the demo as a data address."""
    return f"data:image/jpeg;base64,{base64.b64encode((PHOTOS / photo).read_bytes()).decode()}"


def as_json(media_type: str = "application/json", **members: Any) -> Body:
    """With dlib's models unless the members name others."""
    return Body(json.dumps({**DLIB, **members}).encode(), media_type)


def as_form(**members: str) -> Body:
    return Body(urlencode({**DLIB, **members}).encode(), "application/x-www-form-urlencoded")


def as_multipart(**photos: str) -> Body:
    """Photographs as uploaded files."""
    lines = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in DLIB.items()
    ]
    for name, photo in photos.items():
        about = f'form-data; name="{name}"; filename="{photo}"\r\nContent-Type: image/jpeg'
        content = (PHOTOS / photo).read_bytes()
        lines.append(f"--{_BOUNDARY}\r\nContent-Disposition: {about}\r\n\r\n".encode() + content + b"\r\n")
    lines.append(f"--{_BOUNDARY}--\r\n".encode())
    return Body(b"".join(lines), f"multipart/form-data; boundary={_BOUNDARY}")
