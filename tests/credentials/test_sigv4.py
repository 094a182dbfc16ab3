"""Signatures judged by what the upstream received: by the words of AWS's specification, and by botocore's own
signer on a request that it makes itself.
"""

import hashlib
import hmac
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import time_machine
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from proxy.credentials.sigv4 import SigV4, region_in
from proxy.errors import CredentialUnavailable
from tests.harness.proxy import FixedClock, Proxy, running_proxy
from tests.harness.upstream import Message
from tests.harness.waiting import until

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TARGET = ("X-Amz-Target", "RekognitionService.DetectFaces")
TYPE = ("Content-Type", "application/x-amz-json-1.1")
SETTINGS: dict[str, Any] = {"backend": "aws-rekognition", "upstream_auth": "sigv4", "aws_region": "eu-west-1"}
BODY = json.dumps({"Image": {"Bytes": "AAAA"}}).encode()


async def signed(proxy: Proxy, *fields: tuple[str, str], body: bytes = BODY) -> Message:
    """What the upstream got of one permitted call."""
    await until(lambda: proxy.application.upstream.fault(proxy.clock()) is None, "keys")
    answer = await proxy.call("POST", "/", body, fields=[TARGET, TYPE, *fields])
    assert answer.status == 200, answer.body
    return proxy.upstream.messages[-1]


def by_the_book(message: Message, secret_key: str = SECRET_KEY, token: str | None = None) -> str:
    """The Authorization that AWS's documentation ("Create a signed AWS API request") asks for."""
    fields = dict(message.headers)
    stated = fields[b"authorization"].decode().partition("SignedHeaders=")[2].partition(",")[0]
    names = stated.split(";")
    must = {"host", "content-type", *(n.decode() for n, _ in message.headers if n.startswith(b"x-amz-"))}
    assert must <= {*names}
    assert (token is not None) == ("x-amz-security-token" in names)
    stamp, scope = (
        fields[b"x-amz-date"].decode(),
        f"{fields[b'x-amz-date'].decode()[:8]}/eu-west-1/rekognition",
    )
    path, _, query = message.target.decode().partition("?")
    lines = "".join(f"{name}:{fields[name.encode()].decode()}\n" for name in sorted(names))
    canonical = "\n".join(
        [message.method.decode(), path, query, lines, stated, hashlib.sha256(message.body).hexdigest()]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}/aws4_request\n{digest}"
    key = f"AWS4{secret_key}".encode()
    for part in (*scope.split("/"), "aws4_request", to_sign):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}/aws4_request, "
        f"SignedHeaders={stated}, Signature={key.hex()}"
    )


@pytest.mark.parametrize("body", [BODY, b"{}", b'{"Image":{"Bytes":"' + b"A" * 300_000 + b'"}}'])
async def test_a_call_is_signed_as_the_specification_says(aws_keys: pytest.MonkeyPatch, body: bytes) -> None:
    async with running_proxy(**SETTINGS) as proxy:
        message = await signed(proxy, body=body)

        assert message.values(b"authorization") == [by_the_book(message).encode()]
        assert message.values(b"x-amz-date") == [b"20200701T120000Z"]
        assert message.body == body


async def test_a_session_token_is_ours_and_is_signed(aws_keys: pytest.MonkeyPatch) -> None:
    aws_keys.setenv("AWS_SESSION_TOKEN", "our-session")
    async with running_proxy(**SETTINGS) as proxy:
        message = await signed(proxy)

        assert message.values(b"authorization") == [by_the_book(message, token="our-session").encode()]
        assert message.values(b"x-amz-security-token") == [b"our-session"]


async def test_the_signature_is_the_one_that_botocore_makes_itself(aws_keys: pytest.MonkeyPatch) -> None:
    async with running_proxy(**SETTINGS) as proxy:
        message = await signed(proxy)
        host = message.values(b"host")[0].decode()
        fields = {
            name: message.values(name.lower().encode())[0].decode()
            for name in ("Content-Type", "X-Amz-Target")
        }
        own = AWSRequest("POST", f"http://{host}/", fields, BODY)
        with time_machine.travel("2020-07-01T12:00:00Z", tick=False):
            SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "rekognition", "eu-west-1").add_auth(own)

        assert message.values(b"authorization") == [own.headers["Authorization"].encode()]


async def test_nothing_that_the_caller_signed_with_reaches_the_signer(aws_keys: pytest.MonkeyPatch) -> None:
    theirs = [
        ("X-Amz-Content-SHA256", "0" * 64),
        ("X-Amz-Date", "19990101T000000Z"),
        ("X-Amz-User-Agent", "theirs"),
        ("Amz-Sdk-Request", "attempt=1"),
        ("X-Amz-Expires", "9"),
    ]
    async with running_proxy(**SETTINGS) as proxy:
        message = await signed(proxy, *theirs)

        names = sorted(name for name, _ in message.headers if b"amz" in name)
        assert names == [b"x-amz-date", b"x-amz-target"]
        assert message.values(b"authorization") == [by_the_book(message).encode()]


async def test_the_callers_token_in_the_place_of_a_session_token_stays_here(
    aws_keys: pytest.MonkeyPatch,
) -> None:
    async with running_proxy(**SETTINGS) as proxy:
        await until(lambda: proxy.application.upstream.fault(proxy.clock()) is None, "keys")
        their_signature = (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=unused/x, SignedHeaders=host, Signature=0",
        )
        token = ("X-Amz-Security-Token", proxy.mint.token("commercial"))
        answer = await proxy.call(
            "POST", "/", BODY, caller=None, fields=[TARGET, TYPE, token, their_signature]
        )

        message = proxy.upstream.messages[0]
        assert answer.status == 200
        assert message.values(b"x-amz-security-token") == []
        assert message.values(b"authorization") == [by_the_book(message).encode()]


async def test_without_keys_nothing_is_sent(aws: pytest.MonkeyPatch) -> None:
    async with running_proxy(**SETTINGS) as proxy:
        refreshed = proxy.application.upstream.refreshed
        assert refreshed is not None
        await until(lambda: refreshed.failed != "not there yet", "the first look")
        answer = await proxy.call("POST", "/", BODY, fields=[TARGET, TYPE])

        assert (answer.status, refreshed.failed) == (503, "AWS credentials: none found")
        assert json.loads(answer.body)["title"] == "credential-unavailable"
        assert proxy.upstream.messages == []


def signer(region: str = "eu-west-1", host: str = "127.0.0.1", profile: str = "") -> SigV4:
    return SigV4("rekognition", region, "https", host, FixedClock(1e9), profile)


async def test_a_profile_that_does_not_exist_is_told_by_kind_alone(aws: pytest.MonkeyPatch) -> None:
    credential = signer(profile="nobody")
    await credential.refresh()

    assert credential.failed == "AWS credentials: ProfileNotFound"


async def test_keys_in_a_file_are_taken_anew_when_somebody_changes_them(
    aws: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    credential, seen = signer(), []
    for key in ("AKID1", "AKID2"):
        (tmp_path / "aws-credentials").write_text(
            f"[default]\naws_access_key_id={key}\naws_secret_access_key=x\n", "utf-8"
        )
        await credential.refresh()
        seen.append(credential.at_hand(1e9).frozen.access_key)

    assert seen == ["AKID1", "AKID2"]
    assert credential.pause() == 60


PROCESS = """
import datetime, json, pathlib
count = pathlib.Path({count!r})
number = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(number))
end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds={life})
print(json.dumps({{"Version": 1, "AccessKeyId": f"AKID{{number}}", "SecretAccessKey": "x",
    "SessionToken": "t", "Expiration": end.isoformat()}}))
"""


def use_process(folder: Path, life: float) -> None:
    """Have a process give keys that end, as SSO, STS and instance roles do."""
    script = folder / "keys.py"
    script.write_text(PROCESS.format(count=str(folder / "count"), life=life), "utf-8")
    (folder / "aws-config").write_text(
        f"[default]\nregion=eu-central-1\ncredential_process = {sys.executable} -S {script}\n", "utf-8"
    )


@pytest.mark.parametrize(("life", "numbers"), [(3600, ["AKID1", "AKID1"]), (300, ["AKID2", "AKID3"])])
async def test_keys_that_end_are_renewed_ahead_of_it(
    aws: pytest.MonkeyPatch, tmp_path: Path, life: float, numbers: list[str]
) -> None:
    use_process(tmp_path, life)
    credential = signer(region="")
    seen = []
    for _ in numbers:
        await credential.refresh()
        seen.append(credential.at_hand(1e9).frozen.access_key)

    assert seen == numbers
    assert credential.at_hand(1e9).region == "eu-central-1"


@pytest.mark.parametrize(("life", "usable"), [(3600, 3540), (300, 270)])
async def test_keys_are_not_used_up_to_their_very_end(
    aws: pytest.MonkeyPatch, tmp_path: Path, life: float, usable: float
) -> None:
    use_process(tmp_path, life)
    credential = signer()
    await credential.refresh()

    credential.at_hand(1e9 + usable - 10)
    with pytest.raises(CredentialUnavailable):
        credential.at_hand(1e9 + usable + 1)


async def test_without_a_region_nothing_is_signed(aws_keys: pytest.MonkeyPatch) -> None:
    credential = signer(region="")
    await credential.refresh()

    assert credential.failed == "AWS credentials: no region; set MORATORIUM_AWS_REGION"


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("rekognition.us-east-1.amazonaws.com", "us-east-1"),
        ("rekognition-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("rekognition.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("vpce-0a-1b.rekognition.eu-west-3.vpce.amazonaws.com", "eu-west-3"),
        ("rekognition.us-east-1.amazonaws.com.evil.test", ""),
        ("127.0.0.1", ""),
    ],
)
def test_the_region_is_read_off_a_host_name_of_aws(host: str, region: str) -> None:
    assert region_in(host) == region


def test_a_proxy_that_does_not_sign_does_not_load_botocore() -> None:
    program = "import sys, proxy.cli.serve; sys.exit('botocore' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
