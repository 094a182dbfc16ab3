"""A refusal in each dialect is what the SDKs of that dialect make their own error of."""

import json
from typing import Any

import pytest

from proxy.backends.base import Denial
from proxy.backends.registry import NAMES, make_backend
from proxy.policy.model import Authority
from proxy.policy.reasons import MEANINGS, Decision, Reason
from proxy.rescue import Manners, status_of

BLOCK = Denial(
    451, Reason.MORATORIUM, "Blocked.", "id-1", "ban", "2021-06-10T00:00:00Z", Authority(name="City")
)
STOPPED = [reason for reason, meaning in MEANINGS.items() if meaning.decision is not Decision.ALLOWED]


def told(backend: str, denial: Denial) -> tuple[dict[str, str], Any]:
    native = make_backend(backend).native(denial)
    return {name.decode().lower(): value.decode() for name, value in native.headers}, json.loads(native.body)


def denial_of(reason: Reason) -> Denial:
    return Denial(status_of(reason, Manners(403)), reason, MEANINGS[reason].says, "id-1")


def test_azure_tells_a_block_as_it_tells_a_missing_approval() -> None:
    headers, body = told("azure-face", BLOCK)

    assert headers["x-ms-error-code"] == body["error"]["code"] == "InvalidRequest"
    assert body["error"]["message"] == "Blocked."
    assert body["error"]["innererror"] == {"code": "UnsupportedFeature", "message": "Blocked."}
    assert body["policy_id"] == "ban"


@pytest.mark.parametrize("reason", STOPPED)
def test_azure_always_has_a_nested_error(reason: Reason) -> None:
    headers, body = told("azure-face", denial_of(reason))

    assert body["error"]["code"] == headers["x-ms-error-code"]
    assert (body["error"]["code"] == "401") is reason.startswith("token-")
    assert ("innererror" in body["error"]) is (
        reason in (Reason.MORATORIUM, Reason.MEDIA_BY_REFERENCE, Reason.BODY_TOO_LARGE)
    )


@pytest.mark.parametrize("reason", STOPPED)
def test_compreface_has_a_code_that_is_none_of_its_own(reason: Reason) -> None:
    headers, body = told("compreface", denial_of(reason))

    assert headers["content-type"] == "application/json"
    assert body["code"] >= 400
    assert body["message"] == MEANINGS[reason].says


@pytest.mark.parametrize("reason", STOPPED)
def test_google_has_a_status_and_an_error_info(reason: Reason) -> None:
    _, body = told("google-vision", denial_of(reason))

    error = body["error"]
    assert error["code"] == denial_of(reason).status
    info = error["details"][0]
    assert info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert info["reason"].replace("_", "-").lower() == reason
    assert info["metadata"] == {"decision_id": "id-1"}
    assert (error["status"] == "PERMISSION_DENIED") is (error["code"] == 403)
    assert (error["status"] == "UNAUTHENTICATED") is (error["code"] == 401)
    to_be_tried_again = error["status"] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    assert to_be_tried_again is (error["code"] in (408, 502, 503, 504))


def test_google_names_the_policy_and_its_end() -> None:
    _, body = told("google-vision", BLOCK)

    assert body["error"]["details"][0]["metadata"] == {
        "decision_id": "id-1",
        "policy_id": "ban",
        "until": "2021-06-10T00:00:00Z",
    }


@pytest.mark.parametrize(("backend", "member"), [("insightface-rest", "detail"), ("deepface", "message")])
def test_self_hosted_servers_have_one_sentence(backend: str, member: str) -> None:
    headers, body = told(backend, BLOCK)

    assert headers["content-type"] == "application/json"
    assert body[member] == "Blocked."


@pytest.mark.parametrize("name", NAMES)
def test_every_dialect_has_a_status_for_blocks_that_no_sdk_tries_again(name: str) -> None:
    statuses = make_backend(name).block_statuses

    assert statuses[0] == (403 if name == "google-vision" else 451)
    assert set(statuses) <= {451, 403, 400}


@pytest.mark.parametrize("name", NAMES)
def test_the_first_slot_is_where_the_sdk_puts_a_credential(name: str) -> None:
    expected = {
        "aws-rekognition": b"x-amz-security-token",
        "azure-face": b"ocp-apim-subscription-key",
        "compreface": b"x-api-key",
    }
    slots = make_backend(name).slots

    assert slots[0].header == expected.get(name, b"authorization")
    assert any(slot.header == b"authorization" and slot.scheme == b"Bearer" for slot in slots)
    assert name != "google-vision" or slots[1].header == b"x-goog-api-key"
