"""Cases beside a policy: what passes, what fails, what is wrong with them, and what programs read of it."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import main
from proxy.cli.junit import CaseResult, Suite, junit
from proxy.policy.case_schema import as_json

ROOT = Path(__file__).parents[2]
POLICY = """
schema = 1
timezone = "America/Los_Angeles"
[vocabulary.circumstances]
camera = ["officer", "fixed"]
[[moratorium]]
id = "ban"
binds.org_types = ["police"]
covers.classes = ["compare"]
covers.media = ["live", "image"]
[[moratorium.window]]
id = "one-year"
start = 2020-06-10
end = 2021-06-10
[[moratorium.window]]
id = "for-good"
start = 2020-06-10
recorded = 2021-05-18
replaces = ["one-year"]
[[moratorium.exemption]]
id = "warrant"
obligations = ["human-review", "notice"]
evidence = [{ types = ["warrant"], max_age = "24h" }]
limit = { uses = 1 }
"""
CASES = """
schema = 1
[[case]]
name = "police is blocked from the first instant"
at = 2020-06-10
claims = { org_type = "police" }
operation = "CompareFaces"
want = { decision = "blocked", reason = "moratorium", rule = "ban", exemption = false, until = false }
[[case]]
name = "and not before"
at = 2020-06-10T06:59:59.999Z
claims = { org_type = "police" }
operation = "CompareFaces"
want = { decision = "allowed", reason = "outside-window", holds_until = 2020-06-10T07:00:00Z }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ban.toml").write_text(POLICY)
    (tmp_path / "ban.cases.toml").write_text(CASES)
    return tmp_path


def case(folder: Path, *lines: str, head: str = "schema = 1") -> Path:
    """A file with one case."""
    usual = {
        "name": '"a case"', "at": "2021-01-01", "claims": '{ org_type = "police" }',
        "operation": '"CompareFaces"', "want": '{ decision = "blocked" }',
    }  # fmt: skip
    given = dict(line.split(" = ", 1) for line in lines)
    body = "\n".join(f"{key} = {value}" for key, value in (usual | given).items() if value != "none")
    path = folder / "ban.cases.toml"
    path.write_text(f"{head}\n[[case]]\n{body}\n")
    return path


def judged(capsys: pytest.CaptureFixture[str], path: Path) -> tuple[int, dict[str, Any]]:
    code = main(["test", "-o", "json", str(path)])
    return code, json.loads(capsys.readouterr().out)


def test_the_shipped_policies_pass_their_cases(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = judged(capsys, ROOT / "config/policies")

    assert code == 0
    assert report["failed"] == 0
    assert {Path(f["file"]).name for f in report["files"]} == {
        f"{path.stem}.cases.toml"
        for path in (ROOT / "config/policies").glob("*.toml")
        if not path.name.endswith(".cases.toml")
    }


def test_a_file_of_cases_is_about_the_policy_of_its_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = judged(capsys, folder / "ban.cases.toml")

    assert (code, report["cases"], report["failed"]) == (0, 2, 0)


def test_cases_are_looked_for_beside_the_settings_policies(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MORATORIUM_POLICY_FILE", str(folder / "ban.toml"))

    assert main(["test"]) == 0
    assert "ban.cases.toml  2      none" in capsys.readouterr().out


def test_without_settings_the_files_must_be_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MORATORIUM_POLICY_FILE", raising=False)

    assert main(["test"]) == 2
    assert "MORATORIUM_POLICY_FILE" in capsys.readouterr().err


def test_a_failure_shows_what_was_wanted_and_what_was_found(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = case(
        folder, 'want = { decision = "allowed", rule = false, until = 2021-06-10, org_type = "police" }'
    )

    assert main(["test", str(path)]) == 4
    told = capsys.readouterr().out
    assert f"{path}:2: a case" in told
    assert "  decision\n    - allowed\n    + blocked\n" in told
    assert "  rule\n    - none\n    + ban\n" in told
    assert "  until\n    - 2021-06-10T07:00:00Z\n    + none\n" in told
    assert "org_type" not in told


EVIDENCE = (
    'claims = { org_type = "police", authorization_details = '
    '[{ type = "warrant", id = "W-1", issued_at = 2020-12-31T12:00:00Z }] }'
)


@pytest.mark.parametrize(
    ("lines", "want"),
    [
        (["known_at = 2021-05-17"], 'until = "2021-06-10T00:00:00-07:00"'),
        (["known_at = 2021-05-18"], "until = false"),
        (["known_at = 2020-01-01", "at = 2021-07-01"], 'reason = "outside-window"'),
        ([EVIDENCE], 'reason = "exempt", exemption = "warrant", obligations = ["notice", "human-review"]'),
        ([EVIDENCE, "used_up = true"], 'reason = "moratorium", exemption = false, obligations = []'),
        (["operation = none", 'classes = ["compare"]', 'media = ["stored-video"]'], 'reason = "not-covered"'),
        (["operation = none", 'classes = ["compare"]', 'media = ["live"]'], 'reason = "moratorium"'),
        (['operation = "MyOwn"', 'classes = ["analyze"]', 'traits = ["age"]'], 'reason = "not-covered"'),
        (['operation = "unknown"'], 'decision = "rejected", reason = "operation-unknown", rule = "ban"'),
        (['operation = "unknown"', 'claims = { org_type = "press" }', 'unknown_operation = "allow"'],
         'reason = "unknown-operation-allowed", rule = false'),
        (['mode = "shadow"'], 'reason = "shadow-blocked"'),
        (['claims = { org_type = "Police" }'], 'decision = "rejected", reason = "org-type-unknown"'),
        (["claims = { }"], 'decision = "rejected", reason = "token-claims"'),
        (['claims = { org_type = "police", camera = "worn" }'], 'decision = "rejected"'),
        (['backend = "somebody-elses"', 'classes = ["compare"]'], 'reason = "moratorium"'),
    ],
)  # fmt: skip
def test_a_case_can_ask_for(
    folder: Path, capsys: pytest.CaptureFixture[str], lines: list[str], want: str
) -> None:
    code, report = judged(capsys, case(folder, *lines, f"want = {{ {want} }}"))

    assert report["files"][0]["cases"][0]["differences"] == []
    assert code == 0


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            ['want = { decison = "blocked" }'],
            "3: case[0].want: unknown key 'decison'; did you mean 'decision'?",
        ),
        (["want = { }"], "case[0].want: "),
        (['want = { reason = "moratorum" }'], "'moratorum' is not known; did you mean 'moratorium'?"),
        (["at = 2021"], "case[0].at: 2021 is not of type string"),
        (['at = "soon"'], "case[0].at: 'soon' is not a date"),
        (['want = { until = "soon" }'], "case[0].want.until: 'soon' is not a date"),
        (['operation = "CompareFace"'], "'CompareFace' is not in the table of aws-rekognition; did you mean"),
        (["operation = none"], "asks for nothing: name an operation or classes"),
        (['media = ["live"]'], "case[0].media: an operation of the backend has its own"),
        (['backend = "somebody-elses"'], "the operations of 'somebody-elses' are not known here"),
    ],
)
def test_what_is_wrong_with_a_case_is_said_with_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str], lines: list[str], says: str
) -> None:
    assert main(["test", str(case(folder, *lines))]) == 2
    told = capsys.readouterr().err
    assert "ban.cases.toml" in told
    assert says.removeprefix("3: ") in told


def test_problems_of_all_files_are_told_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "one.cases.toml").write_text("schema = 2\ncase = []\n")
    (folder / "two.cases.toml").write_text("schema = \n")
    (folder / "ban.cases.toml").write_text(CASES + CASES.partition("schema = 1")[2])

    assert main(["test", str(folder)]) == 2
    told = capsys.readouterr().err
    for words in (
        "one.cases.toml:1: schema: 2 found, 1 expected",
        "two.cases.toml: not valid TOML",
        "used twice",
    ):
        assert words in told


def test_a_wrong_policy_is_another_matter(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "ban.toml").write_text(POLICY.replace('"police"', '"polise"'))
    (folder / "gone.cases.toml").write_text(CASES)

    assert main(["test", str(folder)]) == 3
    told = capsys.readouterr().err
    assert "'polise' is not in the vocabulary; did you mean 'police'?" in told
    assert "gone.toml: No such file" in told


def test_what_no_case_touches_is_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = judged(capsys, folder)

    assert code == 0
    assert report["coverage"]["ban.toml"] == {
        "total": 4,
        "untouched": [
            {
                "moratorium": "ban", "exemption": None,
                "says": "end of one-year, 2021-06-10T07:00:00Z: no case at it and none in the day before it",
            },
            {"moratorium": "ban", "exemption": "warrant", "says": "no case is exempt by it"},
        ],
    }  # fmt: skip


def test_an_edge_that_was_replaced_is_touched_by_what_was_known_then(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    end = """
[[case]]
name = "{0}"
at = {0}
{1}
claims = {{ org_type = "police" }}
operation = "CompareFaces"
want = {{ rule = "ban" }}
"""
    gaps = []
    for known in ("", "known_at = 2021-05-01"):
        before, after = end.format("2021-06-10T06:00:00Z", known), end.format("2021-06-10T07:00:00Z", known)
        (folder / "ban.cases.toml").write_text(CASES + before + after)
        gaps.append(
            [gap["says"][:15] for gap in judged(capsys, folder)[1]["coverage"]["ban.toml"]["untouched"]]
        )

    assert gaps == [["end of one-year", "no case is exem"], ["no case is exem"]]


def test_coverage_is_for_people_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(folder), "--coverage", "--verbose"]) == 0
    told = capsys.readouterr().out
    assert "ban/warrant  no case is exempt by it" in told
    assert "police is blocked from the first instant" in told
    assert "2 of 4 moratoria, exemptions and edges" in told


def test_programs_read_junit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "results.xml"
    case(folder, 'want = { decision = "allowed" }', 'name = "<&> \\u0007 \\"é\\" ]]>"')

    assert main(["test", str(folder), "--junit", str(out)]) == 4
    capsys.readouterr()
    root = ET.parse(out).getroot()  # noqa: S314  (we wrote it)
    assert (root.tag, root.attrib["tests"], root.attrib["failures"]) == ("testsuites", "1", "1")
    (suite,) = root
    assert (suite.tag, suite.attrib["name"], suite.attrib["failures"]) == ("testsuite", "ban", "1")
    (found,) = suite
    assert found.attrib["name"] == '<&> \N{REPLACEMENT CHARACTER} "é" ]]>'
    assert (found.attrib["classname"], found.attrib["line"]) == ("ban", "2")
    assert float(found.attrib["time"]) >= 0
    (failure,) = found
    assert failure.tag == "failure"
    assert failure.text is not None
    assert failure.text.startswith("decision: wanted allowed, found blocked")


def test_junit_counts_by_suite_and_in_all() -> None:
    good, bad = (
        CaseResult("a", "f", 1, 0.5, None),
        CaseResult("b", "f", None, 0.25, "reason: wanted x, found y"),
    )

    root = ET.fromstring(junit([Suite("one", [good, bad]), Suite("two", [good])]))  # noqa: S314  (we wrote it)

    counts = [(e.attrib["tests"], e.attrib["failures"], float(e.attrib["time"])) for e in (root, *root)]
    assert counts == [("3", "1", 1.25), ("2", "1", 0.75), ("1", "0", 0.5)]
    assert "line" not in root[0][1].attrib


def test_the_schema_that_editors_read_is_the_one_that_is_checked() -> None:
    assert (ROOT / "config/cases.schema.json").read_text("utf-8") == as_json()
