"""Conditions one by one: when each is met, when that changes, and what it says that it asks."""

import pytest

from proxy.policy.callers import FOREVER, Caller, Evidence, EvidenceType, Principal
from proxy.policy.conditions import (
    BoundIs,
    CircumstanceIs,
    Condition,
    HasCase,
    Of,
    Party,
    PlaceIs,
    PurposeIs,
    PurposeIsNot,
    Question,
    Shows,
    within,
)
from proxy.policy.operations import OperationClass, operation

COMPARE = operation("CompareFaces", OperationClass.COMPARE)
CALLER = Caller("issuer", ("police",), "sheriff-1")
NOW = 100_000.0
WARRANT = Evidence(EvidenceType.WARRANT, "digest", NOW - 3600)
A_WARRANT = frozenset({EvidenceType.WARRANT})


def asked(caller: Caller = CALLER, now: float = NOW) -> Question:
    return Question(caller, COMPARE, COMPARE.classes, (caller.principal,), now)


def showing(*evidence: Evidence, purpose: str | None = None) -> Question:
    return asked(CALLER._replace(evidence=evidence, purpose=purpose))


@pytest.mark.parametrize(
    ("place", "jurisdiction", "expected"),
    [
        ("US-MA", "US-MA", True),
        ("US-MA-BOS", "US-MA", True),
        ("US-MA-BOS", "US", True),
        ("US-MA", "US-MA-BOS", None),
        ("US", "US-MA-BOS", None),
        ("US-MAX", "US-MA", False),
        ("US-VA", "US-MA", False),
        (None, "US-MA", None),
    ],
)
def test_a_place_lies_in_what_its_name_begins_with(
    place: str | None, jurisdiction: str, expected: bool | None
) -> None:
    assert within(place, frozenset({jurisdiction})) is expected


def test_of_several_jurisdictions_one_is_enough() -> None:
    assert within("US-VA", frozenset({"US-MA", "US-VA"})) is True
    assert within("US", frozenset({"DE", "US-VA"})) is None


BOSTON = frozenset({"US-MA-BOS"})


@pytest.mark.parametrize(
    ("of", "caller", "expected"),
    [
        (Of(), CALLER._replace(jurisdiction="US-MA-BOS"), True),
        (Of(bound=False, caller=True), CALLER._replace(jurisdiction="US-MA-BOS"), True),
        (Of(), CALLER._replace(subject_jurisdiction="US-MA-BOS", jurisdiction="DE"), False),
        (Of(bound=False, subject=True), CALLER._replace(subject_jurisdiction="US-MA-BOS"), True),
        (Of(bound=False, place=True), CALLER._replace(place_jurisdiction="US-MA-BOS"), True),
        (
            Of(bound=False, principal=True),
            CALLER._replace(on_behalf_of=Principal(jurisdiction="US-MA-BOS")),
            True,
        ),
        (Of(principal=True), CALLER._replace(jurisdiction="DE"), False),
    ],
)
def test_whose_place_is_looked_at_is_said(of: Of, caller: Caller, expected: bool) -> None:
    assert PlaceIs(BOSTON, of).met(asked(caller)) is expected


def test_a_place_that_is_not_said_closely_enough_counts_as_missing() -> None:
    vague = asked(CALLER._replace(jurisdiction="US-MA"))

    assert PlaceIs(BOSTON, missing=True).met(vague)
    assert not PlaceIs(BOSTON, missing=False).met(vague)
    assert not PlaceIs(BOSTON, missing=True).met(asked(CALLER._replace(jurisdiction="US-VA")))


def test_one_place_that_is_not_said_is_enough_for_doubt_whatever_the_others_are() -> None:
    caller = CALLER._replace(jurisdiction=None, subject_jurisdiction="DE")

    assert PlaceIs(BOSTON, Of(subject=True), missing=True).met(asked(caller))


@pytest.mark.parametrize("missing", [True, False])
def test_a_purpose_or_circumstance_that_is_not_stated_counts_as_the_condition_says(missing: bool) -> None:
    for condition in (
        PurposeIs(frozenset({"redaction"}), missing),
        PurposeIsNot(frozenset({"redaction"}), missing),
        CircumstanceIs("camera", frozenset({"officer"}), missing),
    ):
        assert condition.met(asked()) is missing


def test_an_exemption_for_all_purposes_but_one_is_not_for_callers_that_state_none() -> None:
    condition = PurposeIsNot(frozenset({"criminal-investigation"}))

    assert not condition.met(asked())
    assert condition.met(asked(CALLER._replace(purpose="redaction")))


def test_of_several_values_of_a_circumstance_one_is_enough() -> None:
    said = asked(CALLER._replace(circumstances=frozenset({("camera", "fixed"), ("camera", "officer")})))

    assert CircumstanceIs("camera", frozenset({"officer"})).met(said)
    assert not CircumstanceIs("camera", frozenset({"drone"}), missing=True).met(said)


def test_every_bound_organisation_must_be_the_one_that_is_exempt() -> None:
    question = asked()._replace(bound=(Principal(("police",), "a"), Principal(("police",), "b")))

    assert BoundIs(Party(org_ids=frozenset({"a", "b"}))).met(question)
    assert not BoundIs(Party(org_ids=frozenset({"a"}))).met(question)


def test_an_exception_wants_all_types_of_an_organisation_and_a_party_any() -> None:
    party = Party(org_types=frozenset({"police"}))
    both = Principal(("police", "commercial"))

    assert party.fits(both)
    assert not party.fits_wholly(both)
    assert party.fits_wholly(Principal(("police",)))
    assert Party(org_ids=frozenset({"a"})).fits_wholly(Principal(("police", "commercial"), "a"))


@pytest.mark.parametrize(
    ("shows", "evidence", "expected"),
    [
        (Shows(A_WARRANT), WARRANT, True),
        (Shows(A_WARRANT), WARRANT._replace(type=EvidenceType.CONSENT), False),
        (Shows(A_WARRANT), WARRANT._replace(issued_at=NOW), True),
        (Shows(A_WARRANT), WARRANT._replace(issued_at=NOW + 1), False),
        (Shows(A_WARRANT), WARRANT._replace(expires_at=NOW), False),
        (Shows(A_WARRANT), WARRANT._replace(expires_at=NOW + 1), True),
        (Shows(A_WARRANT, max_age=3600), WARRANT, False),
        (Shows(A_WARRANT, max_age=3601), WARRANT, True),
        (Shows(A_WARRANT, issued_before=WARRANT.issued_at), WARRANT, False),
        (Shows(A_WARRANT, issued_before=WARRANT.issued_at + 1), WARRANT, True),
        (Shows(A_WARRANT, issued_by=frozenset({"court"})), WARRANT, False),
        (Shows(A_WARRANT, issued_by=frozenset({"court"})), WARRANT._replace(issued_by="court"), True),
        (Shows(A_WARRANT), WARRANT._replace(classes=COMPARE.classes), True),
        (Shows(A_WARRANT), WARRANT._replace(classes=frozenset({OperationClass.SEARCH})), False),
        (Shows(A_WARRANT), WARRANT._replace(purposes=frozenset({"redaction"})), True),
        (Shows(A_WARRANT), WARRANT._replace(purposes=frozenset({"other"})), False),
        (Shows(A_WARRANT, named=True), WARRANT, False),
        (Shows(A_WARRANT, named=True), WARRANT._replace(classes=COMPARE.classes), False),
        (
            Shows(A_WARRANT, named=True),
            WARRANT._replace(classes=COMPARE.classes, purposes=frozenset({"redaction"})),
            True,
        ),
    ],
)
def test_evidence_must_be_of_the_kind_fresh_and_given_for_this(
    shows: Shows, evidence: Evidence, expected: bool
) -> None:
    assert shows.met(showing(evidence, purpose="redaction")) is expected


def test_evidence_for_a_purpose_is_nothing_to_a_call_without_one() -> None:
    assert not Shows(A_WARRANT).met(showing(WARRANT._replace(purposes=frozenset({"redaction"}))))


def test_of_several_pieces_the_one_that_lasts_longest_is_shown() -> None:
    brief, long = WARRANT._replace(expires_at=NOW + 1), WARRANT._replace(digest="long", expires_at=NOW + 9)

    assert Shows(A_WARRANT).shown(showing(brief, long, brief)) == long
    assert Shows(A_WARRANT, max_age=3601).shown(showing(brief, long)) == brief


def test_evidence_begins_and_ends_at_its_own_instants() -> None:
    later = WARRANT._replace(issued_at=NOW + 10, expires_at=NOW + 50)
    other = WARRANT._replace(type=EvidenceType.CONSENT, issued_at=NOW + 1)

    assert Shows(A_WARRANT).changes_at(showing(later, other)) == NOW + 10
    assert Shows(A_WARRANT).changes_at(asked(CALLER._replace(evidence=(later,)), NOW + 10)) == NOW + 50
    assert Shows(A_WARRANT, max_age=20).changes_at(asked(CALLER._replace(evidence=(later,)), NOW + 10)) == (
        NOW + 30
    )
    assert Shows(A_WARRANT).changes_at(asked(CALLER._replace(evidence=(later,)), NOW + 50)) == FOREVER
    assert HasCase().changes_at(asked()) == FOREVER


def test_a_case_number_is_there_or_not() -> None:
    assert HasCase().met(asked(CALLER._replace(case_digest="d")))
    assert not HasCase().met(asked())


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (HasCase(), "a case number"),
        (PurposeIs(frozenset({"b", "a"})), "a purpose that is a or b"),
        (PurposeIsNot(frozenset({"a"})), "a purpose other than a"),
        (CircumstanceIs("camera", frozenset({"officer"})), "the circumstance camera to be officer"),
        (PlaceIs(BOSTON, Of(subject=True)), "the bound organisation or subject to be in US-MA-BOS"),
        (
            BoundIs(
                Party(frozenset({"police"}), frozenset({"campus"}), frozenset({"a"}), frozenset({"city"}))
            ),
            "an organisation whose type is police and an organisation whose subtype is campus"
            " and an organisation whose id is a and an organisation whose level is city",
        ),
        (Shows(A_WARRANT), "evidence: warrant"),
        (
            Shows(A_WARRANT, 86400 * 2, frozenset({"court"}), NOW, named=True),
            "evidence: warrant, at most 2 days old, given by court, given before the date in the policy,"
            " that names these operations and this purpose",
        ),
        (Shows(A_WARRANT, 86400), "evidence: warrant, at most 1 days old"),
        (Shows(A_WARRANT, 7200), "evidence: warrant, at most 2 hours old"),
        (Shows(A_WARRANT, 90 * 60), "evidence: warrant, at most 90 minutes old"),
        (Shows(A_WARRANT, 90), "evidence: warrant, at most 90 seconds old"),
    ],
)
def test_a_condition_says_what_it_asks(condition: Condition, says: str) -> None:
    assert str(condition) == says


def test_an_exemption_for_a_place_wants_every_organisation_to_be_there() -> None:
    here, there, silent = (Principal(("police",), jurisdiction=where) for where in ("US-MA-BOS", "DE", None))
    everywhere = PlaceIs(BOSTON, every=True)

    assert everywhere.met(asked()._replace(bound=(here,)))
    assert everywhere.met(asked()._replace(bound=(here, here)))
    assert not everywhere.met(asked()._replace(bound=(here, there)))
    assert not everywhere.met(asked()._replace(bound=(here, silent)))
    assert not PlaceIs(BOSTON, Of(bound=False, principal=True), every=True).met(asked())
    assert (
        str(PlaceIs(BOSTON, Of(subject=True), every=True))
        == "the bound organisation and subject to be in US-MA-BOS"
    )
