"""Starts moto, which checks signatures and IAM policies, and the proxy before it; sends real calls."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

SCRATCH, ROOT, MOTO = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
sys.path.insert(0, str(ROOT))

import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

from proxy.testing import TokenMint  # noqa: E402
from tests.harness.proxy import write_settings  # noqa: E402

REGION = "us-east-1"
POLICY = """
schema = 1
[[moratorium]]
id = "pause-2020"
title = "No police use of face comparison"
binds.org_types = ["police"]
covers.classes = ["compare", "search"]
window = [{ start = "2020-06-10T00:00:00Z" }]
"""
IMAGE = {"Bytes": b"\x89PNG not really"}
NO_KEYS = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(program: Sequence[str], env: dict[str, str], port: int, log: str) -> Iterator[None]:
    with (SCRATCH / log).open("wb") as sink:
        process = subprocess.Popen(program, env=env, stdout=sink, stderr=sink)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                break
            if process.poll() is not None:
                raise SystemExit((SCRATCH / log).read_text("utf-8"))
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)


def client(service: str, port: int, keys: Sequence[str]) -> Any:
    made = boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=REGION,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        aws_session_token=keys[2] if len(keys) > 2 else None,
        config=Config(retries={"total_max_attempts": 1}),
    )
    made.meta.events.register("before-parse.*.*", keep_body)
    return made


LAST: dict[str, bytes] = {}


def keep_body(response_dict: dict[str, Any], **_: Any) -> None:
    LAST["body"] = response_dict["body"]


def outcome(ask: Any, **arguments: Any) -> str:
    """`ok`, or the code of the error. moto words those of its checks in XML, which botocore does not read."""
    try:
        ask(**arguments)
    except ClientError as error:
        code = re.search(rb"<Code>(\w+)</Code>", LAST["body"])
        return code[1].decode() if code is not None else str(error.response["Error"]["Code"])
    return "ok"


def detect_text_instead(request: Any, **_: Any) -> None:
    request.headers["X-Amz-Target"] = "RekognitionService.DetectText"


def compare_faces_instead(request: Any, **_: Any) -> None:
    request.headers["X-Amz-Target"] = "RekognitionService.CompareFaces"


def new_user(moto: int, name: str, action: str) -> tuple[str, str]:
    """Keys of a user who may do this and nothing else."""
    iam = client("iam", moto, ("unused", "unused"))
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def expect(what: str, found: str, wanted: str) -> None:
    if found != wanted:
        for log in SCRATCH.glob("*.log"):
            print(log.read_text("utf-8")[-3000:])
        raise SystemExit(f"{what}: {wanted} expected, {found} found")
    print(f"= {what}: {found}")


@contextlib.contextmanager
def proxy(moto: int, mint: TokenMint, keys: Sequence[str]) -> Iterator[int]:
    """The proxy with these keys as its own; its traffic port."""
    port = free_port()
    folder = SCRATCH / f"proxy-{port}"
    folder.mkdir()
    settings = write_settings(
        folder, moto, mint, "aws-rekognition", POLICY,
        listen=f"127.0.0.1:{port}", upstream_auth="sigv4", aws_region=REGION,
    )  # fmt: skip
    own = {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]}
    program = [sys.executable, "-m", "proxy", "serve"]
    env = NO_KEYS | own | settings | {"PYTHONPATH": str(ROOT)}
    with running(program, env, port, "proxy.log"):
        yield port


def main() -> None:
    moto, mint = free_port(), TokenMint()
    with running([MOTO, "-H", "127.0.0.1", "-p", str(moto)], NO_KEYS, moto, "moto.log"):
        comparing = new_user(moto, "comparing", "rekognition:CompareFaces")
        reading = new_user(moto, "reading", "rekognition:DetectText")
        # From the next call on, moto checks.
        reset = f"http://127.0.0.1:{moto}/moto-api/reset-auth"
        plain = {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(reset, b"0", plain), timeout=10).close()
        faces = {"SourceImage": IMAGE, "TargetImage": IMAGE}

        direct = client("rekognition", moto, ("unused", "unused"))
        expect("moto, without the proxy, keys unknown", outcome(direct.compare_faces, **faces),
               "InvalidClientTokenId")  # fmt: skip
        forged = client("rekognition", moto, (comparing[0], "not-the-secret"))
        expect("moto, without the proxy, secret wrong", outcome(forged.compare_faces, **faces),
               "SignatureDoesNotMatch")  # fmt: skip

        tampered = client("rekognition", moto, comparing)
        tampered.meta.events.register("before-send.*.*", detect_text_instead)
        expect(
            "moto, without the proxy, target changed after signing",
            outcome(tampered.compare_faces, **faces),
            "SignatureDoesNotMatch",
        )

        with proxy(moto, mint, comparing) as port:
            caller = client("rekognition", port, ("unused", "unused", mint.token("commercial")))
            expect(
                "through the proxy, the caller's keys are made up",
                outcome(caller.compare_faces, **faces),
                "ok",
            )
            large = {"SourceImage": {"Bytes": os.urandom(4_000_000)}, "TargetImage": IMAGE}
            expect("the same with 5.4 MB of body", outcome(caller.compare_faces, **large), "ok")
            expect("an action that the proxy's own key may not", outcome(caller.detect_text, Image=IMAGE),
                   "AccessDenied")  # fmt: skip
            police = client("rekognition", port, ("unused", "unused", mint.token("police")))
            expect(
                "a caller under the moratorium",
                outcome(police.compare_faces, **faces),
                "AccessDeniedException",
            )
            police.meta.events.register("before-send.*.*", compare_faces_instead)
            expect(
                "the same, target changed after the caller has signed",
                outcome(police.detect_text, Image=IMAGE),
                "AccessDeniedException",
            )
        with proxy(moto, mint, reading) as port:
            caller = client("rekognition", port, ("unused", "unused", mint.token("commercial")))
            expect("another key, the other action", outcome(caller.detect_text, Image=IMAGE), "ok")
            expect("another key, the first action", outcome(caller.compare_faces, **faces),
                   "AccessDenied")  # fmt: skip
        with proxy(moto, mint, (comparing[0], "not-the-secret")) as port:
            caller = client("rekognition", port, ("unused", "unused", mint.token("commercial")))
            expect(
                "the proxy's own secret is wrong",
                outcome(caller.compare_faces, **faces),
                "SignatureDoesNotMatch",
            )


main()
