"""Bodies for the DeepFace API: photographs as they go in JSON and in forms, and the models to use."""

import base64
import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from proxy.demo import callers

PHOTOS = Path(callers.__file__).with_name("photos")
DLIB = {"model_name": "Dlib", "detector_backend": "dlib"}
_BOUNDARY = "a-boundary-that-no-photograph-holds"


class Body(NamedTuple):
    """The bytes and what they say they are."""

    content: bytes
    media_type: str


def inline(photo: str) -> str:
    """A photograph of the demo as a data address."""
    return f"data:image/jpeg;base64,{base64.b64encode((PHOTOS / photo).read_bytes()).decode()}"


def as_json(media_type: str = "application/json", /, **members: Any) -> Body:
    """With dlib's models unless the members name others."""
    return Body(json.dumps({**DLIB, **members}).encode(), media_type)


def as_form(**members: str) -> Body:
    return Body(urlencode({**DLIB, **members}).encode(), "application/x-www-form-urlencoded")


def as_multipart(**photos: str) -> Body:
    """Photographs as uploaded files."""
    parts = [_part(f'"{name}"', value.encode()) for name, value in DLIB.items()]
    for name, photo in photos.items():
        content = (PHOTOS / photo).read_bytes()
        parts.append(_part(f'"{name}"; filename="{photo}"\r\nContent-Type: image/jpeg', content))
    return _multipart(parts)


def as_fields(**fields: str) -> Body:
    """Multipart without any file."""
    return _multipart([_part(f'"{name}"', value.encode()) for name, value in {**DLIB, **fields}.items()])


def _part(about: str, content: bytes) -> bytes:
    head = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; name={about}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def _multipart(parts: list[bytes]) -> Body:
    content = b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()
    return Body(content, f"multipart/form-data; boundary={_BOUNDARY}")
