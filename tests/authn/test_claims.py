"""Who the caller is: members of closed sets, compared exactly (threat T35)."""

import hashlib
import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from proxy.authn.claims import ClaimPaths, caller_of
from proxy.policy.callers import Caller, Evidence, EvidenceType, Principal
from proxy.policy.model import Policy, Refusal
from proxy.policy.reasons import Reason
from proxy.policy.vocabulary import ORG_SUBTYPES, ORG_TYPES, PURPOSES
from tests.authn.tokens import DETAILED, ISSUER, NOW, POLICY, claims, without


def read(
    payload: dict[str, Any], paths: ClaimPaths | None = None, policy: Policy = POLICY
) -> Caller | Reason:
    outcome = caller_of(payload, paths or ClaimPaths(), policy, ISSUER, NOW + 330)
    return outcome.reason if isinstance(outcome, Refusal) else outcome


def test_a_caller_is_what_the_claims_say() -> None:
    caller = read(claims(org_type="police", org_id="pd-7", purpose="missing-child", case_id="CR-1"))

    digest = hashlib.sha256(b"CR-1").hexdigest()
    assert Caller(ISSUER, ("police",), "pd-7", "missing-child", digest, NOW + 330) == caller


def test_only_the_organisation_type_must_be_there() -> None:
    assert Caller(ISSUER, ("police",), None, None, None, NOW + 330) == read({"org_type": "police"})


def test_a_caller_can_be_several_and_their_order_stays() -> None:
    caller = read(claims(org_type=["police", "child-safety"]))

    assert isinstance(caller, Caller)
    assert caller.org_types == ("police", "child-safety")


NEAR_MISSES = [
    pytest.param("Police", id="capital"),
    pytest.param("POLICE", id="upper case"),
    pytest.param(" police", id="leading space"),
    pytest.param("police ", id="trailing space"),
    pytest.param("police\n", id="line feed"),
    pytest.param("police\t", id="tab"),
    pytest.param("police\x00", id="NUL"),
    pytest.param("\x00police", id="leading NUL"),
    pytest.param("", id="empty"),
    pytest.param("pol\u200bice", id="zero-width space"),
    pytest.param("police\u200d", id="zero-width joiner"),
    pytest.param("\ufeffpolice", id="byte order mark"),
    pytest.param("\u202epolice", id="bidi override"),
    pytest.param("p\u043elice", id="Cyrillic o"),
    pytest.param("\uff50\uff4f\uff4c\uff49\uff43\uff45", id="full width"),
    pytest.param("polı\u0307ce", id="dotless i with a dot"),
    pytest.param("po\u00adlice", id="soft hyphen"),
    pytest.param("police\u0301", id="combining accent"),
    pytest.param("police,commercial", id="comma-separated"),
    pytest.param("police commercial", id="space-separated"),
    pytest.param('["police"]', id="a list as text"),
    pytest.param("polic", id="prefix of a good value"),
    pytest.param("police-", id="good value as prefix"),
    pytest.param("not-police", id="good value as suffix"),
    pytest.param("army", id="unknown"),
    pytest.param("*", id="asterisk"),
    pytest.param("\ud800", id="lone surrogate"),
    pytest.param(["commercial", "Police"], id="known and near miss"),
    pytest.param(["army", "commercial"], id="unknown and known"),
    pytest.param(["commercial", ""], id="known and empty"),
]


@pytest.mark.parametrize("value", NEAR_MISSES)
def test_what_is_not_exactly_in_the_vocabulary_is_unknown(value: object) -> None:
    assert read(claims(org_type=value)) == Reason.ORG_TYPE_UNKNOWN
    assert read(claims(on_behalf_of={"org_type": value})) == Reason.ORG_TYPE_UNKNOWN
    assert read(claims(org_path=[{"org_type": value}])) == Reason.ORG_TYPE_UNKNOWN
    assert read(claims(act={"sub": "a", "act": {"org_type": value}})) == Reason.ORG_TYPE_UNKNOWN


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="null"),
        pytest.param(True, id="true"),
        pytest.param(False, id="false"),
        pytest.param(0, id="zero"),
        pytest.param(1.5, id="number"),
        pytest.param({}, id="empty object"),
        pytest.param({"commercial": True}, id="object"),
        pytest.param({"value": "commercial"}, id="nested"),
        pytest.param([], id="empty list"),
        pytest.param([["commercial"]], id="nested list"),
        pytest.param(["commercial", None], id="null in the list"),
        pytest.param(["commercial", {"a": 1}], id="object in the list"),
        pytest.param(["commercial", 1], id="number in the list"),
        pytest.param(["commercial", "commercial"], id="listed twice"),
        pytest.param(["police", "commercial", "police"], id="listed twice, apart"),
        pytest.param([f"t{n}" for n in range(17)], id="seventeen of them"),
    ],
)
def test_an_organisation_type_of_another_shape_is_a_bad_claim(value: object) -> None:
    assert read(claims(org_type=value)) == Reason.TOKEN_CLAIMS


def test_sixteen_types_are_looked_up_one_by_one() -> None:
    assert read(claims(org_type=[f"t{n}" for n in range(16)])) == Reason.ORG_TYPE_UNKNOWN


@pytest.mark.parametrize(
    "decoy",
    ["Org_Type", "ORG_TYPE", "org-type", "orgType", "org_type ", "org\u200b_type", "org_typе"],
)
def test_a_claim_of_a_similar_name_is_not_the_claim(decoy: str) -> None:
    payload = without(claims(), "org_type")

    assert read({**payload, decoy: "commercial"}) == Reason.TOKEN_CLAIMS
    assert isinstance(read({**payload, decoy: "police", "org_type": "commercial"}), Caller)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        1.5,
        [],
        ["org-1"],
        {},
        "",
        " ",
        "-a",
        ".a",
        "a b",
        "a\n",
        "a\x00",
        "é",
        "a" * 129,
        "a\u200b",
    ],
    ids=ascii,
)
def test_an_organisation_id_is_a_short_plain_word(value: object) -> None:
    assert read(claims(org_id=value)) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("value", ["a", "PD-7", "7", "a.b_c:d@e/f-g", "a" * 128])
def test_plain_organisation_ids_are_kept_as_they_are(value: str) -> None:
    caller = read(claims(org_id=value))

    assert isinstance(caller, Caller)
    assert value == caller.org_id


@pytest.mark.parametrize("value", [None, True, 7, [], ["missing-child"], {}, {"missing-child": 1}], ids=ascii)
def test_a_purpose_that_is_no_string_is_a_bad_claim(value: object) -> None:
    assert read(claims(purpose=value)) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Missing-Child",
        "missing-child ",
        "missing_child",
        "missing\u2010child",
        "missing-child,x",
        "\ud800",
    ],
    ids=ascii,
)
def test_a_purpose_outside_the_vocabulary_is_unknown(value: str) -> None:
    assert read(claims(purpose=value)) == Reason.PURPOSE_UNKNOWN


@pytest.mark.parametrize("value", [None, True, 7, 1.5, [], ["CR-1"], {}, "", " \t\n", "c" * 257], ids=ascii)
def test_a_case_number_of_another_shape_is_a_bad_claim(value: object) -> None:
    assert read(claims(case_id=value)) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("value", ["1", "CR 1/2021", "c" * 256, "ü", "\ud800"], ids=ascii)
def test_of_a_case_number_only_the_digest_is_kept(value: str) -> None:
    caller = read(claims(case_id=value))

    assert isinstance(caller, Caller)
    assert hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest() == caller.case_digest


NO_STRING: list[Any] = [None, True, 7, 1.5, [], ["sheriff"], {}, {"sheriff": 1}]


@pytest.mark.parametrize("value", NO_STRING, ids=ascii)
def test_a_subtype_that_is_no_string_is_a_bad_claim(value: object) -> None:
    assert read(claims(org_subtype=value)) == Reason.TOKEN_CLAIMS
    assert read(claims(on_behalf_of={"org_type": "police", "org_subtype": value})) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("value", ["", "Sheriff", "sheriff ", "s\u200bheriff", "campus", "\ud800"], ids=ascii)
def test_a_subtype_outside_the_vocabulary_is_unknown(value: str) -> None:
    assert read(claims(org_subtype=value)) == Reason.ORG_SUBTYPE_UNKNOWN
    assert read(claims(act={"org_type": "police", "org_subtype": value})) == Reason.ORG_SUBTYPE_UNKNOWN


@pytest.mark.parametrize("value", [*NO_STRING, "", "State", "state ", "region", "*"], ids=ascii)
def test_a_level_is_one_of_five_words(value: object) -> None:
    assert read(claims(org_level=value)) == Reason.TOKEN_CLAIMS


PLACES = ("jurisdiction", "subject_jurisdiction", "place_jurisdiction")
NO_PLACE = [
    *NO_STRING, "", "U", "us", "US-", "USA", "US-ma", "US-MASS", "US-MA-", "US-MA-BOST", "US-MA-BOS-1",
    "US MA", "US_MA", " US", "US ", "US\n", "US-MA\n", "*", "U\u200bS", "\uff35\uff33", "US-\u0661",
    "United States", "US,CA",
]  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("value", NO_PLACE, ids=ascii)
def test_a_place_is_written_in_codes(name: str, value: object) -> None:
    assert read(claims(**{name: value})) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("value", ["US", "GB-ENG", "US-MA-BOS", "FR-75", "DE-BE-BER", "US-ME-PWM"])
def test_a_place_is_kept_as_it_is(name: str, value: str) -> None:
    caller = read(claims(**{name: value}))

    assert isinstance(caller, Caller)
    assert getattr(caller, name) == value


def test_a_caller_is_all_that_the_claims_say() -> None:
    payload = claims(
        org_type="police", org_id="so-1", org_subtype="sheriff", org_level="county",
        jurisdiction="US-OR", subject_jurisdiction="US-OR-PDX", place_jurisdiction="US-WA",
        org_path=["county-1", {"org_type": "police", "org_level": "state"}],
        on_behalf_of={"org_type": "police", "org_id": "pd-7"}, act={"sub": "bot", "org_type": "commercial"},
        media="camera",
    )  # fmt: skip

    caller = read(payload, policy=DETAILED)

    assert caller == Caller(
        ISSUER, ("police",), "so-1", valid_until=NOW + 330, org_subtype="sheriff", level="county",
        jurisdiction="US-OR", subject_jurisdiction="US-OR-PDX", place_jurisdiction="US-WA",
        path=(Principal(org_id="county-1"), Principal(("police",), level="state")),
        on_behalf_of=Principal(("police",), "pd-7"), actors=(Principal(("commercial",)),),
        circumstances=frozenset({("media", "camera")}),
    )  # fmt: skip


def test_circumstances_are_those_that_the_policy_has_words_for() -> None:
    caller = read(claims(media=["camera", "other"], urgent="yes", weather="rain"), policy=DETAILED)

    assert isinstance(caller, Caller)
    assert caller.circumstances == {("media", "camera"), ("media", "other"), ("urgent", "yes")}
    assert read(claims(media="film")) == read(claims())  # a policy without such words does not ask


@pytest.mark.parametrize("value", ["film", "", "Camera", "camera ", ["camera", "film"], "\ud800"], ids=ascii)
def test_a_circumstance_outside_the_vocabulary_is_unknown(value: object) -> None:
    assert read(claims(media=value), policy=DETAILED) == Reason.CIRCUMSTANCE_UNKNOWN


@pytest.mark.parametrize(
    "value",
    [None, True, 7, [], {}, [["camera"]], ["camera", None], {"camera": 1}, ["camera"] * 17],
    ids=ascii,
)
def test_a_circumstance_of_another_shape_is_a_bad_claim(value: object) -> None:
    assert read(claims(media=value), policy=DETAILED) == Reason.TOKEN_CLAIMS


def test_a_circumstance_can_be_somewhere_else() -> None:
    paths = ClaimPaths(circumstances={"media": "call.source"})
    caller = read(claims(call={"source": "camera"}, media="film"), paths, DETAILED)

    assert isinstance(caller, Caller)
    assert caller.circumstances == {("media", "camera")}


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("org_subtype", "sheriff", "org_subtype", "sheriff"),
        ("org_level", "state", "level", "state"),
        ("jurisdiction", "US", "jurisdiction", "US"),
        ("subject_jurisdiction", "US", "subject_jurisdiction", "US"),
        ("place_jurisdiction", "US", "place_jurisdiction", "US"),
        ("org_path", ["a"], "path", (Principal(org_id="a"),)),
        ("on_behalf_of", {"org_id": "a"}, "on_behalf_of", Principal(org_id="a")),
        ("act", {"org_id": "a"}, "actors", (Principal(org_id="a"),)),
        (
            "authorization_details",
            [{"type": "warrant", "id": "a", "issued_at": 1}],
            "evidence",
            (Evidence(EvidenceType.WARRANT, hashlib.sha256(b"a").hexdigest(), 1.0),),
        ),
    ],
)  # fmt: skip
def test_every_claim_can_be_somewhere_else(name: str, value: object, field: str, expected: object) -> None:
    for path, payload in (
        ("realm.x.y", {"realm": {"x": {"y": value}}}),
        ("https://x.test/y", {"https://x.test/y": value}),
    ):
        paths = replace(ClaimPaths(), **{name: path})  # type: ignore[arg-type]
        caller = read({**payload, "org_type": "police", name: ["decoy"]}, paths)

        assert isinstance(caller, Caller)
        assert getattr(caller, field) == expected


def test_a_dotted_path_leads_into_the_payload() -> None:
    payload = {"realm": {"org": {"type": "police", "id": "pd-7"}}}
    caller = read(payload, ClaimPaths(org_type="realm.org.type", org_id="realm.org.id"))

    assert Caller(ISSUER, ("police",), "pd-7", valid_until=NOW + 330) == caller


def test_a_name_that_holds_dots_is_found_whole() -> None:
    caller = read({"https://x.test/type": "police"}, ClaimPaths(org_type="https://x.test/type"))

    assert Caller(ISSUER, ("police",), valid_until=NOW + 330) == caller


@pytest.mark.parametrize(
    "realm", [None, "police", 7, ["org"], {}, {"org": "police"}, {"org": ["type"]}], ids=ascii
)
def test_a_path_that_leads_nowhere_finds_nothing(realm: object) -> None:
    payload = {"realm": realm, "org_type": "commercial", "type": "commercial"}

    assert read(payload, ClaimPaths(org_type="realm.org.type")) == Reason.TOKEN_CLAIMS


def test_no_detail_ever_quotes_a_claim() -> None:
    hidden: list[Any] = ["sesame", ["sesame"] * 2, [{"sesame": 1}], {"org_type": "sesame"}, {"act": "sesame"}]
    hidden += [[{"type": "warrant", "id": "sesame", "issued_at": "sesame"}]]
    for name in (*(f.name for f in fields(ClaimPaths) if isinstance(f.default, str)), "media"):
        for value in hidden:
            refusal = caller_of(claims(**{name: value}), ClaimPaths(), DETAILED, ISSUER, NOW)

            assert "sesame" not in repr(refusal) or name in ("org_id", "act", "org_path")
            assert not isinstance(refusal, Refusal) or "sesame" not in refusal.detail


def test_the_examples_of_the_docs_are_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tokens.md").read_text("utf-8")
    examples = [
        json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    ]
    words = Policy((), frozenset(ORG_TYPES), frozenset(PURPOSES), org_subtypes=frozenset(ORG_SUBTYPES))

    delegated, shown = [read({"org_type": "police", **example}, policy=words) for example in examples]

    assert isinstance(delegated, Caller)
    assert [relation for relation, _ in delegated.principals()] == [
        "self",
        "unit-of",
        "on-behalf-of",
        "actor",
    ]
    assert isinstance(shown, Caller)
    assert [one.type for one in shown.evidence] == [EvidenceType.WARRANT]


def test_a_circumstance_that_is_not_stated_hides_no_other() -> None:
    """`media` comes first in the vocabulary, and `urgent` is still read."""
    caller = read(claims(org_type="police", urgent="yes"), policy=DETAILED)

    assert isinstance(caller, Caller)
    assert caller.circumstances == {("urgent", "yes")}
