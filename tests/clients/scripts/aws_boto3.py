"""boto3. The retry mode is the environment's (AWS_RETRY_MODE), the token the session token."""

from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tests.clients.scripts.answering import Asked, Sdk, serve


def make(asked: Asked) -> Any:
    keys = {"aws_access_key_id": "unused", "aws_secret_access_key": "unused"}
    # Without a token of the call's own it is fetched where the environment says.
    credential = {**keys, "aws_session_token": asked["token"]} if asked["token"] else {}
    session = boto3.session.Session(region_name="us-east-1")
    return session.client("rekognition", endpoint_url=asked["endpoint"], **credential)


def call(client: Any, asked: Asked) -> str:
    images = [{"Bytes": Path(asked[name]).read_bytes()} for name in ("source", "target")]
    answer = client.compare_faces(SourceImage=images[0], TargetImage=images[1])
    return f"{answer['FaceMatches'][0]['Similarity']:.1f}"


def says(error: ClientError | BotoCoreError) -> tuple[str, int]:
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return "", 0


if __name__ == "__main__":
    serve(Sdk("boto3", make, call, (ClientError, BotoCoreError), says))
