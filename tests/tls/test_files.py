"""What is wrong with certificates, keys and authorities is found before anything is served."""

import json
from pathlib import Path

import pytest

from proxy.cli.main import main
from proxy.testing import TokenMint
from tests.harness.proxy import write_settings
from tests.tls.parts import ca_file, issue, write


def check(folder: Path, capsys: pytest.CaptureFixture[str], **overrides: str) -> tuple[int, dict[str, str]]:
    """Exit code of `moratorium check`, and what it says of each part."""
    settings = write_settings(folder, 1, TokenMint(), **overrides)
    env_file = folder / "test.env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), "utf-8")
    code = main(["check", "--env-file", str(env_file), "-o", "json"])
    found = json.loads(capsys.readouterr().out)
    return code, {part["part"]: f"{part['state']}: {part['says']}" for part in found}


def ours(folder: Path, *, expired: bool = False) -> dict[str, str]:
    files = write(folder, "proxy", issue("proxy.test", expired=expired))
    return {f"tls_{name}": file for name, file in files.items()}


def test_good_files_are_found_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, parts = check(tmp_path, capsys, **ours(tmp_path), tls_client_ca_file=ca_file(tmp_path))

    assert code == 0
    assert parts["tls"].startswith("ok: certificate valid until ")


def test_an_expired_certificate_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, parts = check(tmp_path, capsys, **ours(tmp_path, expired=True))

    assert code == 2
    assert parts["tls"] == "wrong: certificate valid until 2001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("upstream_ca_file", "MORATORIUM_UPSTREAM_CA_FILE: {}: no certificate or crl found"),
        ("tls_client_ca_file", "MORATORIUM_TLS_CLIENT_CA_FILE: {}: no certificate or crl found"),
    ],
)
def test_a_file_without_authorities_is_named(
    setting: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    overrides = {"UPSTREAM": "https://127.0.0.1:1", setting: str(empty)} | ours(tmp_path)
    code, parts = check(tmp_path, capsys, **overrides)

    assert code == 2
    assert parts["tls"] == "wrong: " + says.format(empty)


def test_a_key_nobody_may_read_or_find_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ours(tmp_path) | {"tls_key_file": str(tmp_path / "nowhere.key")}
    code, parts = check(tmp_path, capsys, **files)

    assert code == 2
    assert parts["tls"].startswith("wrong: MORATORIUM_TLS_CERT_FILE: ")
    assert parts["tls"].endswith("nowhere.key: No such file or directory")
