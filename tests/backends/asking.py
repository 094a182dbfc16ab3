"""Calls as the SDKs write them, and what a backend makes of them."""

import json
from typing import Any

from proxy.backends.base import Backend, Sketch
from proxy.messages import Headers, RequestHead
from proxy.policy.model import Refusal
from proxy.policy.operations import Operation

JSON = ((b"content-type", b"application/json"),)


def head(method: str, target: str, fields: Headers = ()) -> RequestHead:
    return RequestHead(method.encode(), target.encode(), b"1.1", fields)


def aws(operation: str) -> RequestHead:
    target = b"RekognitionService." + operation.encode()
    return head("POST", "/", ((b"x-amz-target", target), (b"content-type", b"application/x-amz-json-1.1")))


def said(backend: Backend, call: RequestHead, body: Any) -> Operation | Refusal:
    """What a call is whose body may be looked at; `body` is JSON, unless it is bytes."""
    found = backend.classify(call)
    if not isinstance(found, Sketch):
        return found
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    operation = backend.read(call, raw)
    if isinstance(operation, Operation) and operation.name != "unknown":
        assert found.least.classes <= operation.classes <= found.most.classes
    return operation


def terms(found: Operation | Refusal | Sketch) -> set[str]:
    """Classes, and traits where the operation has some."""
    assert isinstance(found, Operation), found
    return {*map(str, found.classes), *(f"analyze.{trait}" for trait in found.traits)}


def reason(found: Operation | Refusal | Sketch) -> str:
    assert isinstance(found, Refusal), found
    return str(found.reason)
