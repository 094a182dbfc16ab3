"""Policy files: what they mean, and every problem at once in words that say what to change."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from proxy.errors import PolicyError
from proxy.policy.callers import ALWAYS, FOREVER
from proxy.policy.conditions import HasCase, PurposeIs
from proxy.policy.document import Source, build, parse
from proxy.policy.model import Mode, Policy, Window
from proxy.policy.operations import COVERABLE, OPEN_UNLESS_NAMED, OperationClass
from proxy.policy.schema import SCHEMA, as_json
from proxy.policy.shorthand import document_of

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(p for p in (ROOT / "config/policies").glob("*.toml") if ".cases" not in p.suffixes)

MINIMAL = """
schema = 1
[[moratorium]]
id = "ban"
binds.org_types = ["police"]
covers.classes = ["compare"]
"""


def load(text: str, **options: str) -> Policy:
    return build(parse(text, "p.toml"), **options)  # type: ignore[arg-type]


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load(text)
    return caught.value.problems


def test_a_moratorium_without_a_window_holds_for_ever() -> None:
    assert load(MINIMAL).moratoria[0].windows == (Window(ALWAYS, FOREVER),)


def test_a_star_covers_everything_but_what_stays_open_unless_named() -> None:
    star = load(MINIMAL.replace('["compare"]', '["*"]')).moratoria[0].covers.classes
    named = load(MINIMAL.replace('["compare"]', '["erase", "meta"]')).moratoria[0].covers.classes

    assert star == set(COVERABLE) - OPEN_UNLESS_NAMED
    assert named == OPEN_UNLESS_NAMED


@pytest.mark.parametrize(
    "start",
    ["2020-06-10", "2020-06-10T00:00:00", "2020-06-10T07:00:00Z", '"2020-06-10"', "2020-06-10 00:00:00"],
)
def test_the_same_instant_may_be_written_in_several_ways(start: str) -> None:
    text = f'timezone = "America/Los_Angeles"\n{MINIMAL}window = [{{ start = {start} }}]\n'

    assert load(text).moratoria[0].windows == (Window(1591772400, FOREVER),)


def test_the_operators_time_zone_is_used_where_the_file_names_none() -> None:
    text = MINIMAL + "window = [{ start = 2020-06-10 }]\n"

    assert load(text, timezone="America/Los_Angeles").moratoria[0].windows[0].start == 1591772400


def test_equal_documents_have_equal_revisions_and_others_do_not() -> None:
    assert load(MINIMAL).revision == load("# a comment\n" + MINIMAL).revision
    assert load(MINIMAL).revision != load(MINIMAL.replace("ban", "bar")).revision


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("schema = 1", "schema = 2"), "p.toml:2: schema: 2 found, 1 expected"),
        (("schema = 1", ""), "p.toml:1: the file: missing 'schema'"),
        (("covers.", "cover."), "unknown key 'cover'; did you mean 'covers'?"),
        (('"police"', '"polise"'), "'polise' is not in the vocabulary; did you mean 'police'?"),
        (('"compare"', '"compar"'), "covers.classes[0]: 'compar' is not known; did you mean 'compare'?"),
        (('"compare"', '"unknown"'), "'unknown' is not known"),
        (('["police"]', "[]"), "binds.org_types: must not be empty"),
        (('["police"]', '"police"'), "'police' is not of type array"),
        (('"ban"', '"The Ban"'), "'The Ban' does not have the form"),
        (("schema = 1", "schema = 1\ntimezone = 'Mars/Base'"), "'Mars/Base' is not an IANA time zone"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_nearest_right_name(
    change: tuple[str, str], expected: str
) -> None:
    found = problems(MINIMAL.replace(*change))

    assert any(expected in problem for problem in found), found


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("window = [{ start = 2021-01-01, end = 2020-01-01 }]", "window[0]: start must be before end"),
        ("window = [{ start = 2021-01-01, end = 2021-01-01 }]", "window[0]: start must be before end"),
        ("window = [{ start = 'soon' }]", "window[0].start: 'soon' is not a date"),
        ("exemption = [{ id = 'all' }]", "exemption[0]: states no condition"),
        ("exemption = [{ id = 'p', purposes = ['fun'] }]", "purposes: 'fun' is not in the vocabulary"),
        ("exemption = [{ id = 'o', org_types = ['cia'] }]", "org_types: 'cia' is not in the vocabulary"),
        (
            "exemption = [{ id = 'x', org_ids = ['a'] }, { id = 'x', org_ids = ['b'] }]",
            "exemption[1].id: 'x' is used twice",
        ),
        (MINIMAL.replace("schema = 1", ""), "moratorium[1].id: 'ban' is used twice"),
    ],
)
def test_what_a_schema_cannot_say_is_checked_as_well(more: str, expected: str) -> None:
    found = problems(MINIMAL + more)

    assert any(expected in problem for problem in found), found


def test_all_problems_are_reported_at_once() -> None:
    text = MINIMAL.replace("police", "polise") + "window = [{ start = 2021-01-01, end = 2020-01-01 }]\n"

    assert len(problems(text)) == 2


def test_broken_toml_is_named_with_its_line() -> None:
    assert "p.toml: not valid TOML" in problems("schema = = 1")[0]
    assert "line 1" in problems("schema = = 1")[0]


def test_routes_have_their_classes_and_methods() -> None:
    route = '[[route]]\nmethods = ["POST"]\npath = "/faces/{id}/compare"\nclasses = ["compare"]\n'

    found = load(MINIMAL + route).routes[0]

    assert found.methods == {"POST"}
    assert found.operation.classes == {OperationClass.COMPARE}


@pytest.mark.parametrize("path", ["faces", "/a//b", "/a/{b", "/a?b", "/%61", "/a/.*"])
def test_a_route_is_a_plain_path_with_placeholders(path: str) -> None:
    found = problems(MINIMAL + f'[[route]]\nmethods = ["GET"]\npath = "{path}"\nclasses = ["detect"]\n')

    assert any("does not have the form" in problem for problem in found)


def test_the_schema_for_editors_is_the_one_that_is_checked() -> None:
    Draft202012Validator.check_schema(SCHEMA)

    assert (ROOT / "config" / "policy.schema.json").read_text("utf-8") == as_json()
    assert json.loads(as_json()) == json.loads(json.dumps(SCHEMA))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_shipped_policy_loads_and_says_that_it_is_no_legal_advice(path: Path) -> None:
    text = path.read_text("utf-8")

    assert build(parse(text, path.name)).moratoria
    assert "Not legal advice" in text


def test_the_shorthand_means_what_the_same_file_means() -> None:
    short = build(
        Source(
            "MORATORIUM_*",
            document_of(
                blocked_org_types=("police",),
                start="2020-06-10",
                end="2021-06-10",
                exempt_purposes=("missing-persons",),
                exempt_orgs=("thorn",),
            ),
        ),
        mode=Mode.SHADOW,
    )
    moratorium = short.moratoria[0]

    assert short.mode is Mode.SHADOW
    assert moratorium.covers.classes == {"compare", "search", "enroll", "template"}
    assert moratorium.windows == (Window(1591747200, 1623283200),)
    assert [e.id for e in moratorium.exemptions] == ["by-purpose", "by-name"]
    assert moratorium.exemptions[0].conditions == (PurposeIs(frozenset({"missing-persons"})), HasCase())
