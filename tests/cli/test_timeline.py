"""`moratorium timeline` as people call it: the chart, the drawing, and the values."""

import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from proxy.cli import main
from proxy.cli.chart import DAY, Chart, Scale, chart_of, in_terminal, ticks
from proxy.policy.document import build, parse
from proxy.policy.timeline import timeline

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "config/policies"
PICTURE = ROOT / "docs/images/timeline.svg"
SVG = "{http://www.w3.org/2000/svg}"

POLICY = """schema = 1
timezone = "Europe/Berlin"
[[moratorium]]
id = "city"
title = "A city & <more>"
binds.org_types = ["police", "government"]
covers.classes = ["compare"]
[[moratorium.window]]
id = "first"
end = 2021-01-01
[[moratorium.window]]
id = "short"
start = 2022-06-01
end = 2023-01-01
recorded = 2022-01-01
[[moratorium.window]]
id = "second"
start = 2022-06-01
end = 2030-01-01
recorded = 2022-12-01
replaces = ["short"]
[[moratorium.exemption]]
id = "government"
org_types = ["government"]
start = 2024-01-01
[[moratorium.exemption]]
id = "missing"
purposes = ["missing-persons"]
end = 2023-05-01
[[moratorium]]
id = "trial"
mode = "shadow"
binds.everyone = true
covers.classes = ["*"]
[[moratorium.window]]
start = 2023-01-01T10:30:00
places = ["US-CA"]
"""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("MORATORIUM_"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "p.toml"
    path.write_text(POLICY)
    return str(path)


def values(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["timeline", "-o", "json", "--at", "2025-01-01", *words]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def text(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["timeline", "--at", "2025-01-01", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_values_have_lanes_gaps_history_and_what_comes_next(
    capsys: pytest.CaptureFixture[str], policy: str
) -> None:
    report = values(capsys, "--policy", policy)

    assert [(lane["who"], lane["now"]) for lane in report["lanes"]] == [
        ("government", "exempt"), ("police", "blocked"), ("everyone", "shadow"),
    ]  # fmt: skip
    police = report["lanes"][1]
    assert [span["state"] for span in police["spans"]] == ["exempt-only", "exempt-only", "blocked"]
    assert police["gaps"] == [{"from": "2020-12-31T23:00:00Z", "until": "2022-05-31T22:00:00Z"}]
    assert [(past["window"], past["replaced_by"]) for past in police["history"]] == [("short", "second")]
    assert report["next"][0]["at"] == "2029-12-31T23:00:00Z"
    assert report["overlaps"] == []
    assert report["lanes"][2]["spans"][0]["places"] == ["US-CA"]


def test_overlaps_and_the_exemptions_that_end_are_values_too(capsys: pytest.CaptureFixture[str]) -> None:
    report = values(capsys, "--policy", *(str(FOLDER / f"{n}.toml") for n in ("amazon-2020", "us-va")))

    assert report["overlaps"] == [
        {
            "from": "2021-07-01T04:00:00Z",
            "until": None,
            "moratoria": ["amazon-2020", "us-va"],
            "who": ["police"],
            "classes": ["compare", "enroll", "search", "template"],
        }
    ]
    assert len(report["next"][0]["exemptions_ended"]) == 4


def test_lanes_are_those_of_the_types_and_classes_that_are_asked_for(
    capsys: pytest.CaptureFixture[str], policy: str
) -> None:
    def lanes(*words: str) -> list[tuple[str, str]]:
        return [
            (lane["moratorium"], lane["who"]) for lane in values(capsys, "--policy", policy, *words)["lanes"]
        ]

    assert lanes("--org-type", "press") == [("trial", "press")]
    assert lanes("--org-type", "police") == [("city", "police"), ("trial", "police")]
    assert lanes("--class", "detect") == [("trial", "everyone")]


def test_what_was_known_on_a_day_is_what_counts(capsys: pytest.CaptureFixture[str], policy: str) -> None:
    (lane, *_) = values(capsys, "--policy", policy, "--known-at", "2022-02-01", "--org-type", "police")[
        "lanes"
    ]

    assert lane["spans"][-1]["until"] == "2022-12-31T23:00:00Z"
    assert [(past["window"], past["known"]) for past in lane["history"]] == [("second", False)]


def test_the_chart_shows_each_state_the_history_and_a_legend(
    capsys: pytest.CaptureFixture[str], policy: str
) -> None:
    lines = text(capsys, "--policy", policy)

    assert {"2021", "2029"} <= {*lines[0].split()}
    rows = {line.split("  ")[0]: line for line in lines[1:6]}
    assert re.fullmatch(r"city  government +▓+ +▓+█+·+│·+ *", lines[1])
    assert re.fullmatch(r"  short +╌+", lines[2])
    assert re.fullmatch(r"city  police +▓+ +▓+█+│█+ *", lines[3])
    assert re.fullmatch(r"trial  everyone +░+│░+", rows["trial"])
    assert "blocked unless exempt" in " ".join(lines)
    assert "  2030-01-01  city, police: blocked → not in force" in lines
    assert "  city, police: 2021-01-01 to 2022-06-01" in lines


def test_the_chart_is_as_wide_as_it_may_be(capsys: pytest.CaptureFixture[str], policy: str) -> None:
    drawn = chart(POLICY)
    for width in (40, 80, 200):
        assert max(len(line) for line in list(in_terminal(drawn, width))[:5]) <= width


def chart(source: str, **scale: float) -> Chart:
    found = timeline(build(parse(source, "p")))
    return chart_of(found, 1_735_700_000.0, {"city": ZoneInfo("Europe/Berlin")}, **scale)


def test_a_long_name_is_cut_and_a_long_list_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    lines = text(capsys, "--policy", str(FOLDER))

    assert any("…  " in line for line in lines)
    assert lines[-1].startswith("  and ")


def test_an_exemption_that_ends_within_a_moratorium_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    said = " ".join(text(capsys, "--policy", str(FOLDER / "us-va.toml")))

    assert "2026-07-01  us-va, police, campus: exemptions reasonable-suspicion, person-in-need" in said


def test_an_edge_that_changes_nothing_is_the_next_window(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        "schema = 1\n[[moratorium]]\nid = 'ban'\nbinds.org_types = ['police']\ncovers.classes = ['compare']\n"
        "window = [{ end = 2030-01-01 }, { start = 2030-01-01, end = 2031-01-01 }, { start = 2032-01-01 }]\n"
        "[[moratorium.exemption]]\nid = 'e'\nrequires_case = true\nstart = 2030-06-01\n"
    )
    said = text(capsys, "--policy", str(path))

    assert "  2030-01-01  ban, police: the next window takes over" in said
    assert "  2030-06-01  ban, police: blocked → blocked unless exempt; exemption e begins" in said


def test_nothing_that_is_asked_for_is_said_in_words(capsys: pytest.CaptureFixture[str], policy: str) -> None:
    only = text(capsys, "--policy", policy, "--org-type", "press", "--class", "erase")

    assert only == ["no moratorium is about these"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--org-type", "polic"], "did you mean 'police'?"),
        (["--class", "compar"], "did you mean 'compare'?"),
        (["--from", "2025-01-01", "--to", "2024-01-01"], "--from must be before --to"),
        (["--from", "soon"], "--from: 'soon' is not a date"),
        (["--svg", "/nonexistent/file"], "--svg: /nonexistent/file: No such file"),
    ],
)
def test_words_that_cannot_be_meant_are_named(
    capsys: pytest.CaptureFixture[str], policy: str, words: list[str], expected: str
) -> None:
    assert main(["timeline", "--policy", policy, *words]) == 2
    assert expected in capsys.readouterr().err


# ---------------------------------------------------------------- ticks


@pytest.mark.parametrize(
    ("days", "most", "expected"),
    [
        (3, 6, ["01-02", "01-03"]),
        (20, 5, ["01-02", "01-09", "01-16"]),
        (20, 12, ["01-03", "01-05", "01-07"]),
        (80, 6, ["2020-01", "2020-02", "2020-03"]),
        (3000, 10, ["2020", "2021", "2022"]),
        (30000, 10, ["2020", "2030", "2040"]),
    ],
)
def test_ticks_are_round_and_few(days: float, most: int, expected: list[str]) -> None:
    start = 1_577_836_800.0  # 2020-01-01

    found = ticks(Scale(start + (DAY / 2 if days < 30 else 0), start + days * DAY), most)

    assert [words for _, words in found][: len(expected)] == expected
    assert len(found) <= most


def test_ticks_end_with_the_calendar() -> None:
    assert ticks(Scale(253_370_764_800.0, 253_500_000_000.0), 10)  # the year 9999


# ---------------------------------------------------------------- the drawing


def drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path, *words: str) -> ElementTree.Element:
    path = tmp_path / "drawing.svg"
    assert main(["timeline", "--at", "2025-01-01", "--svg", str(path), *words]) == 0
    assert capsys.readouterr().out == ""
    return ElementTree.fromstring(path.read_text("utf-8"))  # noqa: S314  (our own)


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def test_the_drawing_has_a_title_a_description_and_the_names_of_all(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, policy: str
) -> None:
    root = drawn(capsys, tmp_path, "--policy", policy)

    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "title desc")
    described = root.findtext(f"{SVG}desc") or ""
    assert "city, government: blocked unless exempt ever to 2021-01-01;" in described
    assert (
        "trial, everyone: shadow: lets through and counts 2023-01-01 10:30 until further notice" in described
    )
    said = " ".join(texts(root))
    for words in (
        "city",
        "trial",
        "government",
        "Next",
        "blocked unless exempt",
        "replaced by second",
        "now, 2025",
    ):
        assert words in said
    hints = [title.text or "" for title in root.iter(f"{SVG}title")]
    assert "A city & <more>" in hints
    assert any(hint.endswith("; in US-CA") for hint in hints)
    assert any("; exemptions: missing" in hint for hint in hints)


def test_the_drawing_needs_nothing_from_elsewhere(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, policy: str
) -> None:
    root = drawn(capsys, tmp_path, "--policy", policy)
    source = ElementTree.tostring(root, "unicode")

    assert set(re.findall(r"https?://[^\"' ]+", source)) == {"http://www.w3.org/2000/svg"}
    assert not any(element.tag in (f"{SVG}image", f"{SVG}script") for element in root.iter())
    assert "prefers-color-scheme: dark" in source
    used = set(re.findall(r"url\(#([a-z-]+)\)", source))
    assert used == {pattern.get("id") for pattern in root.iter(f"{SVG}pattern")}


def test_all_that_is_drawn_lies_within_the_drawing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root = drawn(capsys, tmp_path, "--policy", str(FOLDER))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))

    for element in root:
        x, y = float(element.get("x", 0)), float(element.get("y", 0))
        assert 0 <= x <= width
        assert 0 <= y <= height
    said = " ".join(texts(root))
    assert "amazon-2020" in said
    assert "and 1" in said  # of many overlaps


@pytest.mark.parametrize("name", ["amazon-2020", "us-neworleans"])
def test_a_part_of_time_can_be_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    words = ("--policy", str(FOLDER / f"{name}.toml"), "--from", "2020-12-31", "--to", "2021-03-01")
    root = drawn(capsys, tmp_path, *words)

    assert {"2021-01", "2021-02"} <= {*texts(root)}
    assert not any(words.startswith("now") for words in texts(root))
    assert any("replaced" in words for words in texts(root))


def test_the_picture_in_the_docs_is_what_its_command_draws(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = (ROOT / "docs/reading-a-policy.md").read_text("utf-8").replace("\\\n", " ")
    (command,) = re.findall(r"moratorium (timeline .*--svg docs/images/timeline\.svg.*)", page)
    monkeypatch.chdir(ROOT)

    words = [
        str(tmp_path / "new.svg") if "svg" in word and "--" not in word else word for word in command.split()
    ]
    assert main(words) == 0
    assert (tmp_path / "new.svg").read_text("utf-8") == PICTURE.read_text("utf-8")
