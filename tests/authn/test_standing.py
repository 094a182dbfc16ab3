"""Suspensions and revocations: who they reach, from when, and what a suspended caller is told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.authn.registry import Organisation
from proxy.authn.standing import NO_STANDING, Marks, Revoked, Standing, Suspension
from proxy.policy.callers import Caller, Evidence, EvidenceType, Instant, Principal
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason

NOW = 1_800_000_000.0
ISSUER, OTHER = "https://issuer.test", "https://other.test"
JTI, SUB = "token-7", "user-7"
WARRANT = Evidence(EvidenceType.WARRANT, "a" * 64, NOW - 60)


def caller(**changes: Any) -> Caller:
    return Caller(ISSUER, ("police",), "pd-7", valid_until=NOW + 300)._replace(**changes)


def judged(standing: Standing, one: Caller | None = None, now: Instant = NOW) -> Caller | Reason:
    outcome = standing.judge(one or caller(), JTI, SUB, now)
    return outcome.reason if isinstance(outcome, Refusal) else outcome


def suspending(org_id: str, *spans: Suspension) -> Standing:
    return Standing(suspensions={org_id: spans or (Suspension(),)})


def told(standing: Standing, one: Caller | None = None, now: Instant = NOW) -> str:
    outcome = standing.judge(one or caller(), JTI, SUB, now)
    assert isinstance(outcome, Refusal)
    return outcome.detail


# ------------------------------------------------------------ suspensions

INVOLVED = {
    "itself": caller(),
    "a unit above": caller(org_id="x", path=(Principal(org_id="y"), Principal(org_id="pd-7"))),
    "the one behind": caller(org_id="x", on_behalf_of=Principal(org_id="pd-7")),
    "an actor": caller(org_id="x", actors=(Principal(org_id="y"), Principal(org_id="pd-7"))),
}


def test_where_nothing_is_known_a_caller_stays_as_it_is() -> None:
    assert judged(NO_STANDING) == caller()


@pytest.mark.parametrize("one", INVOLVED.values(), ids=INVOLVED)
def test_whoever_has_to_do_with_a_suspended_organisation_is_refused(one: Caller) -> None:
    assert judged(suspending("pd-7"), one) is Reason.ORG_SUSPENDED
    assert judged(suspending("pd-8"), one) == one


@pytest.mark.parametrize("relation", ["itself", "on_behalf_of", "actors"])
def test_a_suspension_reaches_registered_units_below(relation: str) -> None:
    city, police = Principal(("government",), "city"), Principal(("police",), "pd-7")
    firm = Principal(("commercial",), "firm")
    registry = {"pd-7": Organisation(police, (city,)), "city": Organisation(city), "firm": Organisation(firm)}
    one = {
        "itself": caller(),
        "on_behalf_of": caller(org_types=("commercial",), org_id="firm", on_behalf_of=police),
        "actors": caller(org_types=("commercial",), org_id="firm", actors=(police,)),
    }[relation]

    assert isinstance(judged(Standing(registry), one), Caller)
    assert judged(Standing(registry, {"city": (Suspension(),)}), one) is Reason.ORG_SUSPENDED


def test_an_organisation_that_is_named_by_type_alone_is_nobody_who_is_suspended() -> None:
    one = caller(org_id=None, on_behalf_of=Principal(("police",)))

    assert judged(suspending("pd-7"), one) == one


def test_a_suspension_is_half_open() -> None:
    standing = suspending("pd-7", Suspension(NOW, NOW + 10))

    assert isinstance(judged(standing, now=NOW - 1), Caller)
    assert judged(standing, now=NOW) is Reason.ORG_SUSPENDED
    assert judged(standing, now=NOW + 9) is Reason.ORG_SUSPENDED
    assert judged(standing, now=NOW + 10) == caller()


def test_a_caller_is_kept_no_longer_than_until_its_suspension_begins() -> None:
    standing = suspending("pd-7", Suspension(NOW + 100), Suspension(NOW + 50), Suspension(NOW + 999))

    assert judged(standing) == caller(valid_until=NOW + 50)


def test_the_caller_is_told_until_when_and_what_the_operator_says() -> None:
    standing = suspending("pd-7", Suspension(NOW - 1, NOW + 60, "See https://operator.test/pause."))

    assert told(standing) == (
        "This is about the caller itself, until 2027-01-15T08:01:00Z. See https://operator.test/pause."
    )
    assert told(suspending("pd-7")) == "This is about the caller itself, until further notice."


def test_the_lifting_date_is_that_of_all_suspensions_together() -> None:
    standing = suspending(
        "pd-7",
        Suspension(NOW - 9, NOW + 60, "short"),
        Suspension(NOW - 9, NOW + 120, "long"),
        Suspension(NOW + 120, NOW + 180, "next"),
        Suspension(NOW + 181, NOW + 240, "another one"),
    )

    assert told(standing) == "This is about the caller itself, until 2027-01-15T08:03:00Z. long"


# ------------------------------------------------------------ revocations


@pytest.mark.parametrize("whose", [None, ISSUER])
@pytest.mark.parametrize(("kind", "key"), [("tokens", JTI), ("subjects", SUB), ("organisations", "pd-7")])
def test_a_revoked_token_is_refused(kind: str, key: str, whose: str | None) -> None:
    marks: Marks = {whose: {key: NOW}}
    standing = Standing(revoked=Revoked(**{kind: marks}))

    assert judged(standing) is Reason.TOKEN_REVOKED
    assert judged(standing, now=NOW - 1) == caller(valid_until=NOW)


@pytest.mark.parametrize("kind", ["tokens", "subjects", "organisations"])
def test_a_revocation_for_another_issuer_is_none(kind: str) -> None:
    marks: Marks = {OTHER: {JTI: NOW, SUB: NOW, "pd-7": NOW}}

    assert judged(Standing(revoked=Revoked(**{kind: marks}))) == caller()


def test_ids_of_one_kind_are_not_taken_for_those_of_another() -> None:
    revoked = Revoked(tokens={None: {SUB: NOW, "pd-7": NOW}}, subjects={None: {JTI: NOW}})

    assert judged(Standing(revoked=revoked)) == caller()


@pytest.mark.parametrize("one", INVOLVED.values(), ids=INVOLVED)
def test_the_revocation_of_an_organisation_reaches_every_token_that_names_it(one: Caller) -> None:
    assert judged(Standing(revoked=Revoked(organisations={None: {"pd-7": NOW}})), one) is Reason.TOKEN_REVOKED


def test_a_token_without_id_and_subject_is_not_taken_for_a_revoked_one() -> None:
    standing = Standing(revoked=Revoked(tokens={None: {JTI: NOW}}, subjects={ISSUER: {SUB: NOW}}))

    assert standing.judge(caller(), None, None, NOW) == caller()


def test_a_revoked_token_is_refused_for_that_even_if_its_organisation_is_suspended() -> None:
    standing = Standing(suspensions={"pd-7": (Suspension(),)}, revoked=Revoked(tokens={None: {JTI: NOW}}))

    assert judged(standing) is Reason.TOKEN_REVOKED


def test_revoked_evidence_shows_nothing_any_more_and_the_caller_stays() -> None:
    consent = WARRANT._replace(digest="b" * 64)
    one = caller(evidence=(WARRANT, consent))
    standing = Standing(revoked=Revoked(evidence={ISSUER: {WARRANT.digest: NOW, consent.digest: NOW + 50}}))

    assert judged(standing, one, NOW - 1) == one._replace(valid_until=NOW)
    assert judged(standing, one) == one._replace(evidence=(consent,), valid_until=NOW + 50)
    assert judged(standing, one, NOW + 50) == one._replace(evidence=())


def test_evidence_revoked_for_another_issuer_still_counts() -> None:
    one = caller(evidence=(WARRANT,))

    assert judged(Standing(revoked=Revoked(evidence={OTHER: {WARRANT.digest: NOW}})), one) == one


def test_a_standing_shows_how_much_is_known() -> None:
    registry = {"pd-7": Organisation(Principal(("police",), "pd-7"))}

    assert repr(NO_STANDING) == "<Standing no registry, 0 suspended, nothing revoked>"
    assert repr(Standing(registry, {"pd-7": (Suspension(),)}, Revoked(tokens={None: {JTI: NOW}}))) == (
        "<Standing 1 registered, 1 suspended, 1 tokens revoked>"
    )


# ------------------------------------------------------------ always

instants = st.integers(-5, 5).map(lambda n: NOW + n)
ids = st.sampled_from(["pd-7", "city", "x"])
spans = st.builds(Suspension, instants, instants)
marks = st.dictionaries(
    st.sampled_from([None, ISSUER, OTHER]), st.dictionaries(ids | st.sampled_from([JTI, SUB]), instants)
)
principals = st.builds(lambda org_id: Principal(("police",), org_id), ids)
standings = st.builds(
    Standing,
    st.none()
    | st.dictionaries(
        ids, st.builds(Organisation, principals, valid_until=instants, verified_on=instants)
    ).map(
        lambda entries: {
            org_id: entry._replace(principal=entry.principal._replace(org_id=org_id))
            for org_id, entry in entries.items()
        }
    ),
    st.dictionaries(ids, st.tuples(spans, spans)),
    st.builds(Revoked, marks, marks, marks),
)
callers = st.builds(
    lambda org_id, path, behind, actors: caller(org_id=org_id, path=path, on_behalf_of=behind, actors=actors),
    ids,
    st.lists(principals, max_size=2).map(tuple),
    st.none() | principals,
    st.lists(principals, max_size=2).map(tuple),
)


@given(standings, callers)
def test_an_answer_holds_until_the_instant_it_names(standing: Standing, one: Caller) -> None:
    """A caller is kept until `valid_until` without asking again: no refusal may come before."""
    first = judged(standing, one)
    if isinstance(first, Caller):
        for now in (NOW + n for n in range(1, 8) if NOW + n < first.valid_until):
            assert judged(standing, one, now) == first


@given(standings, callers)
def test_standing_never_makes_more_of_a_caller(standing: Standing, one: Caller) -> None:
    after = judged(standing, one)
    if isinstance(after, Caller):
        assert after.org_types == one.org_types
        assert after.valid_until <= one.valid_until
        assert {p.org_id for _, p in one.principals()} <= {p.org_id for _, p in after.principals()}
