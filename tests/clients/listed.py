"""The clients: for which face API each is, how it is installed and started, how it finds the sidecar."""

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients import dialects
from tests.clients.dialects import Dialect
from tests.clients.driven import AwsCli, Curl, Driven, program, run
from tests.clients.stand import Stand

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Client:
    """One client. `installs`: what in `requirements` it needs, "" for what is here already; `script`: the
    module or file that drives it, "" for a command. `fetches`: it asks the sidecar for its token."""

    name: str
    title: str
    dialect: Dialect
    installs: str
    script: str
    pointed: str
    environment: Mapping[str, str] = field(default_factory=dict)
    fetches: bool = False


_BOTO3 = "`AWS_ENDPOINT_URL_REKOGNITION=http://127.0.0.1:8080`, `AWS_SESSION_TOKEN=$token`, any keys"
_JAVASCRIPT = _BOTO3
_FETCHED = (
    "`AWS_ENDPOINT_URL_REKOGNITION=http://127.0.0.1:8080`, "
    "`AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:8082/credentials`, no keys"
)


_AZURE = '`FaceClient("http://127.0.0.1:8080", AzureKeyCredential(token))`'
_COMPREFACE = '`CompreFace("http://127.0.0.1", "8080").init_face_verification(token)`'
_GOOGLE = (
    '`ImageAnnotatorClient(transport="rest", credentials=Credentials(token), '
    'client_options={"api_endpoint": "http://127.0.0.1:8080"})`'
)
_GOOGLE_KEY = (
    '`ImageAnnotatorClient(transport="rest", '
    'client_options={"api_endpoint": "http://127.0.0.1:8080", "api_key": token})`'
)
_CURL = '`curl -H "Authorization: Bearer $token" http://127.0.0.1:8080/verify`'


def _boto3(name: str, title: str, mode: str = "", *, fetches: bool = False) -> Client:
    environment = {"AWS_RETRY_MODE": mode} if mode else {}
    pointed = _FETCHED if fetches else _BOTO3
    return Client(name, title, dialects.AWS, "", "aws_boto3", pointed, environment, fetches)


def _javascript(name: str, title: str, *, fetches: bool = False) -> Client:
    pointed = _FETCHED if fetches else _JAVASCRIPT
    return Client(name, title, dialects.AWS, "js", "aws.mjs", pointed, fetches=fetches)


def _google(name: str, title: str, pointed: str, **environment: str) -> Client:
    return Client(name, title, dialects.GOOGLE, "google.txt", "google_vision", pointed, environment)


CLIENTS = (
    _boto3("boto3", "boto3"),
    _boto3("boto3-legacy", "boto3, legacy retries", "legacy"),
    _boto3("boto3-standard", "boto3, standard retries", "standard"),
    _boto3("boto3-adaptive", "boto3, adaptive retries", "adaptive"),
    _boto3("boto3-fetching", "boto3, token from the sidecar", fetches=True),
    Client("aws-cli", "AWS CLI", dialects.AWS, "aws-cli.txt", "", _BOTO3),
    _javascript("aws-js", "AWS SDK for JavaScript v3"),
    _javascript("aws-js-fetching", "AWS SDK for JavaScript v3, token from the sidecar", fetches=True),
    Client("azure", "azure-ai-vision-face", dialects.AZURE, "azure.txt", "azure_face", _AZURE),
    Client(
        "compreface", "compreface-sdk", dialects.COMPREFACE, "compreface.txt", "compreface_sdk", _COMPREFACE
    ),
    _google("google", "google-cloud-vision over REST", _GOOGLE),
    _google(
        "google-batch", "google-cloud-vision over REST, batch_annotate_images", _GOOGLE, CALL_IN_BATCHES="1"
    ),
    _google(
        "google-key", "google-cloud-vision over REST, token as API key", _GOOGLE_KEY, TOKEN_AS_API_KEY="1"
    ),
    Client("curl", "curl, to DeepFace", dialects.DEEPFACE, "", "", _CURL),
)


@contextlib.asynccontextmanager
async def driven(client: Client, cache: Path, stand: Stand, folder: Path) -> AsyncIterator[Driven]:
    """Start it, with nothing of this machine's settings but where programs are."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        **client.environment,
    }
    if client.fetches:
        address = f"http://127.0.0.1:{stand.credentials_port}/credentials"
        environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = address
    if client.name == "curl":
        _, out, _, _ = await run(["curl", "--version"], environment)
        yield Curl(environment, folder, out.split()[1])
    elif client.name == "aws-cli":
        path = str(cache / "aws-cli.txt" / "bin" / "aws")
        keys = {"AWS_ACCESS_KEY_ID": "unused", "AWS_SECRET_ACCESS_KEY": "unused"}
        _, out, _, _ = await run([path, "--version"], environment)
        yield AwsCli(path, {**environment, **keys}, out.split()[0].partition("/")[2])
    elif client.script.endswith(".mjs"):
        words = ["node", str(HERE / "scripts" / client.script)]
        async with program(words, environment, cache / client.installs) as running:
            yield running
    else:
        python = str(cache / client.installs / "bin" / "python") if client.installs else sys.executable
        words = [python, "-m", f"tests.clients.scripts.{client.script}"]
        async with program(words, environment, folder) as running:
            yield running
