"""A marked secret is planted where one can be, and looked for in everything that comes out."""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import check
from proxy.errors import SettingsError
from proxy.logs import JsonFormatter
from proxy.settings import read_settings
from proxy.testing import TokenMint
from tests.credentials.test_assertion import KEYS, free_port, pem
from tests.harness.client import call
from tests.harness.proxy import Proxy, running_proxy, write_settings
from tests.harness.waiting import until

MARK = "s3cr3t-0f-th3-upstr34m"
KEY_LINES = pem(KEYS["EdDSA"]).decode().splitlines()[1]


def planted(folder: Path) -> dict[str, dict[str, Any]]:
    """For each kind of credential the settings with the mark in them."""
    (folder / "key").write_text(MARK, "utf-8")
    (folder / "keys.toml").write_text(f'[keys]\n"/" = "{MARK}"\n', "utf-8")
    (folder / "assertion.pem").write_bytes(pem(KEYS["EdDSA"]))
    (folder / "token.json").write_text(json.dumps({"access_token": MARK, "expires_in": 90}), "utf-8")
    return {
        "variable": {"upstream_auth": "bearer", "upstream_key": MARK},
        "file": {"upstream_auth": "bearer", "upstream_key_file": str(folder / "key")},
        "by path": {"upstream_auth": "bearer", "upstream_keys_file": str(folder / "keys.toml")},
        "command": {"upstream_auth": "bearer", "upstream_token_command": f"cat {folder / 'token.json'}"},
        "sigv4": {"upstream_auth": "sigv4", "aws_service": "rekognition", "aws_region": "eu-west-1"},
    }


async def everything_said(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> str:
    """Answers, records, metrics, probes, log lines and what objects say of themselves."""
    await until(lambda: proxy.application.upstream.fault(proxy.clock()) is None, "the credential")
    answers = [
        await proxy.call("POST", "/v1/detect", b"{}"),
        await proxy.call("POST", "/v1/search", b"{}", caller="police"),
        await proxy.call("POST", "/v1/detect", b"{}", caller=None),
    ]
    proxy.upstream.stop_listening()
    for connection in proxy.upstream.connections:
        connection.close()
    answers.append(await proxy.call("POST", "/v1/detect", b"{}"))
    answers.append(await call(proxy.metrics_port, "GET", "/readyz"))
    await proxy.application.reload()
    upstream = proxy.application.upstream
    said = [repr(answer) for answer in answers]
    said += [proxy.audit_file.read_text("utf-8"), await proxy.metrics()]
    said += [JsonFormatter().format(record) + repr(record.__dict__) for record in caplog.records]
    said += [repr(upstream), repr(proxy.application), repr(proxy.application.settings)]
    said += [repr(vars(upstream.refreshed)) if upstream.refreshed is not None else ""]
    return "\n".join(said)


@pytest.mark.parametrize("kind", ["variable", "file", "by path", "command", "sigv4"])
async def test_a_credential_is_nowhere_but_on_its_way(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, aws: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    aws.setenv("AWS_ACCESS_KEY_ID", "AKID")
    aws.setenv("AWS_SECRET_ACCESS_KEY", MARK)
    aws.setenv("AWS_SESSION_TOKEN", f"session-{MARK}")
    settings = planted(tmp_path)[kind] | {
        "upstream_assertion_key_file": str(tmp_path / "assertion.pem"),
        "admin_listen": f"127.0.0.1:{free_port()}",
    }
    async with running_proxy(**settings) as proxy:
        said = await everything_said(proxy, caplog)
        sent = b"".join(connection.received for connection in proxy.upstream.connections)

    assert (MARK in said, KEY_LINES in said) == (False, False)
    assert MARK.encode() in sent


@pytest.mark.parametrize("kind", ["variable", "file", "by path", "command"])
@pytest.mark.parametrize("output", ["text", "json"])
def test_check_says_that_there_is_a_credential_and_not_which(
    tmp_path: Path, kind: str, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = write_settings(tmp_path, 1, TokenMint(), **planted(tmp_path)[kind])
    status = check.run(argparse.Namespace(output=output, offline=False), environ)
    said = "".join(capsys.readouterr())

    assert (status, "Authorization: ***" in said, MARK in said) == (0, True, False), said


def test_a_wrong_value_is_not_quoted_by_the_error_about_it(tmp_path: Path) -> None:
    environ = write_settings(tmp_path, 1, TokenMint(), upstream_auth="bearer", upstream_key=f"{MARK}\u00fc")

    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    assert caught.value.problems[0] == "MORATORIUM_UPSTREAM_KEY: it is not one line of printable ASCII"
    assert MARK not in str(caught.value)


def test_settings_show_secrets_as_stars(tmp_path: Path) -> None:
    settings = read_settings(
        write_settings(tmp_path, 1, TokenMint(), upstream_auth="bearer", upstream_key=MARK)
    )

    assert "upstream_key=***" in repr(settings)
    assert MARK not in repr(settings)
