"""Who the caller is: members of closed sets, compared exactly (threat T35)."""

import hashlib
from typing import Any

import pytest

from proxy.authn.claims import ClaimPaths, caller_of
from proxy.policy.callers import Caller
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason
from tests.authn.tokens import ISSUER, NOW, POLICY, claims, without


def read(payload: dict[str, Any], paths: ClaimPaths | None = None) -> Caller | Reason:
    outcome = caller_of(payload, paths or ClaimPaths(), POLICY, ISSUER, NOW + 330)
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


@pytest.mark.parametrize(
    "value",
    [
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
    ],
)
def test_what_is_not_exactly_in_the_vocabulary_is_unknown(value: object) -> None:
    assert read(claims(org_type=value)) == Reason.ORG_TYPE_UNKNOWN


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
    for name in ("org_type", "org_id", "purpose", "case_id"):
        refusal = caller_of(claims(**{name: ["secret"] * 2}), ClaimPaths(), POLICY, ISSUER, NOW)

        assert isinstance(refusal, Refusal)
        assert "secret" not in refusal.detail
