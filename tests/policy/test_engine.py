"""The decision itself: deny overrides, exemptions lift only their own, and when an answer may change."""

import dataclasses
from typing import Any

import pytest

from proxy.policy.callers import FOREVER, Caller
from proxy.policy.conditions import Party
from proxy.policy.engine import decide
from proxy.policy.model import Binding, Mode, Moratorium, Policy, Window
from proxy.policy.operations import UNKNOWN_OPERATION, OperationClass, operation
from proxy.policy.reasons import Decision, Reason
from tests.policy.making import ban, binding, covering, exemption

COMPARE = operation("CompareFaces", OperationClass.COMPARE)
DETECT = operation("DetectFaces", OperationClass.DETECT)
INDEX = operation("IndexFaces", OperationClass.ENROLL, OperationClass.DETECT)
POLICE = Caller("issuer", ("police",), "sheriff-1")
BANK = Caller("issuer", ("commercial",), "bank-1")

COVERED = (OperationClass.COMPARE, OperationClass.ENROLL)
BAN = ban(classes=COVERED, windows=(Window(100, 200),))


def policy(*moratoria: Moratorium, mode: Mode = Mode.ENFORCE, unknown: str = "refuse") -> Policy:
    return Policy(
        moratoria,
        frozenset({"police", "commercial"}),
        frozenset({"missing-persons", "redaction"}),
        mode,
        "allow" if unknown == "allow" else "refuse",
    )


@pytest.mark.parametrize(
    ("now", "decision", "reason"),
    [
        (99.999, Decision.ALLOWED, Reason.OUTSIDE_WINDOW),
        (100, Decision.BLOCKED, Reason.MORATORIUM),
        (199.999, Decision.BLOCKED, Reason.MORATORIUM),
        (200, Decision.ALLOWED, Reason.OUTSIDE_WINDOW),
    ],
)
def test_police_comparison_is_blocked_from_the_first_instant_to_the_last(
    now: float, decision: Decision, reason: Reason
) -> None:
    verdict = decide(POLICE, COMPARE, policy(BAN), now)

    assert (decision, reason) == (verdict.decision, verdict.reason)


def test_a_caller_that_is_not_bound_goes_through() -> None:
    assert decide(BANK, COMPARE, policy(BAN), 150).reason is Reason.NOT_BOUND


def test_an_operation_that_is_not_covered_goes_through() -> None:
    assert decide(POLICE, DETECT, policy(BAN), 150).reason is Reason.NOT_COVERED


def test_a_call_of_several_classes_is_blocked_if_any_one_is_covered() -> None:
    assert decide(POLICE, INDEX, policy(BAN), 150).reason is Reason.MORATORIUM


def test_any_one_of_several_organisation_types_binds() -> None:
    caller = POLICE._replace(org_types=("commercial", "police"))

    verdict = decide(caller, COMPARE, policy(BAN), 150)

    assert (verdict.reason, verdict.org_type) == (Reason.MORATORIUM, "police")


def test_there_is_no_shortcut_for_police() -> None:
    """Baltimore binds everyone but the police (C.2, case 13)."""
    inverse = dataclasses.replace(BAN, binds=binding("commercial"))

    assert decide(POLICE, COMPARE, policy(inverse), 150).decision is Decision.ALLOWED
    assert decide(BANK, COMPARE, policy(inverse), 150).decision is Decision.BLOCKED


def exempt(**conditions: Any) -> Moratorium:
    return dataclasses.replace(BAN, exemptions=(exemption(**conditions),))


@pytest.mark.parametrize(
    ("moratorium", "caller", "reason"),
    [
        (exempt(org_ids=frozenset({"sheriff-1"})), POLICE, Reason.EXEMPT),
        (exempt(org_ids=frozenset({"other"})), POLICE, Reason.MORATORIUM),
        (exempt(org_ids=frozenset({"x"})), POLICE._replace(org_id=None), Reason.MORATORIUM),
        (exempt(purposes=frozenset({"missing-persons"})), POLICE, Reason.MORATORIUM),
        (
            exempt(purposes=frozenset({"missing-persons"})),
            POLICE._replace(purpose="missing-persons"),
            Reason.EXEMPT,
        ),
        (
            exempt(purposes=frozenset({"missing-persons"}), requires_case=True),
            POLICE._replace(purpose="missing-persons"),
            Reason.MORATORIUM,
        ),
        (
            exempt(purposes=frozenset({"missing-persons"}), requires_case=True),
            POLICE._replace(purpose="missing-persons", case_digest="d"),
            Reason.EXEMPT,
        ),
        (
            exempt(org_types=frozenset({"commercial"})),
            POLICE._replace(org_types=("police", "commercial")),
            Reason.EXEMPT,
        ),
        (exempt(org_types=frozenset({"commercial"})), POLICE, Reason.MORATORIUM),
        (exempt(org_ids=frozenset({"sheriff-1"}), window=Window(0, 150)), POLICE, Reason.MORATORIUM),
        (exempt(org_ids=frozenset({"sheriff-1"}), window=Window(150, 160)), POLICE, Reason.EXEMPT),
    ],
)
def test_an_exemption_lifts_the_block_only_when_all_its_conditions_are_met(
    moratorium: Moratorium, caller: Caller, reason: Reason
) -> None:
    assert decide(caller, COMPARE, policy(moratorium), 150).reason is reason


def test_an_exemption_must_open_every_covered_class_of_the_call() -> None:
    """IndexFaces enrols and detects; opening detection alone opens nothing (C.2, case 12)."""
    narrow = dataclasses.replace(
        exempt(org_ids=frozenset({"sheriff-1"}), classes=frozenset({OperationClass.COMPARE})),
        covers=covering(*COVERED),
    )

    assert decide(POLICE, COMPARE, policy(narrow), 150).reason is Reason.EXEMPT
    assert decide(POLICE, INDEX, policy(narrow), 150).reason is Reason.MORATORIUM


def test_an_exemption_lifts_only_its_own_moratorium() -> None:
    """A police unit in Boston looks for a missing child: Amazon exempts it, Boston does not (C.2, case 1)."""
    amazon = dataclasses.replace(exempt(org_ids=frozenset({"sheriff-1"})), id="amazon")
    boston = dataclasses.replace(BAN, id="boston")

    for order in ((amazon, boston), (boston, amazon)):
        verdict = decide(POLICE, COMPARE, policy(*order), 150)
        assert verdict.decision is Decision.BLOCKED
        assert verdict.rule is boston


@pytest.mark.parametrize("of", ["policy", "moratorium"])
def test_shadow_lets_the_call_through_and_says_that_it_would_have_been_blocked(of: str) -> None:
    moratorium = dataclasses.replace(BAN, mode=Mode.SHADOW) if of == "moratorium" else BAN
    mode = Mode.SHADOW if of == "policy" else Mode.ENFORCE

    verdict = decide(POLICE, COMPARE, policy(moratorium, mode=mode), 150)

    assert (verdict.decision, verdict.reason) == (Decision.ALLOWED, Reason.SHADOW_BLOCKED)
    assert verdict.rule is moratorium


def test_a_moratorium_in_force_wins_over_one_in_shadow() -> None:
    shadow = dataclasses.replace(BAN, id="shadow", mode=Mode.SHADOW)

    assert decide(POLICE, COMPARE, policy(shadow, BAN), 150).reason is Reason.MORATORIUM


@pytest.mark.parametrize(
    ("caller", "now", "unknown", "mode", "reason"),
    [
        (POLICE, 150, "allow", Mode.ENFORCE, Reason.OPERATION_UNKNOWN),
        (POLICE, 150, "refuse", Mode.ENFORCE, Reason.OPERATION_UNKNOWN),
        (POLICE, 150, "refuse", Mode.SHADOW, Reason.OPERATION_UNKNOWN),
        (POLICE, 150, "allow", Mode.SHADOW, Reason.SHADOW_BLOCKED),
        (POLICE, 50, "allow", Mode.ENFORCE, Reason.UNKNOWN_OPERATION_ALLOWED),
        (BANK, 150, "refuse", Mode.ENFORCE, Reason.OPERATION_UNKNOWN),
        (BANK, 150, "allow", Mode.ENFORCE, Reason.UNKNOWN_OPERATION_ALLOWED),
    ],
)
def test_an_unknown_operation_never_passes_a_moratorium_in_force(
    caller: Caller, now: float, unknown: str, mode: Mode, reason: Reason
) -> None:
    verdict = decide(caller, UNKNOWN_OPERATION, policy(BAN, mode=mode, unknown=unknown), now)

    assert verdict.reason is reason


def test_until_is_the_end_of_the_unbroken_stretch_and_absent_when_open() -> None:
    extended = dataclasses.replace(BAN, windows=(Window(100, 200), Window(200, 300)))
    open_ended = dataclasses.replace(BAN, windows=(Window(100, 200), Window(100, FOREVER)))

    assert decide(POLICE, COMPARE, policy(extended), 150).until == 300
    assert decide(POLICE, COMPARE, policy(open_ended), 150).until is None


def test_a_verdict_holds_until_the_token_ends_a_window_changes_or_an_exemption_does() -> None:
    brief = POLICE._replace(valid_until=120)
    exempted = exempt(org_ids=frozenset({"sheriff-1"}), window=Window(0, 170))

    assert decide(brief, COMPARE, policy(BAN), 110).holds_until == 120
    assert decide(POLICE, COMPARE, policy(BAN), 50).holds_until == 100
    assert decide(POLICE, COMPARE, policy(BAN), 150).holds_until == 200
    assert decide(POLICE, COMPARE, policy(exempted), 150).holds_until == 170
    assert decide(BANK, COMPARE, policy(BAN), 150).holds_until == FOREVER
    assert decide(POLICE, UNKNOWN_OPERATION, policy(BAN), 150).holds_until == 200


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, Reason.MORATORIUM),
        ({"org_subtype": "campus"}, Reason.MORATORIUM),
        ({"org_subtype": "state"}, Reason.NOT_BOUND),
        ({"org_subtype": "campus", "level": "state"}, Reason.NOT_BOUND),
        ({"level": "city"}, Reason.MORATORIUM),
    ],
)
def test_nobody_of_a_type_that_is_named_is_freed_by_keeping_something_back(
    more: dict[str, Any], reason: Reason
) -> None:
    campus = Party(frozenset({"police"}), frozenset({"campus"}), levels=frozenset({"city"}))
    rule = dataclasses.replace(BAN, binds=Binding((campus,)))

    assert decide(POLICE._replace(**more), COMPARE, policy(rule), 150).reason is reason


def test_an_organisation_of_another_type_is_not_bound_for_saying_little() -> None:
    campus = Party(frozenset({"police"}), frozenset({"campus"}))

    rule = dataclasses.replace(BAN, binds=Binding((campus,)))

    assert decide(BANK, COMPARE, policy(rule), 150).reason is Reason.NOT_BOUND
