"""`moratorium explain` as people call it: what is printed, what is in the JSON, and the exit code."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import main
from proxy.testing import TokenMint

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "config/policies"
AMAZON, BOSTON, VIRGINIA = (str(FOLDER / f"{n}.toml") for n in ("amazon-2020", "us-boston", "us-va"))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("MORATORIUM_"):
            monkeypatch.delenv(name)


def asked(capsys: pytest.CaptureFixture[str], *words: str, code: int, **claims: Any) -> dict[str, Any]:
    """The report, of a call to CompareFaces by default."""
    what = () if "--request" in words else ("--operation", "CompareFaces")
    assert main(["explain", "-o", "json", "--claims", json.dumps(claims), *what, *words]) == code
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def printed(capsys: pytest.CaptureFixture[str], *words: str, **claims: Any) -> str:
    main(["explain", "--claims", json.dumps(claims), "--operation", "CompareFaces", *words])
    return " ".join(capsys.readouterr().out.split())


def test_several_policies_are_asked_at_once_and_each_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    report = asked(
        capsys, "--policy", AMAZON, "--policy", BOSTON, VIRGINIA, "--at", "2025-01-01",
        code=1, org_type="police", jurisdiction="US-MA-BOS",
    )  # fmt: skip

    assert {one["moratorium"]: one["says"] for one in report["moratoria"]} == {
        "amazon-2020": "moratorium",
        "us-boston": "moratorium",
        "us-va": "outside-jurisdiction",
    }
    virginia = report["moratoria"][2]
    assert [step["kind"] for step in virginia["asks"] if not step["met"]] == ["place"]
    (redaction,) = [c for c in report["changes"] if c["exemption"] == "evidence-of-a-crime"]
    assert redaction["still_blocked_by"] == ["amazon-2020"]


def test_a_folder_of_policies_is_read_without_the_cases_beside_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = asked(capsys, "--policy", str(FOLDER), "--at", "2025-03-01", code=1, org_type="police")

    assert len(report["moratoria"]) >= 20


def test_what_was_known_on_a_day_decides_for_that_day(capsys: pytest.CaptureFixture[str]) -> None:
    before = ("--policy", AMAZON, "--at", "2021-07-01", "--known-at", "2021-05-17")
    after = ("--policy", AMAZON, "--at", "2021-07-01", "--known-at", "2021-05-18")

    assert asked(capsys, *before, code=0, org_type="police")["reason"] == "outside-window"
    report = asked(capsys, *after, code=1, org_type="police")
    assert (report["reason"], report["known_at"]) == ("moratorium", "2021-05-18T07:00:00Z")
    assert [entry["replaced_by"] for entry in report["moratoria"][0]["history"]] == [
        "until-further-notice", None,
    ]  # fmt: skip


def test_a_date_is_midnight_where_the_policy_is(capsys: pytest.CaptureFixture[str]) -> None:
    report = asked(capsys, "--policy", AMAZON, "--at", "2020-06-10", code=1, org_type="police")

    assert report["at"] == "2020-06-10T07:00:00Z"


def test_the_relation_by_which_an_organisation_is_bound_is_named_and_no_id_that_no_policy_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = asked(
        capsys, "--policy", BOSTON, "--at", "2025-01-01", code=1, org_type="commercial", org_id="secret-id",
        on_behalf_of={"org_type": "government", "org_id": "city-of-boston", "jurisdiction": "US-MA-BOS"},
    )  # fmt: skip

    (bound,) = report["moratoria"][0]["bound"]
    assert report["relation"] == "on-behalf-of"
    assert bound == {
        "relation": "on-behalf-of",
        "org_types": ["government"],
        "org_id": "city-of-boston",
        "jurisdiction": "US-MA-BOS",
    }
    assert "secret-id" not in json.dumps(report)


def test_when_it_changes_by_itself_says_what_happens_then(capsys: pytest.CaptureFixture[str]) -> None:
    claims: dict[str, Any] = {
        "org_type": "police", "jurisdiction": "US-VA", "purpose": "human-trafficking", "case_id": "x",
        "authorization_details": [{"type": "certification", "id": "c", "issued_at": 1600000000}],
    }  # fmt: skip
    words = ("--policy", VIRGINIA, "--at", "2026-01-01")

    report = asked(capsys, *words, code=0, **claims)
    text = printed(capsys, *words, **claims)

    assert (report["reason"], report["exemption"]) == ("exempt", "trafficking")
    assert report["by_itself"] == [
        {
            "at": "2026-07-01T04:00:00Z",
            "decision": "blocked",
            "reason": "moratorium",
            "rule": "us-va",
            "exemption": None,
        }
    ]
    assert "2026-07-01T04:00:00Z: blocked (moratorium, us-va)" in text


def test_the_text_says_why_what_would_change_it_and_that_time_will_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = printed(capsys, "--policy", AMAZON, "--at", "2025-01-01", org_type="police", purpose="other")

    assert text.startswith("BLOCKED moratorium A moratorium in force binds the caller")
    assert "✓ an organisation whose type is police bound as self" in text
    assert "✗ needs a purpose that is missing-persons" in text
    assert (
        "amazon-2020 would allow it by exemption missing-persons with a purpose that is missing-persons"
        " and with a case number" in text
    )
    assert "one-year: enacted, from 2020-06-10T07:00:00Z until 2021-06-10T07:00:00Z" in text
    assert "replaced by until-further-notice" in text
    assert "never, for the same call and the same policy" in text


def test_the_text_of_an_allowed_call_says_what_would_block_it(capsys: pytest.CaptureFixture[str]) -> None:
    exempt = printed(
        capsys, "--policy", AMAZON, "--known-at", "2021-01-01", "--at", "2021-01-01",
        org_type="police", purpose="missing-persons", case_id="7",
    )  # fmt: skip
    unbound = printed(capsys, "--policy", str(FOLDER), "--at", "2019-01-01", org_type="press")

    assert "would block it without a purpose that is missing-persons or without a case number" in exempt
    assert "not known then" in exempt
    assert "2021-06-10T07:00:00Z: allowed (outside-window, amazon-2020)" in exempt
    assert "amazon-2020 would block it with an organisation whose type is police and with a time" in unbound
    assert "more: -o json has them all" in unbound


def test_a_block_that_ends_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        "schema = 1\n[[moratorium]]\nid = 'ban'\nbinds.org_types = ['police']\ncovers.classes = ['compare']\n"
        "[[moratorium.window]]\nend = 2030-01-01\n"
    )
    text = printed(capsys, "--policy", str(path), "--at", "2025-01-01", org_type="police")

    assert "ban would allow it once its windows are over" in text
    assert "2030-01-01T00:00:00Z: allowed (outside-window, ban)" in text


def test_a_limited_exemption_is_asked_for_every_call(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        "schema = 1\n[[moratorium]]\nid = 'ban'\nbinds.org_types = ['police']\ncovers.classes = ['compare']\n"
        "[[moratorium.exemption]]\nid = 'e'\npurposes = ['redaction']\n"
        "limit = { uses = 2, by = 'organisation' }\n"
    )
    claims = {"org_type": "police", "purpose": "redaction", "org_id": "pd"}

    assert "the uses of the exemption are counted" in printed(capsys, "--policy", str(path), **claims)


def test_no_moratorium_leaves_nothing_to_change(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text("schema = 1\nmoratorium = []\n")

    assert "nothing: there is no moratorium" in printed(capsys, "--policy", str(path), org_type="police")


def test_moratoria_about_other_backends_are_left_out_and_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        "schema = 1\n[[moratorium]]\nid = 'ban'\nbackends = ['deepface']\nbinds.org_types = ['police']\n"
        "covers.classes = ['compare']\n"
    )

    here = asked(capsys, "--policy", str(path), code=0, org_type="police")
    there = asked(
        capsys, "--policy", str(path), "--backend", "deepface", "--operation", "compare",
        code=1, org_type="police",
    )  # fmt: skip

    assert (here["moratoria"], here["about_other_backends"]) == ([], ["ban"])
    assert there["about_other_backends"] == []


def test_a_refused_token_is_not_explained_by_moratoria(capsys: pytest.CaptureFixture[str]) -> None:
    report = asked(capsys, "--policy", AMAZON, code=1, org_type="polic")

    assert (report["reason"], report["status"], report["moratoria"]) == ("org-type-unknown", 403, [])
    assert "What would change" not in printed(capsys, "--policy", AMAZON, org_type="polic")


def test_an_operation_that_is_not_in_the_table_is_judged_as_such(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    request = tmp_path / "request"
    request.write_text("GET / HTTP/1.1\nHost: x\n")
    words = ("--policy", AMAZON, "--at", "2025-01-01", "--request", str(request))

    report = asked(capsys, *words, code=1, org_type="police")

    assert report["moratoria"][0]["says"] == "operation-unknown"
    assert "nobody can say what it does" in report["moratoria"][0]["asks"][1]["why"]


@pytest.mark.parametrize(("actions", "code"), [('["age"]', 0), ('["emotion"]', 1)])
def test_explain_reads_the_body_where_it_decides(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, actions: str, code: int
) -> None:
    (tmp_path / "policy.toml").write_text(
        'schema = 1\n[[moratorium]]\nid = "no-emotions"\ntitle = "t"\nbinds.everyone = true\n'
        'covers.classes = ["analyze"]\ncovers.traits = ["emotion"]\n'
    )
    (tmp_path / "request").write_text(
        f'POST /analyze HTTP/1.1\nHost: x\nContent-Type: application/json\n\n{{"actions": {actions}}}\n'
    )
    words = ("--policy", str(tmp_path / "policy.toml"), "--request", str(tmp_path / "request"))

    asked(capsys, *words, "--backend", "deepface", code=code, org_type="commercial")


def test_a_call_ends_with_its_token(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mint = TokenMint()
    (tmp_path / "keys.json").write_text(json.dumps(mint.jwks()))
    path = tmp_path / "env"
    path.write_text(
        "MORATORIUM_UPSTREAM=http://127.0.0.1:1\nMORATORIUM_BACKEND=aws-rekognition\n"
        f"MORATORIUM_JWT_ISSUER={mint.issuer}\nMORATORIUM_JWT_AUDIENCE=face-api\n"
        f"MORATORIUM_JWT_KEY_FILE={tmp_path}/keys.json\nMORATORIUM_POLICY_FILE={AMAZON}\n"
        f"MORATORIUM_AUDIT_FILE=-\n"
    )
    words = ["explain", "--env-file", str(path), "--operation", "compare", "--token", mint.token("police")]

    assert main(words) == 1
    text = capsys.readouterr().out
    assert main([*words, "-o", "json"]) == 1
    (turn,) = json.loads(capsys.readouterr().out)["by_itself"]

    assert (turn["decision"], turn["reason"]) == ("rejected", "token-expired")
    assert f"{turn['at']}: rejected (token-expired)" in text


def test_settings_are_read_as_they_are_with_their_mode_and_what_was_known(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "env"
    path.write_text(
        "MORATORIUM_UPSTREAM=http://127.0.0.1:1\nMORATORIUM_BACKEND=aws-rekognition\nMORATORIUM_MODE=shadow\n"
        "MORATORIUM_JWT_ISSUER=i\nMORATORIUM_JWT_AUDIENCE=a\nMORATORIUM_JWT_JWKS_URL=https://127.0.0.1/\n"
        f"MORATORIUM_POLICY_FILE={AMAZON}\nMORATORIUM_AUDIT_FILE=-\n"
    )
    words = ("--env-file", str(path), "--at", "2021-07-01")

    assert asked(capsys, *words, code=0, org_type="police")["reason"] == "shadow-blocked"
    known = asked(capsys, *words, "--known-at", "2021-01-01", code=0, org_type="police")
    assert known["reason"] == "outside-window"


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["--policy", AMAZON, "--known-at", "once"], 2, "--known-at: 'once' is not a date"),
        (["--policy", "/nonexistent"], 3, "/nonexistent: No such file"),
        (["--policy", "/nonexistent", str(ROOT / "README.md")], 3, "README.md: not valid TOML"),
    ],
)
def test_words_that_cannot_be_read_are_named(
    capsys: pytest.CaptureFixture[str], words: list[str], code: int, expected: str
) -> None:
    assert main(["explain", "--claims", '{"org_type": "police"}', "--operation", "compare", *words]) == code
    assert expected in capsys.readouterr().err


def test_a_folder_without_policies_is_no_policy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--claims", '{"org_type": "police"}', "--operation", "compare", "--policy", str(tmp_path)]

    assert main(["explain", *words]) == 3
    assert "no policy file" in capsys.readouterr().err
