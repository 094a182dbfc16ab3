"""Who stands behind a caller: units above it, whom it works for, who acts with its token (RFC 8693)."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.authn.claims import ClaimPaths, caller_of
from proxy.authn.delegation import MAX_ACTORS, MAX_UNITS
from proxy.authn.registry import Organisation
from proxy.authn.standing import Standing
from proxy.authn.verifier import verify
from proxy.policy.callers import Caller, Principal
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason
from tests.authn.tokens import ISSUER, KEYS, NOW, POLICY, TRUST, claims, good, judged

POLICE = {"org_type": "police", "org_id": "pd-7"}
WHOLE = {**POLICE, "org_subtype": "municipal", "org_level": "city", "jurisdiction": "US-MA-BOS"}
AS_PRINCIPAL = Principal(("police",), "pd-7", "municipal", "city", "US-MA-BOS")
NO_OBJECT: list[Any] = [None, True, 7, "police", [], [POLICE], 1.5]


def read(**changes: Any) -> Caller | Reason:
    outcome = caller_of(claims(**changes), ClaimPaths(), POLICY, ISSUER, NOW + 330)
    return outcome.reason if isinstance(outcome, Refusal) else outcome


def chain(length: int) -> dict[str, Any]:
    """Actors that act for one another, each named by how many are behind it."""
    actor: dict[str, Any] = {"org_type": "police", "org_id": "a-1"}
    for number in range(2, length + 1):
        actor = {"org_type": "police", "org_id": f"a-{number}", "act": actor}
    return actor


def test_whom_a_caller_works_for_is_read_whole() -> None:
    caller = read(on_behalf_of=WHOLE)

    assert isinstance(caller, Caller)
    assert caller.on_behalf_of == AS_PRINCIPAL


@pytest.mark.parametrize("value", [*NO_OBJECT, {}, {"sub": "u"}, {"Org_Type": "police"}], ids=ascii)
def test_a_principal_that_is_no_organisation_is_a_bad_claim(value: Any) -> None:
    assert read(on_behalf_of=value) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize(
    "change",
    [
        {"org_type": None}, {"org_type": []}, {"org_type": {}}, {"org_type": ["police", "police"]},
        {"org_id": 7}, {"org_id": ""}, {"org_id": "a b"}, {"org_id": None}, {"org_level": "region"},
        {"jurisdiction": "us"}, {"org_subtype": 1},
    ],
    ids=ascii,
)  # fmt: skip
def test_whoever_is_behind_a_caller_is_read_as_strictly_as_the_caller(change: dict[str, Any]) -> None:
    assert read(on_behalf_of={**WHOLE, **change}) == Reason.TOKEN_CLAIMS
    assert read(org_path=["a", {**WHOLE, **change}]) == Reason.TOKEN_CLAIMS
    assert read(act={**WHOLE, **change}) == Reason.TOKEN_CLAIMS
    assert read(act={"act": {**WHOLE, **change}}) == Reason.TOKEN_CLAIMS


def test_units_are_ids_or_objects() -> None:
    caller = read(org_path=["dept-1", WHOLE, "city-1"])

    assert isinstance(caller, Caller)
    assert caller.path == (Principal(org_id="dept-1"), AS_PRINCIPAL, Principal(org_id="city-1"))


@pytest.mark.parametrize(
    "value",
    [
        None, True, "city-1", {"org_id": "city-1"}, ["a", None], ["a", 7], [["a"]], [""], ["a b"], ["a\n"],
        [{}], [{"sub": "u"}], ["a"] * (MAX_UNITS + 1),
    ],
    ids=lambda value: ascii(value)[:30],
)  # fmt: skip
def test_a_path_of_another_shape_is_a_bad_claim(value: Any) -> None:
    assert read(org_path=value) == Reason.TOKEN_CLAIMS


def test_a_path_may_be_empty_and_has_an_end() -> None:
    assert read(org_path=[]) == read()
    assert isinstance(read(org_path=["a"] * MAX_UNITS), Caller)


def test_every_actor_of_a_chain_counts() -> None:
    caller = read(act=chain(MAX_ACTORS))

    assert isinstance(caller, Caller)
    assert [actor.org_id for actor in caller.actors] == ["a-5", "a-4", "a-3", "a-2", "a-1"]


def test_an_actor_without_an_organisation_says_nothing_and_takes_its_place() -> None:
    nameless: dict[str, Any] = {"sub": "bot", "act": {"sub": "bot", "act": chain(3)}}
    caller = read(act=nameless)

    assert isinstance(caller, Caller)
    assert [actor.org_id for actor in caller.actors] == ["a-3", "a-2", "a-1"]
    assert read(act={"act": nameless}) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("length", [MAX_ACTORS + 1, 40])
def test_a_longer_chain_of_actors_is_refused(length: int) -> None:
    assert read(act=chain(length)) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("value", NO_OBJECT, ids=ascii)
def test_an_actor_that_is_no_object_is_a_bad_claim(value: Any) -> None:
    assert read(act=value) == Reason.TOKEN_CLAIMS
    assert read(act={**POLICE, "act": value}) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize(
    "changes", [{"on_behalf_of": {"org_id": "pd-7"}}, {"act": {"org_id": "pd-7"}}], ids=str
)
def test_nobody_of_unknown_kind_may_be_behind_a_call(changes: dict[str, Any]) -> None:
    """A rule that names types could not tell whether it binds him."""
    assert judged(good(**changes)) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize(
    "changes", [{"on_behalf_of": {"org_id": "pd-7"}}, {"act": {"org_id": "pd-7"}}], ids=str
)
def test_the_registry_can_say_what_kind_it_is(changes: dict[str, Any]) -> None:
    registry = {
        one.org_id: Organisation(one)
        for one in (Principal(("commercial",), "org-1"), AS_PRINCIPAL)
        if one.org_id is not None
    }
    caller = verify(
        good(**changes), {ISSUER: TRUST}, {ISSUER: KEYS}, POLICY, NOW, standing=Standing(registry=registry)
    )

    assert isinstance(caller, Caller)
    assert AS_PRINCIPAL in (caller.on_behalf_of, *caller.actors)


def test_what_an_issuer_may_assert_is_about_the_caller_itself() -> None:
    """A contractor's issuer may say whom the contractor works for, and not that it is one of them."""
    trust = replace(TRUST, org_types=frozenset({"commercial"}))

    assert isinstance(judged(good(on_behalf_of=POLICE), trust), Caller)
    assert judged(good(org_type=["commercial", "police"]), trust) == Reason.ORG_TYPE_NOT_ENTITLED
