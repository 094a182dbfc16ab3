"""The container credentials protocol, spoken by an unchanged boto3 with the running proxy."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.credentials.test_assertion import free_port
from tests.harness.client import Answer, Fields, RawClient, request
from tests.harness.proxy import Proxy, running_proxy
from tests.harness.upstream import Message, Step, reply

ALMOST = 840
"""Seconds: of a token that lasts less than a quarter of an hour, botocore asks for a new one at each call."""


def faces(_message: Message) -> tuple[Step, ...]:
    return reply(b'{"FaceDetails":[]}', headers=[b"Content-Type: application/x-amz-json-1.1"])


def settings_for(folder: Path, port: int, **more: str) -> dict[str, Any]:
    return {
        "backend": "aws-rekognition",
        "at": datetime.now(UTC).isoformat(),  # boto3 looks at its own clock
        "aws_credentials_listen": f"127.0.0.1:{port}",
        "aws_credentials_token_file": str(folder / "token"),
        **more,
    }


def client(proxy: Proxy) -> Any:
    return boto3.client(
        "rekognition",
        endpoint_url=f"http://127.0.0.1:{proxy.port}",
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )


async def ask(port: int, *fields: tuple[str, str], host: str = "127.0.0.1") -> Answer:
    connection = await RawClient.connect(port)
    try:
        await connection.send(request("GET", "/credentials", [*fields, ("Connection", "close")], host=host))
        return await connection.answer(b"GET")
    finally:
        await connection.close()


async def test_an_unchanged_sdk_fetches_the_callers_token_and_goes_on_with_a_new_one(
    aws: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = free_port()
    aws.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{port}/credentials")
    aws.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "shared-word")
    more = {"aws_credentials_authorization": "shared-word"}
    async with running_proxy(**settings_for(tmp_path, port, **more)) as proxy:
        proxy.upstream.script = faces
        (tmp_path / "token").write_text(proxy.mint.token(org_id="org-0", expires_in=ALMOST), "utf-8")
        sdk = await asyncio.to_thread(client, proxy)
        for org_id in ("org-1", "org-2"):
            (tmp_path / "token").write_text(proxy.mint.token(org_id=org_id, expires_in=ALMOST), "utf-8")
            await asyncio.to_thread(sdk.detect_faces, Image={"Bytes": b"x"})

        assert [record["org_id"] for record in proxy.audit()] == ["org-1", "org-2"]


async def test_the_answer_has_the_token_and_its_end_and_no_key_of_ours(tmp_path: Path) -> None:
    port = free_port()
    async with running_proxy(**settings_for(tmp_path, port, upstream_auth="none")) as proxy:
        token = proxy.mint.token(expires_in=300)
        (tmp_path / "token").write_text(token + "\n", "utf-8")
        answer = await ask(port)

        assert json.loads(answer.body) == {
            "AccessKeyId": "MORATORIUM",
            "SecretAccessKey": "unused",
            "Token": token,
            "Expiration": datetime.fromtimestamp(int(proxy.clock() + 300), UTC).strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            ),
        }
        assert answer.values(b"cache-control") == [b"no-store"]


@pytest.mark.parametrize(
    ("fields", "host", "status", "code"),
    [
        ([], "127.0.0.1", 401, "NotAuthorized"),
        ([("Authorization", "wrong")], "127.0.0.1", 401, "NotAuthorized"),
        ([("Authorization", "shared-word")], "evil.test", 403, "NotLocal"),
        ([("Authorization", "shared-word"), ("Origin", "https://evil.test")], "127.0.0.1", 403, "NotLocal"),
        ([("Authorization", "shared-word")], "localhost", 200, None),
    ],
)
async def test_only_local_programs_that_know_the_word_are_answered(
    tmp_path: Path, fields: Fields, host: str, status: int, code: str | None
) -> None:
    port = free_port()
    word = tmp_path / "word"
    word.write_text("shared-word\n", "utf-8")
    more = {"aws_credentials_authorization_file": str(word)}
    async with running_proxy(**settings_for(tmp_path, port, **more)) as proxy:
        (tmp_path / "token").write_text(proxy.mint.token(), "utf-8")
        answer = await ask(port, *fields, host=host)

    assert (answer.status, json.loads(answer.body).get("code")) == (status, code)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda _mint: None, "TokenUnreadable"),
        (lambda _mint: "SECRET", "TokenMalformed"),
        (lambda mint: mint.token(exp=None), "TokenMalformed"),
        (lambda mint: mint.token(exp=1e30), "TokenMalformed"),
        (lambda mint: mint.token(expires_in=0), "TokenExpired"),
    ],
)
async def test_a_token_that_is_of_no_use_is_not_handed_out(tmp_path: Path, make: Any, code: str) -> None:
    port = free_port()
    async with running_proxy(**settings_for(tmp_path, port)) as proxy:
        token = make(proxy.mint)
        if token is not None:
            (tmp_path / "token").write_text(token, "utf-8")
        answer = await ask(port)

    assert (answer.status, json.loads(answer.body)["code"]) == (503, code)
    assert token is None or token.encode() not in answer.body
