"""The registry and the revocations file: what they may say, and every problem at once with its line."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from proxy.authn.registry import Organisation, Registry
from proxy.authn.standing import Revoked, Suspension
from proxy.authn.standing_file import Revocations, read_registry, read_revocations
from proxy.authn.standing_schema import FILES, REVOCATION, as_json
from proxy.authn.standing_schema import REVOCATIONS as REVOCATIONS_SCHEMA
from proxy.errors import PolicyError
from proxy.policy.callers import ALWAYS, FOREVER, Principal
from proxy.policy.instants import format_instant

CONFIG = Path(__file__).parents[2] / "config"
WORDS = frozenset({"police", "government", "school", "commercial"}), frozenset({"municipal", "campus"})

REGISTRY = """
schema = 1
timezone = "America/New_York"

[[organisation]]
id = "boston-police"
org_types = ["police"]
org_subtype = "municipal"
level = "city"
jurisdiction = "US-MA-BOS"
parents = ["city-of-boston"]
verified_by = "The registrar"
verified_on = 2025-01-01
valid_until = 2026-01-01

[[organisation]]
id = "campus-police"
org_types = ["police"]
parents = ["university", "boston-police"]
contractor = true

[[organisation]]
id = "university"
org_types = ["school"]
parents = ["city-of-boston"]

[[organisation]]
id = "city-of-boston"
org_types = ["government"]
"""

REVOCATIONS = """
schema = 1
timezone = "America/New_York"

[[suspension]]
org_id = "pd-7"
from = 2025-03-01
until = 2025-06-01
reason = "complaint 12"
notice = "Call us."

[[suspension]]
org_ids = ["pd-7", "pd-8"]

[[revocation]]
token_ids = ["one", "two"]

[[revocation]]
token_id = "two"
subject = "user-7"
issuer = "https://issuer.test"
from = 2025-03-01T12:00:00Z
reason = "left"

[[revocation]]
org_id = "pd-9"
evidence = "W-1"
"""


def registry(text: str, name: str = "registry.toml") -> Registry:
    return read_registry(text, name, WORDS)


def problems(text: str, name: str = "file.toml") -> list[str]:
    """What either reader complains about."""
    with pytest.raises(PolicyError) as caught:
        registry(text, name) if "organisation" in text else read_revocations(text, name)
    return caught.value.problems


# ------------------------------------------------------------ the registry


def test_an_organisation_is_what_the_file_says() -> None:
    entry = registry(REGISTRY)["boston-police"]

    assert entry.principal == Principal(("police",), "boston-police", "municipal", "city", "US-MA-BOS")
    assert format_instant(entry.verified_on) == "2025-01-01T05:00:00Z"
    assert format_instant(entry.valid_until) == "2026-01-01T05:00:00Z"
    assert [unit.org_id for unit in entry.units] == ["city-of-boston"]


def test_all_units_above_are_found_each_once_the_nearest_first() -> None:
    entry = registry(REGISTRY)["campus-police"]

    assert [(unit.org_id, unit.org_types) for unit in entry.units] == [
        ("university", ("school",)),
        ("boston-police", ("police",)),
        ("city-of-boston", ("government",)),
    ]


def test_what_the_file_leaves_out_is_not_made_up() -> None:
    assert registry(REGISTRY)["city-of-boston"] == Organisation(
        Principal(("government",), "city-of-boston"), (), False, ALWAYS, FOREVER
    )


def test_every_problem_of_a_registry_is_told_at_once() -> None:
    text = REGISTRY.replace('["city-of-boston"]', '["city-of-bostn"]').replace('["police"]', '["polise"]', 1)
    text = text.replace('"municipal"', '"municpal"').replace("2026-01-01", "2024-01-01")
    text += '[[organisation]]\nid = "university"\norg_types = ["school"]\n'

    assert problems(text, "r.toml") == [
        "r.toml:7: organisation[0].org_types: 'polise' is not in the policy's vocabulary;"
        " did you mean 'police'?",
        "r.toml:8: organisation[0].org_subtype: 'municpal' is not in the policy's vocabulary;"
        " did you mean 'municipal'?",
        "r.toml:31: organisation[4].id: 'university' is used twice",
        "r.toml:11: organisation[0].parents: 'city-of-bostn' is not registered;"
        " did you mean 'city-of-boston'?",
        "r.toml:25: organisation[2].parents: 'city-of-bostn' is not registered;"
        " did you mean 'city-of-boston'?",
        "r.toml:14: organisation[0].valid_until: valid_until is not after verified_on",
    ]


def test_words_are_not_compared_with_those_of_a_policy_that_is_not_there_yet() -> None:
    text = 'schema = 1\n[[organisation]]\nid = "a"\norg_types = ["polise"]\norg_subtype = "b"\n'

    assert read_registry(text, "r", None)["a"].principal == Principal(("polise",), "a", "b")


def test_nobody_is_above_itself() -> None:
    text = """
schema = 1
organisation = [
  { id = "a", org_types = ["police"], parents = ["b"] },
  { id = "b", org_types = ["police"], parents = ["a"] },
  { id = "c", org_types = ["police"], parents = ["c"] },
  { id = "d", org_types = ["police"], parents = ["a"] },
]
"""
    found = problems(text)

    assert [line.split(": ", 1)[1] for line in found] == [
        f"organisation[{i}].parents: {name!r} would be above itself" for i, name in enumerate("abc")
    ]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ('org_type = "police"', "unknown key 'org_type'; did you mean 'org_types'?"),
        ("org_types = []", "must not be empty"),
        ('org_types = ["police"]\nlevel = "town"', "'town' is not known"),
        ('org_types = ["police"]\njurisdiction = "Boston"', "does not have the form"),
        ('org_types = ["police"]\nvalid_until = "soon"', "'soon' is not a date"),
        ('org_types = ["police"]\ncontractor = "yes"', "is not of type boolean"),
    ],
)
def test_the_shape_of_an_organisation_is_checked(wrong: str, complaint: str) -> None:
    found = problems(f'schema = 1\n[[organisation]]\nid = "a"\n{wrong}\n')

    assert any(complaint in line for line in found), found


# ------------------------------------------------------------ suspensions and revocations


def test_the_examples_of_the_documentation_are_right() -> None:
    page = (CONFIG.parent / "docs/standing.md").read_text("utf-8")
    organisations, suspensions, revocations = re.findall(
        r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL
    )

    assert list(registry(organisations)) == ["city-of-boston", "boston-police", "vision-systems"]
    assert list(read_revocations(suspensions, "s").suspensions) == ["boston-police"]
    assert str(read_revocations(revocations, "r").revoked) == (
        "4 tokens, 1 subjects, 1 organisations, 1 pieces of evidence"
    )


def test_suspensions_and_revocations_are_what_the_file_says() -> None:
    march, june, noon = 1740805200.0, 1748750400.0, 1740830400.0

    assert read_revocations(REVOCATIONS, "r.toml") == Revocations(
        {"pd-7": (Suspension(march, june, "Call us."), Suspension()), "pd-8": (Suspension(),)},
        Revoked(
            tokens={None: {"one": ALWAYS, "two": ALWAYS}, "https://issuer.test": {"two": noon}},
            subjects={"https://issuer.test": {"user-7": noon}},
            organisations={None: {"pd-9": ALWAYS}},
            evidence={None: {hashlib.sha256(b"W-1").hexdigest(): ALWAYS}},
        ),
    )


def test_of_what_is_revoked_twice_the_earlier_instant_counts() -> None:
    later, earlier = (f"[[revocation]]\ntoken_id = 'a'\nfrom = 2025-0{month}-01\n" for month in (3, 2))
    outcomes = [
        read_revocations("schema = 1\n" + text, "r.toml") for text in (later + earlier, earlier + later)
    ]

    assert outcomes[0] == outcomes[1]
    assert outcomes[0].revoked.tokens == {None: {"a": 1738368000.0}}


def test_evidence_can_be_named_by_its_digest() -> None:
    digest = hashlib.sha256(b"W-1").hexdigest()
    texts = [
        f"schema = 1\n[[revocation]]\n{key}\n"
        for key in (f'evidence_sha256 = "{digest}"', f'evidence_sha256 = ["{digest}"]', 'evidence = ["W-1"]')
    ]

    assert {tuple(read_revocations(text, "r").revoked.evidence[None]) for text in texts} == {(digest,)}


def test_a_suspension_that_ends_at_a_midnight_that_comes_twice_ends_at_the_second() -> None:
    text = 'schema = 1\ntimezone = "America/Havana"\n[[suspension]]\norg_id = "a"\nuntil = 2024-11-03\n'

    (one,) = read_revocations(text, "r").suspensions["a"]
    assert format_instant(one.until) == "2024-11-03T05:00:00Z"


def test_every_problem_of_a_revocations_file_is_told_at_once() -> None:
    text = """schema = 1
timezone = "Mars/Olympus"
[[suspension]]
from = 2025-01-01
until = 2025-01-01
[[suspension]]
org_id = "a"
until = "2025-13-01"
[[revocation]]
reason = "nothing at all"
[[revocation]]
subject = "user-7"
"""
    assert problems(text, "r.toml") == [
        "r.toml:2: timezone: 'Mars/Olympus' is not an IANA time zone such as America/New_York",
        "r.toml:5: suspension[0].until: until is not after from",
        "r.toml:3: suspension[0]: suspends nobody: name org_id or org_ids",
        "r.toml:8: suspension[1].until: '2025-13-01' is not a date (2020-06-10) or a date and time"
        " (2020-06-10T07:00:00Z)",
        "r.toml:9: revocation[0]: revokes nothing: name token_id, subject, org_id or evidence, one or a list",
        "r.toml:11: revocation[1]: a subject means somebody to its issuer only: name the issuer",
    ]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ('[[revocation]]\njti = "a"', "unknown key 'jti'"),
        (
            '[[revocation]]\ntoken_ids = ["a", 7]',
            "r.toml:3: revocation[0].token_ids[1]: 7 is not of type string",
        ),
        ('[[revocation]]\ntoken_ids = ["a", ""]', "revocation[0].token_ids[1]"),
        ("[[revocation]]\ntoken_ids = []", "must not be empty"),
        ('[[revocation]]\norg_ids = ["a", "a b"]', "'a b' does not have the form"),
        ('[[revocation]]\nevidence_sha256 = ["ABC"]', "'ABC' does not have the form"),
        ('[[suspension]]\norg_id = "a"\nnotice = "a\\nb"', "does not have the form"),
        ("revocation = 7", "7 is not of type array"),
        ("revocation = [7]", "7 is not of type object"),
        ("[[revocations]]\ntoken_id = 'a'", "did you mean 'revocation'?"),
    ],
)
def test_the_shape_of_a_revocations_file_is_checked(wrong: str, complaint: str) -> None:
    found = problems(f"schema = 1\n{wrong}\n", "r.toml")

    assert any(complaint in line for line in found), found


WORTHS: list[Any] = [
    "a",
    "A b",
    "",
    "x" * 501,
    "y" * 1025,
    7,
    None,
    [],
    ["a"],
    ["a", ""],
    ["a", 7],
    {"a": "b"},
]
KEYS = [*REVOCATION["properties"], "other"]


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(WORTHS), max_size=3), max_size=3))
def test_what_is_plainly_right_is_what_the_schema_takes(tables: list[dict[str, Any]]) -> None:
    """Simple revocations are not shown to the schema, which is slow; that must make no difference."""
    document = {"schema": 1, "revocation": tables}
    try:
        read_revocations(json.dumps(document), "r.json")
        found = []
    except PolicyError as error:
        found = error.problems
    misshapen = not Draft202012Validator(REVOCATIONS_SCHEMA).is_valid(document)

    assert misshapen <= bool(found)


# ------------------------------------------------------------ both


def test_a_file_may_be_json() -> None:
    document = {"schema": 1, "revocation": [{"token_ids": ["one", "two"]}]}

    assert read_revocations(json.dumps(document), "r.json").revoked.tokens == {
        None: {"one": ALWAYS, "two": ALWAYS}
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"schema": 1, "schema": 1}', "the member 'schema' is there twice"),
        ("{", "r.json: not valid JSON"),
        ("[" * 100_000, "r.json: not valid JSON"),
        ("[]", "r.json: not a JSON object"),
        ('{"schema": 2}', "r.json: schema: 2 found, 1 expected"),
    ],
)
def test_what_is_wrong_with_a_json_file_is_told(text: str, complaint: str) -> None:
    (found,) = problems(text, "r.json")

    assert complaint in found


def test_an_empty_file_is_not_taken_for_one_that_revokes_nothing() -> None:
    """A file that is cut short, or not yet written, must not lift what was in force."""
    assert problems("") == ["file.toml: the file: missing 'schema'"]


@pytest.mark.parametrize("name", FILES)
def test_the_schema_that_editors_read_is_the_one_that_is_checked_by(name: str) -> None:
    assert (CONFIG / f"{name}.schema.json").read_text("utf-8") == as_json(name)
