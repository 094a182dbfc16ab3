"""google-cloud-vision over REST. The token is the access token of its credentials, or its API key."""

import os
from pathlib import Path
from typing import Any

from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud import vision
from google.oauth2.credentials import Credentials
from requests.exceptions import RequestException

from tests.clients.scripts.answering import Asked, Sdk, serve


def make(asked: Asked) -> Any:
    options = {"api_endpoint": asked["endpoint"]}
    if os.environ.get("TOKEN_AS_API_KEY"):
        return vision.ImageAnnotatorClient(
            transport="rest", client_options={**options, "api_key": asked["token"]}
        )
    return vision.ImageAnnotatorClient(
        transport="rest", client_options=options, credentials=Credentials(asked["token"])
    )


def call(client: Any, asked: Asked) -> str:
    request = {
        "image": {"content": Path(asked["source"]).read_bytes()},
        "features": [{"type_": vision.Feature.Type.WEB_DETECTION}],
    }
    if os.environ.get("CALL_IN_BATCHES"):
        answer = client.batch_annotate_images(requests=[request]).responses[0]
    else:
        answer = client.annotate_image(request)
    return f"{answer.web_detection.web_entities[0].score * 100:.1f}"


def says(error: Exception) -> tuple[str, int]:
    if isinstance(error, GoogleAPICallError):
        return str(error.reason or ""), int(error.code or 0)
    return "", 0


if __name__ == "__main__":
    errors = (GoogleAPICallError, RetryError, GoogleAuthError, RequestException)
    serve(Sdk("google-cloud-vision", make, call, errors, says))
