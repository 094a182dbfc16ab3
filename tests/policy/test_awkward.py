"""Awkward cases of who, where and what, as real moratoria have thrown them up, mostly on the shipped files.

Those of when are in `test_awkward_times`; the numbers go through both.
"""

from typing import Any

import pytest

from proxy.policy.model import Policy
from proxy.policy.operations import Operation, OperationClass, operation
from proxy.policy.reasons import Decision, Reason
from tests.policy.shipped import OPERATIONS, ask, at, edited, moratorium_of, policy_of, text_of

# ---------------------------------------------------------------- 1: overlap


MISSING_CHILD: dict[str, Any] = {
    "org_type": "police", "org_id": "boston-police", "org_path": ["city-of-boston"], "org_level": "city",
    "jurisdiction": "US-MA-BOS", "purpose": "missing-persons", "case_id": "MP-1",
}  # fmt: skip


def test_01_an_exemption_of_one_rule_does_not_lift_another_that_holds_in_the_same_place() -> None:
    vendor_alone = ask(policy_of("amazon-2020"), "2021-01-01", **MISSING_CHILD)
    both = ask(policy_of("amazon-2020", "us-boston"), "2021-01-01", **MISSING_CHILD)

    assert (vendor_alone.reason, vendor_alone.exemption) == (Reason.EXEMPT, "missing-persons")
    assert both.reason is Reason.MORATORIUM
    assert both.rule is not None
    assert both.rule.id == "us-boston"


# ---------------------------------------------------------------- 7: two readings of one promise


def by_purpose_only() -> Policy:
    """The Service Terms know a purpose and no names; the announcement of 2020 knew names."""
    text = text_of("amazon-2020.toml")
    names = text[text.rindex("[[moratorium.exemption]]") :]
    assert "thorn" in names
    return edited("amazon-2020", names, "")


THORN: dict[str, Any] = {"org_type": ["child-safety", "police"], "org_id": "thorn"}


def test_07_by_name_an_organisation_is_exempt_whatever_it_does() -> None:
    verdict = ask(policy_of("amazon-2020"), "2021-01-01", **THORN, purpose="other")

    assert (verdict.reason, verdict.exemption) == (Reason.EXEMPT, "child-rescue-organisations")


def test_07_by_purpose_the_same_organisation_is_exempt_for_that_purpose_only() -> None:
    policy = by_purpose_only()

    other = ask(policy, "2021-01-01", **THORN, purpose="other")
    missing = ask(policy, "2021-01-01", **THORN, purpose="missing-persons", case_id="MP-1")

    assert other.reason is Reason.MORATORIUM
    assert (missing.reason, missing.exemption) == (Reason.EXEMPT, "missing-persons")


# ---------------------------------------------------------------- 8: police inside something else


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"org_type": "school", "org_subtype": "campus"}, Reason.MORATORIUM),
        ({"org_type": "police", "org_subtype": "state"}, Reason.NOT_BOUND),
        ({"org_type": "police", "org_subtype": "airport"}, Reason.NOT_BOUND),
    ],
)
def test_08_virginia_binds_campus_police_of_a_school_and_not_the_police_of_the_state(
    claims: dict[str, Any], reason: Reason
) -> None:
    assert ask(policy_of("us-va"), "2021-08-01", **claims, jurisdiction="US-VA").reason is reason


def test_08_a_unit_of_a_police_department_is_bound_whatever_it_is_itself() -> None:
    laboratory: dict[str, Any] = {"org_type": "government", "org_id": "port-laboratory"}
    above = {"org_path": [{"org_type": "police", "org_id": "port-police"}]}

    assert ask(policy_of("amazon-2020"), "2021-01-01", **laboratory).reason is Reason.NOT_BOUND
    assert ask(policy_of("amazon-2020"), "2021-01-01", **laboratory, **above).reason is Reason.MORATORIUM


# ---------------------------------------------------------------- 9: contractors


@pytest.mark.parametrize(
    ("name", "whom"),
    [
        ("microsoft-2020", {"org_type": "police", "jurisdiction": "US-TX"}),
        ("us-boston", {"org_type": "government", "org_id": "city-of-boston", "jurisdiction": "US-MA-BOS"}),
        ("us-ca", {"org_type": "police", "jurisdiction": "US-CA"}),
    ],
)
def test_09_a_contractor_is_bound_like_the_one_it_works_for(name: str, whom: dict[str, Any]) -> None:
    """A registered contractor that names nobody is refused before a policy is asked: the registry's part."""
    vendor = {"org_type": "commercial", "org_id": "lens-ltd", "jurisdiction": "IE"}

    assert ask(policy_of(name), "2021-01-01", **vendor).reason is Reason.NOT_BOUND
    assert ask(policy_of(name), "2021-01-01", **vendor, on_behalf_of=whom).reason is Reason.MORATORIUM


def test_09_a_contractor_lends_nobody_its_own_exemption() -> None:
    verdict = ask(
        policy_of("amazon-2020"),
        "2021-01-01",
        org_type="child-safety",
        org_id="thorn",
        on_behalf_of={"org_type": "police", "org_id": "cedar-sheriff"},
    )

    assert verdict.reason is Reason.MORATORIUM


# ---------------------------------------------------------------- 10: federal


def test_10_washington_lets_a_state_agency_do_what_the_federation_demands() -> None:
    agency: dict[str, Any] = {"org_type": "government", "org_level": "state", "jurisdiction": "US-WA"}
    mandate = [{"type": "federal-mandate", "id": "FM-1", "issued_at": at("2021-12-01")}]

    assert ask(policy_of("us-wa"), "2022-01-01", **agency).reason is Reason.MORATORIUM
    verdict = ask(policy_of("us-wa"), "2022-01-01", **agency, authorization_details=mandate)
    assert (verdict.reason, verdict.exemption) == (Reason.EXEMPT, "federal-mandate")


@pytest.mark.parametrize("level", ["federal", "state"])
def test_10_baltimore_leaves_out_federation_and_state_and_their_contractors(level: str) -> None:
    here = {"jurisdiction": "US-MD-BAL"}
    agency = {"org_type": "government", "org_level": level}
    vendor = {"org_type": "commercial", "on_behalf_of": agency}

    assert ask(policy_of("us-baltimore"), "2022-01-01", **agency, **here).reason is Reason.NOT_BOUND
    assert ask(policy_of("us-baltimore"), "2022-01-01", **vendor, **here).reason is Reason.NOT_BOUND


def test_10_what_amazon_never_said_of_federal_police_is_read_as_bound() -> None:
    federal = {"org_type": "police", "org_subtype": "federal", "org_level": "federal"}

    assert ask(policy_of("amazon-2020"), "2021-01-01", **federal).reason is Reason.MORATORIUM


# ---------------------------------------------------------------- 11: whose place


def test_11_police_in_maine_is_bound_wherever_the_cloud_is() -> None:
    whom = {"org_type": "police", "org_level": "county", "jurisdiction": "US-ME"}

    verdict = ask(
        policy_of("us-me"), "2022-01-01", org_type="commercial", jurisdiction="US-TX", on_behalf_of=whom
    )

    assert verdict.reason is Reason.MORATORIUM


def test_11_whether_police_elsewhere_is_bound_for_somebody_in_maine_is_for_the_file_to_say() -> None:
    texas = {
        "org_type": "police", "org_level": "county", "jurisdiction": "US-TX",
        "subject_jurisdiction": "US-ME",
    }  # fmt: skip
    wider = edited("us-me", 'of = ["bound"]', 'of = ["bound", "subject"]')

    assert ask(policy_of("us-me"), "2022-01-01", **texas).reason is Reason.OUTSIDE_JURISDICTION
    assert ask(wider, "2022-01-01", **texas).reason is Reason.MORATORIUM


# ---------------------------------------------------------------- 12: one call, several classes


@pytest.mark.parametrize(
    "call",
    [
        OPERATIONS["IndexFaces"],
        operation("detect with returnFaceId", OperationClass.DETECT, OperationClass.TEMPLATE),
        operation("a batch of faces and labels", OperationClass.SEARCH, OperationClass.NONFACE),
    ],
    ids=lambda call: call.name,
)
def test_12_a_call_is_blocked_whole_if_any_of_its_classes_is(call: Operation) -> None:
    assert ask(policy_of("amazon-2020"), "2021-01-01", call, org_type="police").reason is Reason.MORATORIUM


def test_12_an_exemption_must_open_every_blocked_class_of_the_call() -> None:
    employee: dict[str, Any] = {"org_type": "school", "jurisdiction": "US-NY", "subject_kind": "employee"}
    consent = [{"type": "consent", "id": "F-1", "issued_at": at("2023-12-01")}]
    both = operation("both", OperationClass.COMPARE, OperationClass.SEARCH)
    policy = policy_of("us-ny-schools")

    alone = ask(policy, "2024-01-01", **employee, authorization_details=consent)
    together = ask(policy, "2024-01-01", both, **employee, authorization_details=consent)

    assert (alone.reason, together.reason) == (Reason.EXEMPT, Reason.MORATORIUM)


# ---------------------------------------------------------------- 13: the rule turned round


def test_13_baltimore_binds_a_shop_and_not_its_police() -> None:
    policy, here = policy_of("us-baltimore"), {"jurisdiction": "US-MD-BAL"}

    shop = ask(policy, "2022-01-01", org_type="commercial", **here)
    police = ask(policy, "2022-01-01", org_type="police", org_id="baltimore-police", **here)

    assert (shop.reason, police.reason) == (Reason.MORATORIUM, Reason.NOT_BOUND)


def test_13_italy_binds_a_shop_and_lets_police_pursue_crimes() -> None:
    policy = policy_of("it-2021")
    opinion = [{"type": "approval", "id": "GPDP-1", "issued_at": at("2022-01-01")}]
    camera = {"place_jurisdiction": "IT", "place_kind": "public", "media_source": "fixed-camera"}
    police: dict[str, Any] = {"org_type": "police", "purpose": "criminal-investigation", **camera}

    assert ask(policy, "2022-06-01", org_type="commercial", **camera).reason is Reason.MORATORIUM
    assert ask(policy, "2022-06-01", **police, authorization_details=opinion).reason is Reason.EXEMPT


# ---------------------------------------------------------------- 17: where the picture comes from


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"media_source": "officer-camera"}, Reason.MORATORIUM),
        ({"media_source": "upload"}, Reason.OUTSIDE_SCOPE),
        ({}, Reason.MORATORIUM),
    ],
)
def test_17_a_rule_by_the_source_of_a_picture_binds_a_token_that_does_not_name_it(
    said: dict[str, str], reason: Reason
) -> None:
    police = {"org_type": "police", "jurisdiction": "US-CA"}

    assert ask(policy_of("us-ca"), "2021-01-01", **police, **said).reason is reason


def test_17_a_file_may_let_such_a_token_go() -> None:
    policy = edited("us-ca", '{ is = ["officer-camera"] }', '{ is = ["officer-camera"], missing = "ignore" }')

    verdict = ask(policy, "2021-01-01", org_type="police", jurisdiction="US-CA")

    assert verdict.reason is Reason.OUTSIDE_SCOPE


# ---------------------------------------------------------------- 18: less data, not more


@pytest.mark.parametrize(
    "what", ["DeleteFaces", "DeleteCollection", "DisassociateFaces", "StopStreamProcessor"]
)
@pytest.mark.parametrize("name", ["amazon-2020", "ibm-2020", "microsoft-2020", "us-boston"])
def test_18_whoever_is_bound_may_delete_and_stop(name: str, what: str) -> None:
    bound = {"org_type": "police", "jurisdiction": "US-MA-BOS"}

    assert ask(policy_of(name), "2021-01-01", **bound).reason is Reason.MORATORIUM
    assert ask(policy_of(name), "2021-01-01", what, **bound).decision is Decision.ALLOWED


def test_18_a_rule_that_covers_everything_leaves_deleting_open() -> None:
    policy = edited(
        "us-boston",
        'classes = ["analyze", "template", "compare", "search", "enroll", "gallery"]',
        'classes = ["*"]',
    )

    assert OperationClass.ERASE not in moratorium_of(policy, "us-boston").covers.classes
    assert ask(policy, "2021-01-01", "DeleteFaces", **MISSING_CHILD).reason is Reason.NOT_COVERED
