"""google-cloud-vision over REST. The token is the access token of its credentials."""

from pathlib import Path
from typing import Any

from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud import vision
from google.oauth2.credentials import Credentials
from requests.exceptions import RequestException

from tests.clients.scripts.answering import Asked, Sdk, serve


def make(asked: Asked) -> Any:
    return vision.ImageAnnotatorClient(
        transport="rest",
        client_options={"api_endpoint": asked["endpoint"]},
        credentials=Credentials(asked["token"]),
    )


def call(client: Any, asked: Asked) -> str:
    answer = client.annotate_image(
        {
            "image": {"content": Path(asked["source"]).read_bytes()},
            "features": [{"type_": vision.Feature.Type.WEB_DETECTION}],
        }
    )
    return f"{answer.web_detection.web_entities[0].score * 100:.1f}"


def says(error: Exception) -> tuple[str, int]:
    if isinstance(error, GoogleAPICallError):
        return str(error.reason or ""), int(error.code or 0)
    return "", 0


if __name__ == "__main__":
    errors = (GoogleAPICallError, RetryError, GoogleAuthError, RequestException)
    serve(Sdk("google-cloud-vision", make, call, errors, says))
