"""One call of the cast, made with boto3 as its users would make it, and what the client saw of it.

Nothing about boto3 is special here but three ordinary settings: the proxy as endpoint, any access key at all,
and the caller's JWT as session token. Retries are left at their defaults, for a block must not be retried.
"""

import base64
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import botocore.session
from botocore.config import Config

from proxy.demo.callers import FACE_FOUND, MATCH, NO_MATCH, ONE, SAME_PERSON, Caller
from proxy.testing import TokenMint

PHOTOS = Path(__file__).with_name("photos")

# The user's own AWS profile, endpoint overrides and HTTP proxies have no say in a demonstration.
_UNTOUCHED = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
    "ignore_configured_endpoint_urls": (None, None, True, None),
}


@dataclass(frozen=True)
class Outcome:
    """What the client saw. `saw` compares with Expected.sees; `says` is for people."""

    caller: Caller
    saw: str
    says: str
    status: int
    attempts: int
    seconds: float
    decision_id: str
    policy_id: str
    link: str


def client(endpoint: str, token: str | None) -> Any:
    """A boto3 client for Rekognition at `endpoint`, with a JWT where the session token goes."""
    session = boto3.Session(
        aws_access_key_id="any",
        aws_secret_access_key="any",  # noqa: S106
        aws_session_token=token,
        region_name="us-east-1",
        botocore_session=botocore.session.Session(_UNTOUCHED),
    )
    config = Config(proxies={}, connect_timeout=5, read_timeout=60)
    return session.client("rekognition", endpoint_url=endpoint, config=config)


def example_request() -> dict[str, Any]:
    """The JSON body of a CompareFaces call, for those who try one by hand."""
    source, target = (base64.b64encode((PHOTOS / name).read_bytes()).decode() for name in (ONE, SAME_PERSON))
    return {"SourceImage": {"Bytes": source}, "TargetImage": {"Bytes": target}}


def mint_token(caller: Caller, mint: TokenMint) -> str:
    """The caller's token. A forger has the right claims and key id, and the wrong key."""
    if caller.forged:
        mint = TokenMint(mint.issuer, mint.audience, kid=mint.kid, clock=mint.clock)
    return mint.token(expires_in=caller.expires_in, **caller.claims)


def call(caller: Caller, endpoint: str, token: str) -> Outcome:
    """Make one call. Blocks while it is under way."""
    rekognition = client(endpoint, token)
    attempts: list[Any] = []
    rekognition.meta.events.register("before-send.rekognition.*", lambda **_: attempts.append(1))
    if caller.target is not None:
        target = f"RekognitionService.{caller.target}"
        rekognition.meta.events.register(
            "before-call.rekognition.*",
            lambda params, **_: params["headers"].update({"X-Amz-Target": target}),
        )
    began = time.perf_counter()
    try:
        answer = _ask(rekognition, caller)
        saw, says = _result(answer)
    except botocore.exceptions.ClientError as error:
        answer = error.response
        saw, says = answer["Error"]["Code"], answer["Error"]["Message"]
    except botocore.exceptions.BotoCoreError as error:
        answer, saw, says = {}, type(error).__name__, str(error)
    finally:
        rekognition.close()
    return _outcome(caller, answer, saw, says, len(attempts), time.perf_counter() - began)


def _ask(rekognition: Any, caller: Caller) -> dict[str, Any]:
    images = [{"Bytes": (PHOTOS / name).read_bytes()} for name in caller.photos]
    answer: dict[str, Any]
    match caller.operation:
        case "CompareFaces":
            answer = rekognition.compare_faces(SourceImage=images[0], TargetImage=images[1])
        case "DetectFaces":
            answer = rekognition.detect_faces(Image=images[0])
        case other:
            raise ValueError(f"the cast makes no {other} call")
    return answer


def _result(answer: dict[str, Any]) -> tuple[str, str]:
    if "FaceDetails" in answer:
        count = len(answer["FaceDetails"])
        return (FACE_FOUND if count else "no face", f"{count} face{'s' if count != 1 else ''} found")
    matches = answer.get("FaceMatches", [])
    if matches:
        return MATCH, f"a match, similarity {matches[0]['Similarity']:.1f}"
    return NO_MATCH, "no match"


def _outcome(
    caller: Caller, answer: dict[str, Any], saw: str, says: str, attempts: int, seconds: float
) -> Outcome:
    metadata = answer.get("ResponseMetadata", {})
    headers = metadata.get("HTTPHeaders", {})
    return Outcome(
        caller=caller,
        saw=saw,
        says=says,
        status=metadata.get("HTTPStatusCode", 0),
        attempts=attempts,
        seconds=seconds,
        decision_id=headers.get("x-decision-id", ""),
        policy_id=headers.get("x-policy-id", ""),
        link=headers.get("link", ""),
    )
