"""The stand-in's check of signatures agrees with AWS's own code, and sees what was not signed so."""

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.clients.dialects import ACCESS_KEY, SECRET_KEY
from tests.clients.signature import is_signed

BODY = b'{"SourceImage":{}}'


def headers(body: bytes, secret: str = SECRET_KEY) -> dict[str, str]:
    request = AWSRequest(
        method="POST",
        url="http://127.0.0.1:5000/",
        data=body,
        headers={"host": "127.0.0.1:5000", "x-amz-target": "RekognitionService.CompareFaces"},
    )
    SigV4Auth(Credentials(ACCESS_KEY, secret), "rekognition", "us-east-1").add_auth(request)
    # The server's mapping finds a name in any letters; this one has only these.
    return {**dict(request.headers), **{name.lower(): value for name, value in request.headers.items()}}


def test_what_botocore_signed_is_signed() -> None:
    assert is_signed("POST", "/", headers(BODY), BODY, ACCESS_KEY, SECRET_KEY)


@pytest.mark.parametrize(
    ("shown", "body"),
    [
        (headers(BODY), BODY + b" "),
        (headers(BODY, secret="another"), BODY),
        ({**headers(BODY), "x-amz-target": "RekognitionService.SearchFaces"}, BODY),
        ({}, BODY),
    ],
    ids=["another body", "another secret", "another operation", "nothing"],
)
def test_what_was_not_signed_so_is_not(shown: dict[str, str], body: bytes) -> None:
    assert not is_signed("POST", "/", shown, body, ACCESS_KEY, SECRET_KEY)
