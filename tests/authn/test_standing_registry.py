"""The registry: who must be in it, what must agree with it, and what it adds."""

from typing import Any

import pytest

from proxy.authn.registry import Organisation, confirm
from proxy.policy.callers import Caller, Instant, Principal
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason

NOW = 1_800_000_000.0
CITY = Principal(("government",), "city", None, "city", "US-MA-BOS")
POLICE = Principal(("police",), "pd-7", "municipal", "city", "US-MA-BOS")
FIRM = Principal(("commercial",), "firm", None, "private", "US-MA")
LAB = Principal(("police", "research"), "lab")
REGISTRY = {
    "city": Organisation(CITY),
    "pd-7": Organisation(POLICE, (CITY,), valid_until=NOW + 100, verified_on=NOW - 100),
    "firm": Organisation(FIRM, contractor=True),
    "other-firm": Organisation(FIRM._replace(org_id="other-firm"), contractor=True),
    "shop": Organisation(FIRM._replace(org_id="shop")),
    "lab": Organisation(LAB),
}


def caller(org_id: str | None = "pd-7", *org_types: str, **changes: Any) -> Caller:
    return Caller("https://issuer.test", org_types or ("police",), org_id, valid_until=NOW + 300)._replace(
        **changes
    )


def shop(**changes: Any) -> Caller:
    return caller("shop", "commercial", **changes)


def confirmed(one: Caller, now: Instant = NOW) -> Caller | Reason:
    outcome = confirm(one, REGISTRY, now)
    return outcome.reason if isinstance(outcome, Refusal) else outcome


def accepted(one: Caller, now: Instant = NOW) -> Caller:
    outcome = confirmed(one, now)
    assert isinstance(outcome, Caller)
    return outcome


# ------------------------------------------------------------ who must be there


def test_a_registered_organisation_is_filled_in() -> None:
    assert accepted(caller()) == caller(
        org_subtype="municipal", level="city", jurisdiction="US-MA-BOS", path=(CITY,), valid_until=NOW + 100
    )


@pytest.mark.parametrize("org_id", ["pd-8", "PD-7", "pd-7 ", None])
def test_an_organisation_outside_the_registry_is_refused(org_id: str | None) -> None:
    assert confirmed(caller(org_id)) is Reason.ORG_NOT_REGISTERED


@pytest.mark.parametrize(
    "changes",
    [
        {"on_behalf_of": Principal(("police",), "pd-8")},
        {"on_behalf_of": Principal(("police",))},
        {"actors": (Principal(("police",), "pd-7"), Principal(("police",), "pd-8"))},
        {"path": (Principal(org_id="pd-8"),)},
    ],
    ids=["behind", "behind without id", "actor", "unit above"],
)
def test_whoever_else_a_token_names_must_be_registered_too(changes: dict[str, Any]) -> None:
    assert confirmed(shop(**changes)) is Reason.ORG_NOT_REGISTERED


def test_an_actor_or_unit_that_is_named_by_type_alone_goes_on_binding() -> None:
    nameless = Principal(("police",))

    after = accepted(shop(actors=(nameless,), path=(nameless,)))
    assert (after.actors, after.path) == ((nameless,), (nameless,))


def test_a_registration_counts_from_its_day_until_its_end() -> None:
    assert confirmed(caller(), NOW - 101) is Reason.ORG_NOT_REGISTERED
    assert accepted(caller(), NOW - 100).valid_until == NOW + 100
    assert confirmed(caller(), NOW + 100) is Reason.ORG_REGISTRATION_EXPIRED


@pytest.mark.parametrize("field", ["on_behalf_of", "actors"])
def test_the_registration_of_the_one_behind_and_of_actors_must_last_as_well(field: str) -> None:
    police = Principal(org_id="pd-7")
    one = shop(**{field: police if field == "on_behalf_of" else (police,)})

    assert accepted(one).valid_until == NOW + 100
    assert confirmed(one, NOW + 100) is Reason.ORG_REGISTRATION_EXPIRED


def test_a_unit_above_binds_even_when_its_registration_has_expired() -> None:
    one = caller("city", "government", path=(Principal(org_id="pd-7"),))

    assert POLICE in accepted(one, NOW + 100).path


# ------------------------------------------------------------ what must agree


@pytest.mark.parametrize(
    "changes",
    [
        {"org_types": ("commercial",)},
        {"org_types": ("police", "commercial")},
        {"org_subtype": "sheriff"},
        {"level": "state"},
        {"jurisdiction": "US-MA"},
        {"jurisdiction": "US-NY"},
    ],
    ids=str,
)
def test_a_token_that_says_something_else_is_refused(changes: dict[str, Any]) -> None:
    assert confirmed(caller(**changes)) is Reason.ORG_DISAGREES
    behind = POLICE._replace(**changes)
    assert confirmed(shop(on_behalf_of=behind)) is Reason.ORG_DISAGREES
    assert confirmed(shop(actors=(behind,))) is Reason.ORG_DISAGREES
    assert confirmed(shop(path=(behind,))) is Reason.ORG_DISAGREES


def test_a_token_may_not_leave_out_one_of_several_types() -> None:
    assert confirmed(caller("lab", "research")) is Reason.ORG_DISAGREES
    assert accepted(caller("lab", "research", "police")).org_types == ("research", "police")


def test_what_the_registry_leaves_open_the_token_may_say() -> None:
    one = caller("lab", "police", "research", org_subtype="state", level="state", jurisdiction="US-NY")

    assert accepted(one) == one


def test_the_refusal_says_what_it_is_about_and_not_what_the_token_said() -> None:
    outcome = confirm(caller(jurisdiction="US-NY"), REGISTRY, NOW)

    assert outcome == Refusal(Reason.ORG_DISAGREES, "It is about the jurisdiction.")


# ------------------------------------------------------------ what it adds


def test_those_behind_and_actors_get_their_registered_types() -> None:
    after = accepted(shop(on_behalf_of=Principal(org_id="pd-7"), actors=(Principal(org_id="pd-7"),)))

    assert after.on_behalf_of == POLICE
    assert after.actors == (POLICE, CITY)


def test_units_above_the_one_behind_are_units_above_the_caller() -> None:
    assert accepted(shop(on_behalf_of=Principal(org_id="pd-7"))).path == (CITY,)


def test_units_that_token_and_registry_both_name_are_there_once() -> None:
    assert accepted(caller(path=(Principal(org_id="city"), Principal(org_id="lab")))).path == (CITY, LAB)


# ------------------------------------------------------------ contractors


def test_a_contractor_must_say_whom_it_works_for() -> None:
    firm = caller("firm", "commercial")

    assert confirmed(firm) is Reason.DELEGATION_MISSING
    assert accepted(firm._replace(on_behalf_of=POLICE)).on_behalf_of == POLICE


@pytest.mark.parametrize("org_id", ["firm", "other-firm"])
def test_to_work_for_a_contractor_leaves_open_whom_one_works_for(org_id: str) -> None:
    behind = Principal(org_id=org_id)

    assert confirmed(caller("firm", "commercial", on_behalf_of=behind)) is Reason.DELEGATION_MISSING
    assert confirmed(shop(on_behalf_of=behind)) is Reason.DELEGATION_MISSING
