"""Verbs as people call them: what is printed, and the exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from proxy.cli import main
from proxy.testing import TokenMint

ROOT = Path(__file__).parents[2]
POLICY = str(ROOT / "config/policies/amazon-2020.toml")
POLICE = '{"org_type": "police"}'


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("MORATORIUM_"):
            monkeypatch.delenv(name)


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(TokenMint().jwks()))
    path = tmp_path / "proxy.env"
    path.write_text(
        "MORATORIUM_UPSTREAM=http://127.0.0.1:1\n"
        "MORATORIUM_BACKEND=aws-rekognition\n"
        "MORATORIUM_JWT_ISSUER=https://issuer.test\n"
        "MORATORIUM_JWT_AUDIENCE=face-api\n"
        f"MORATORIUM_JWT_KEY_FILE={keys}\n"
        f"MORATORIUM_POLICY_FILE={POLICY}\n"
        f"MORATORIUM_AUDIT_FILE={tmp_path}/audit.ndjson\n"
    )
    return path


def explain(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object]]:
    code = main(["explain", "-o", "json", "--policy", POLICY, *words])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("at", "code", "reason"),
    [
        ("2020-06-10T06:59:59.999Z", 0, "outside-window"),
        ("2020-06-10T07:00:00Z", 1, "moratorium"),
        ("2035-01-01", 1, "moratorium"),
    ],
)
def test_explain_shows_the_decision_for_any_instant(
    capsys: pytest.CaptureFixture[str], at: str, code: int, reason: str
) -> None:
    found, report = explain(capsys, "--claims", POLICE, "--operation", "CompareFaces", "--at", at)

    assert (code, reason) == (found, report["reason"])


def test_explain_says_what_each_moratorium_says(capsys: pytest.CaptureFixture[str]) -> None:
    claims = '{"org_type": "police", "purpose": "missing-persons", "case_id": "MP-7"}'

    code, report = explain(capsys, "--claims", claims, "--operation", "compare,detect")

    assert code == 0
    (found,) = cast("list[dict[str, object]]", report["moratoria"])
    assert (found["says"], found["exemption"]) == ("exempt", "missing-persons")


def test_explain_reads_a_request_as_the_proxy_would(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    request = tmp_path / "request.txt"
    request.write_text(
        "POST / HTTP/1.1\nHost: x\nContent-Type: application/x-amz-json-1.1\n"
        "X-Amz-Target: RekognitionService.SearchFaces\n"
    )

    code, report = explain(capsys, "--claims", POLICE, "--request", str(request))

    assert (code, report["operation"]) == (1, "SearchFaces")


def test_explain_verifies_a_token_with_the_settings_keys(
    capsys: pytest.CaptureFixture[str], env_file: Path
) -> None:
    stranger = TokenMint().token("police")

    code = main(
        ["explain", "--env-file", str(env_file), "--token", stranger, "--operation", "compare", "-o", "json"]
    )

    assert code == 1
    assert json.loads(capsys.readouterr().out)["reason"] == "token-signature"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--claims", "{", "--operation", "compare"], "--claims: not JSON"),
        (["--claims", "[]", "--operation", "compare"], "--claims: a JSON object is expected"),
        (["--claims", POLICE, "--operation", "CompareFace"], "did you mean 'CompareFaces'?"),
        (["--claims", POLICE, "--operation", "compare", "--at", "soon"], "--at: 'soon' is not a date"),
        (["--claims", POLICE, "--request", "/nonexistent"], "--request: /nonexistent: No such file"),
    ],
)
def test_explain_says_what_is_wrong_with_its_words(
    capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    assert main(["explain", "--policy", POLICY, *words]) == 2
    assert expected in capsys.readouterr().err


def test_check_is_content_with_good_settings(capsys: pytest.CaptureFixture[str], env_file: Path) -> None:
    assert main(["check", "--env-file", str(env_file), "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"ok"} == {part["state"] for part in found if part["state"] != "warning"}


def test_check_warns_of_a_body_that_never_finds_room(
    capsys: pytest.CaptureFixture[str], env_file: Path
) -> None:
    settings = env_file.read_text()

    def warned(size: str) -> list[str]:
        env_file.write_text(f"{settings}MORATORIUM_MAX_BUFFERED_BYTES={size}\n")
        assert main(["check", "--env-file", str(env_file), "-o", "json"]) == 0
        return [p["says"] for p in json.loads(capsys.readouterr().out) if p["part"] == "limits"]

    (says,) = warned("15MiB")
    assert "MORATORIUM_MAX_BUFFERED_BYTES" in says
    assert warned("16MiB") == []


def test_check_reports_policy_and_keys_together_and_the_policy_decides_the_code(
    capsys: pytest.CaptureFixture[str], env_file: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("schema = 3\n")
    text = env_file.read_text().replace(POLICY, str(broken)).replace("keys.json", "nokeys.json")
    env_file.write_text(text)

    assert main(["check", "--env-file", str(env_file)]) == 3

    out = capsys.readouterr().out
    assert "3 found, 1 expected" in out
    assert "missing 'moratorium'" in out
    assert "No such file" in out


def with_issuers(env_file: Path, mints: dict[str, TokenMint], *more: str) -> Path:
    """Name several issuers, each with a key file, instead of the one; `more`: further tables."""
    folder = env_file.parent
    tables = list(more)
    for name, mint in mints.items():
        (folder / f"{name}.json").write_text(json.dumps(mint.jwks()))
        tables.append(
            f'[[issuer]]\nissuer = "{mint.issuer}"\nkey_file = "{name}.json"\naudiences = ["face-api"]\n'
        )
    (folder / "issuers.toml").write_text("schema = 1\n" + "\n".join(tables))
    lines = [line for line in env_file.read_text().splitlines() if "_JWT_" not in line]
    env_file.write_text("\n".join([*lines, f"MORATORIUM_ISSUERS_FILE={folder}/issuers.toml", ""]))
    return folder


def test_check_reports_each_issuer(capsys: pytest.CaptureFixture[str], env_file: Path) -> None:
    down = '[[issuer]]\nissuer = "down"\njwks_url = "http://127.0.0.1:1/"\naudiences = ["a"]\n'
    with_issuers(env_file, {"one": TokenMint("one"), "two": TokenMint("two")}, down + 'org_types = ["polic"]')

    code = main(["check", "--env-file", str(env_file), "-o", "json"])
    found = [part for part in json.loads(capsys.readouterr().out) if part["part"] in ("keys", "org_types")]

    assert code == 2
    assert [(part["part"], part["state"]) for part in found] == [
        ("keys", "wrong"), ("keys", "ok"), ("keys", "ok"), ("org_types", "warning"),
    ]  # fmt: skip
    assert found[0]["says"].startswith("down: http://127.0.0.1:1/: ")
    assert [part["says"] for part in found[1:3]] == ["1 usable keys of one", "1 usable keys of two"]
    assert "did you mean 'police'?" in found[3]["says"]

    assert main(["check", "--offline", "--env-file", str(env_file), "-o", "json"]) == 0
    assert {"state": "skipped", "part": "keys", "says": "offline: down"} in json.loads(
        capsys.readouterr().out
    )


def test_check_says_everything_that_is_wrong_with_issuers_and_their_files(
    capsys: pytest.CaptureFixture[str], env_file: Path
) -> None:
    folder = with_issuers(env_file, {"one": TokenMint("one"), "two": TokenMint("two")})
    (folder / "one.json").write_text("{}")
    (folder / "two.json").write_bytes(TokenMint().private_pem())

    assert main(["check", "--env-file", str(env_file)]) == 2
    out = capsys.readouterr().out
    assert "one.json: not a JWK set" in out
    assert "two.json: a private key does not belong here" in out

    (folder / "issuers.toml").write_text("schema = 1\n[[issuer]]\nissuer = 'x'\n")
    assert main(["check", "--env-file", str(env_file)]) == 2
    assert "issuers.toml:2: issuer[0]: missing 'audiences'" in capsys.readouterr().out


def test_explain_verifies_a_token_with_the_keys_of_the_issuer_that_it_names(
    capsys: pytest.CaptureFixture[str], env_file: Path
) -> None:
    one, two = TokenMint("one"), TokenMint("two", algorithm="ES256")
    swapped = TokenMint("two", key=one.key)
    down = '[[issuer]]\nissuer = "down"\njwks_url = "http://127.0.0.1:1/"\naudiences = ["face-api"]\n'
    with_issuers(env_file, {"one": one, "two": two}, down)

    def reason(mint: TokenMint) -> str:
        words = ["--token", mint.token("commercial"), "--operation", "compare", "-o", "json"]
        main(["explain", "--env-file", str(env_file), *words])
        return str(json.loads(capsys.readouterr().out)["reason"])

    assert [reason(mint) for mint in (one, two, swapped, TokenMint("down"), TokenMint("third"))] == [
        "not-bound", "not-bound", "token-signature", "keys-unavailable", "token-issuer",
    ]  # fmt: skip


@pytest.mark.parametrize("verb", ["serve", "check"])
def test_wrong_settings_end_with_2_and_name_the_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("MORATORIUM_UPSTREM", "http://x")

    assert main([verb]) == 2
    assert "did you mean 'MORATORIUM_UPSTREAM'?" in capsys.readouterr().err


def test_a_wrong_policy_ends_serve_with_3(
    capsys: pytest.CaptureFixture[str], env_file: Path, tmp_path: Path
) -> None:
    env_file.write_text(env_file.read_text().replace(POLICY, str(tmp_path / "nope.toml")))

    assert main(["serve", "--env-file", str(env_file)]) == 3
    assert "nope.toml: No such file" in capsys.readouterr().err


def test_a_real_variable_wins_over_the_env_file(
    capsys: pytest.CaptureFixture[str], env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MORATORIUM_MODE", "wrong")

    assert main(["check", "--env-file", str(env_file)]) == 2
    assert "'wrong' is not known" in capsys.readouterr().err


def test_token_makes_a_development_key_and_uses_it_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key, jwks = tmp_path / "key.pem", tmp_path / "jwks.json"
    words = ["token", "police", "--key", str(key), "--jwks", str(jwks)]

    assert main(words) == 0
    first = json.loads(jwks.read_text())
    assert main(words) == 0

    assert first == json.loads(jwks.read_text())
    assert key.stat().st_mode & 0o077 == 0
    assert capsys.readouterr().out.count(".") == 4


def test_backends_lists_every_operation_with_its_classes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backends", "-o", "json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["aws-rekognition"]["operations"]["IndexFaces"] == ["analyze", "detect", "enroll"]
    assert len(found["aws-rekognition"]["operations"]) == 75


def test_timeline_shows_what_is_in_force(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["timeline", "--policy", POLICY, "-o", "json"]) == 0

    (lane,) = json.loads(capsys.readouterr().out)["lanes"]
    assert (lane["now"], lane["spans"][-1]["until"]) == ("exempt-only", None)


@pytest.mark.parametrize("verb", [["backends"], ["backends", "deepface"], ["timeline", "--policy", POLICY]])
def test_tables_are_readable_when_piped(capsys: pytest.CaptureFixture[str], verb: list[str]) -> None:
    assert main(verb) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_healthcheck_fails_when_nothing_listens(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MORATORIUM_METRICS_LISTEN", "0.0.0.0:1")

    assert main(["healthcheck"]) == 1
    assert "127.0.0.1:1 does not answer" in capsys.readouterr().err


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "version"], capture_output=True, text=True, cwd=ROOT
    )

    assert done.returncode == 0
    assert done.stdout.startswith("moratorium ")


def test_it_refuses_to_start_under_another_package_called_proxy(tmp_path: Path) -> None:
    """PyPI's proxy.py installs into the same folder and replaces its __init__."""
    package = tmp_path / "proxy"
    package.mkdir()
    (package / "__init__.py").write_text(f"__path__.append({str(ROOT / 'proxy')!r})\n")

    done = subprocess.run(
        [sys.executable, "-c", "import sys; from proxy.cli import main; sys.exit(main(['serve']))"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert done.returncode == 2
    assert "another package called proxy" in done.stderr


def test_an_unknown_verb_is_bad_usage() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["enforce"])

    assert caught.value.code == 2
