"""`moratorium bundle`: sign, verify and show, with the exit codes that scripts rely on."""

import asyncio
import json
from pathlib import Path

import pytest

from proxy.cli import main
from tests.distribution.publishing import Publisher, site

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "config/policies/amazon-2020.toml"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[str, str]:
    """Files with a private key and its public one."""
    publisher = Publisher()
    private, public = tmp_path / "publisher.key", tmp_path / "publisher.pem"
    private.write_bytes(publisher.private_pem())
    public.write_bytes(publisher.public_pem())
    return str(private), str(public)


@pytest.fixture
def bundle(tmp_path: Path, keys: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "policy.json"
    assert main(["bundle", "sign", "--key", keys[0], "--serial", "7", "--out", str(path), str(POLICY)]) == 0
    assert "signed serial 7, revision " in capsys.readouterr().err
    return path


def test_what_was_signed_verifies_and_tells_its_facts(
    bundle: Path, keys: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bundle", "verify", "--key", keys[1], "-o", "json", str(bundle)]) == 0

    facts = json.loads(capsys.readouterr().out)
    assert (facts["serial"], facts["files"], len(facts["revision"])) == (7, ["amazon-2020.toml"], 64)
    assert facts["moratoria"] == ["amazon-2020"]
    assert main(["bundle", "verify", "--key", keys[1], str(bundle)]) == 0
    assert "serial     7" in capsys.readouterr().out


def test_a_bundle_can_be_looked_into_without_a_key(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "show", str(bundle)]) == 0

    assert POLICY.read_text() in capsys.readouterr().out


def test_standard_output_is_the_bundle(keys: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "sign", "--key", keys[0], "--serial", "1", "--kid", "a", str(POLICY)]) == 0

    assert set(json.loads(capsys.readouterr().out)) == {"payload", "signature"}


def test_another_key_and_other_content_are_findings(
    bundle: Path, keys: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Publisher().public_pem())
    assert main(["bundle", "verify", "--key", str(other), str(bundle)]) == 1
    assert "of none of the keys" in capsys.readouterr().err

    bundle.write_bytes(b"{}")
    assert main(["bundle", "verify", "--key", keys[1], str(bundle)]) == 1
    assert main(["bundle", "show", str(bundle)]) == 1


def test_an_invalid_policy_is_neither_signed_nor_verified(
    keys: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("schema = 2\n")
    assert main(["bundle", "sign", "--key", keys[0], "--serial", "1", str(wrong), str(POLICY)]) == 3
    assert "wrong.toml" in capsys.readouterr().err

    publisher = Publisher()
    (tmp_path / "bad.json").write_bytes(publisher.bundle(1, "schema = 2\n").content)
    (tmp_path / "bad.pem").write_bytes(publisher.public_pem())
    assert main(["bundle", "verify", "--key", str(tmp_path / "bad.pem"), str(tmp_path / "bad.json")]) == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["sign", "--key", "none.key", "--serial", "1", str(POLICY)], "none.key: No such file"),
        (["sign", "--key", "PUBLIC", "--serial", "1", str(POLICY)], "not a PEM private key"),
        (["sign", "--key", "PRIVATE", "--serial", "0", str(POLICY)], "serial has to be"),
        (["sign", "--key", "PRIVATE", "--serial", "1", "--published", "now", str(POLICY)], "RFC 3339"),
        (["sign", "--key", "PRIVATE", "--serial", "1", str(POLICY), str(POLICY)], "two files are called"),
        (["verify", "--key", "PRIVATE", "b.json"], "a private key does not belong here"),
        (["verify", "--key", "PUBLIC", "b.json"], "b.json: No such file"),
        (["show", "b.json"], "b.json: No such file"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_2(
    words: list[str], says: str, keys: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"PRIVATE": keys[0], "PUBLIC": keys[1]}

    assert main(["bundle", *(files.get(word, word) for word in words)]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "code", "says"), [(200, 0, "serial 7, revision"), (500, 2, "status 500 instead of 200")]
)
def test_check_asks_the_address(
    status: int,
    code: int,
    says: str,
    bundle: Path,
    keys: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    env = tmp_path / "proxy.env"

    content = bundle.read_bytes()

    async def check() -> int:
        async with site() as there:
            there.content, there.status = content, status
            env.write_text(
                "MORATORIUM_UPSTREAM=http://127.0.0.1:1\nMORATORIUM_BACKEND=aws-rekognition\n"
                "MORATORIUM_JWT_ISSUER=https://issuer.test\nMORATORIUM_JWT_AUDIENCE=face-api\n"
                f"MORATORIUM_JWT_KEY_FILE={keys[1]}\nMORATORIUM_AUDIT_FILE={tmp_path}/audit.ndjson\n"
                f"MORATORIUM_POLICY_URL={there.url}\nMORATORIUM_POLICY_KEY_FILE={keys[1]}\n"
            )
            return await asyncio.to_thread(main, ["check", "-o", "json", "--env-file", str(env)])

    assert asyncio.run(check()) == code
    rows = json.loads(capsys.readouterr().out)
    (found,) = [row for row in rows if row["part"] == "policy" and row["state"] != "warning"]
    assert says in found["says"]
