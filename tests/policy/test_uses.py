"""Limited exemptions, obligations, and verdicts for when nobody can say what time it is."""

import dataclasses
import hashlib
from typing import Any

import pytest

from proxy.policy.callers import FOREVER, Caller, Evidence, EvidenceType, Principal, Relation
from proxy.policy.conditions import Party, PurposeIs, Shows
from proxy.policy.engine import decide, decide_at, judge
from proxy.policy.model import Binding, Exemption, Limit, Mode, Moratorium, Policy, Window
from proxy.policy.operations import UNKNOWN_OPERATION, Medium, OperationClass, operation
from proxy.policy.reasons import Decision, Reason
from tests.policy.making import ban

COMPARE = operation("CompareFaces", OperationClass.COMPARE)
A_WARRANT = Shows(frozenset({EvidenceType.WARRANT}))
WARRANT = Evidence(EvidenceType.WARRANT, "warrant-digest", 100, 300)
POLICE = Caller("issuer", ("police",), "sheriff-1", "redaction", evidence=(WARRANT,))
PER_WARRANT, PER_ORG = Limit(1), Limit(2, 60.0, "organisation")


def exempting(*exemptions: Exemption, name: str = "ban", **more: Any) -> Moratorium:
    return ban(name, windows=(Window(0, 1000),), exemptions=exemptions, **more)


def policy(*moratoria: Moratorium, mode: Mode = Mode.ENFORCE) -> Policy:
    return Policy(moratoria, frozenset({"police"}), frozenset({"redaction"}), mode)


def key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


BY_WARRANT = Exemption("by-warrant", (A_WARRANT,), limit=PER_WARRANT)
BY_PURPOSE = Exemption("by-purpose", (PurposeIs(frozenset({"redaction"})),), limit=PER_ORG)


@pytest.mark.parametrize(
    ("exemption", "whose"),
    [(BY_WARRANT, "warrant-digest"), (BY_PURPOSE, "sheriff-1")],
    ids=lambda v: str(v)[:9],
)
def test_a_use_is_counted_by_evidence_or_by_organisation(exemption: Exemption, whose: str) -> None:
    verdict = decide(POLICE, COMPARE, policy(exempting(exemption)), 200)

    assert verdict.reason is Reason.EXEMPT
    assert [(spend.key, spend.limit) for spend in verdict.spends] == [
        (key("ban", exemption.id, whose), exemption.limit)
    ]
    assert verdict.holds_until == 200


@pytest.mark.parametrize(
    ("exemption", "whose"),
    [(BY_WARRANT, "warrant-digest"), (BY_PURPOSE, "sheriff-1")],
    ids=lambda v: str(v)[:9],
)
def test_an_exemption_that_is_used_up_does_not_lift(exemption: Exemption, whose: str) -> None:
    spent = frozenset({key("ban", exemption.id, whose)})

    verdict = decide(POLICE, COMPARE, policy(exempting(exemption)), 200, spent)

    assert (verdict.reason, verdict.exemption, verdict.spends) == (Reason.MORATORIUM, None, ())
    assert verdict.holds_until == 200  # only their count knows when uses become free again


def test_where_one_exemption_is_used_up_the_next_may_lift() -> None:
    spent = frozenset({key("ban", "by-warrant", "warrant-digest")})
    found = policy(exempting(BY_WARRANT, dataclasses.replace(BY_PURPOSE, limit=None)))

    verdict = decide(POLICE, COMPARE, found, 200, spent)

    assert (verdict.exemption, verdict.spends, verdict.holds_until) == ("by-purpose", (), 200)


def test_somebody_elses_used_up_limit_is_nothing_to_this_caller() -> None:
    spent = frozenset({key("ban", "by-warrant", "other"), key("other", "by-warrant", "warrant-digest")})

    assert decide(POLICE, COMPARE, policy(exempting(BY_WARRANT)), 200, spent).reason is Reason.EXEMPT


def test_uses_that_cannot_be_counted_for_want_of_a_name_are_not_to_be_had() -> None:
    nameless = POLICE._replace(org_id=None)

    assert decide(nameless, COMPARE, policy(exempting(BY_PURPOSE)), 200).reason is Reason.MORATORIUM


def test_a_call_that_two_moratoria_exempt_spends_and_owes_for_both() -> None:
    one = exempting(dataclasses.replace(BY_WARRANT, obligations=("review", "notice")))
    other = exempting(dataclasses.replace(BY_PURPOSE, obligations=("notice", "report")), name="other")

    verdict = decide(POLICE, COMPARE, policy(one, other), 200)

    assert [spend.key for spend in verdict.spends] == [
        key("ban", "by-warrant", "warrant-digest"),
        key("other", "by-purpose", "sheriff-1"),
    ]
    assert verdict.obligations == ("review", "notice", "report")
    assert (verdict.rule, verdict.exemption, verdict.evidence) == (one, "by-warrant", "warrant-digest")


def test_a_blocked_call_spends_and_owes_nothing() -> None:
    lifted = exempting(dataclasses.replace(BY_WARRANT, obligations=("review",)))

    verdict = decide(POLICE, COMPARE, policy(lifted, exempting(name="strict")), 200)

    assert (verdict.decision, verdict.spends, verdict.obligations) == (Decision.BLOCKED, (), ())
    assert verdict.evidence is None


def test_a_call_that_a_shadow_lets_through_still_spends_what_another_exempts() -> None:
    shadow = dataclasses.replace(exempting(name="shadow"), mode=Mode.SHADOW)

    verdict = decide(POLICE, COMPARE, policy(exempting(BY_WARRANT), shadow), 200)

    assert verdict.reason is Reason.SHADOW_BLOCKED
    assert len(verdict.spends) == 1


def test_evidence_is_told_only_of_the_exemption_that_asked_for_it() -> None:
    purpose = dataclasses.replace(BY_PURPOSE, limit=None)

    assert decide(POLICE, COMPARE, policy(exempting(purpose)), 200).evidence is None


def test_an_exemption_ends_with_its_evidence() -> None:
    found = policy(exempting(dataclasses.replace(BY_WARRANT, limit=None)))

    assert decide(POLICE, COMPARE, found, 50).holds_until == 100
    assert decide(POLICE, COMPARE, found, 100).holds_until == 300
    assert decide(POLICE, COMPARE, found, 300).holds_until == 1000


@pytest.mark.parametrize(
    ("media", "reason"),
    [
        ({Medium.IMAGE}, Reason.EXEMPT),
        ({Medium.IMAGE, Medium.LIVE}, Reason.MORATORIUM),
        ({Medium.LIVE}, Reason.MORATORIUM),
        (set(), Reason.MORATORIUM),
    ],
)
def test_an_exemption_for_a_medium_is_for_nothing_that_may_be_another(
    media: set[Medium], reason: Reason
) -> None:
    exemption = dataclasses.replace(BY_PURPOSE, limit=None, media=frozenset({Medium.IMAGE}))
    call = COMPARE._replace(media=frozenset(media))

    assert decide(POLICE, call, policy(exempting(exemption)), 200).reason is reason


# ---------------------------------------------------------------- whom and what a verdict names


def test_the_first_of_equals_is_named() -> None:
    shut = [ban(name, windows=(Window(0, 10),)) for name in ("a", "b")]
    shadows = [ban(name, mode=Mode.SHADOW) for name in ("a", "b")]
    elsewhere = [ban(name, classes=(OperationClass.SEARCH,)) for name in ("a", "b")]

    for moratoria in (shut, shadows, elsewhere, [ban("a"), ban("b")]):
        assert decide(POLICE, COMPARE, policy(*moratoria), 200).rule is moratoria[0]


def test_a_moratorium_out_of_its_window_is_named_before_one_about_something_else() -> None:
    other, shut = ban("a", classes=(OperationClass.SEARCH,)), ban("b", windows=(Window(0, 10),))

    verdict = decide(POLICE, COMPARE, policy(other, shut), 200)

    assert (verdict.reason, verdict.rule, verdict.until) == (Reason.OUTSIDE_WINDOW, shut, None)


def test_a_moratorium_judged_alone_knows_that_all_of_the_policy_is_a_shadow() -> None:
    finding = judge(ban(), POLICE, POLICE.principals(), COMPARE, Mode.SHADOW, 200)

    assert finding.reason is Reason.SHADOW_BLOCKED


def test_the_organisation_by_which_a_call_is_bound_is_named() -> None:
    sheriff = Principal(("government", "police"), "county-so")
    contractor = Caller("issuer", ("commercial",), "vendor", on_behalf_of=sheriff)

    verdict = decide(contractor, COMPARE, policy(ban()), 200)

    assert (verdict.relation, verdict.org_type) == (Relation.ON_BEHALF_OF, "police")


def test_one_bound_without_a_type_of_its_own_is_told_by_the_callers() -> None:
    by_id = dataclasses.replace(ban(), binds=Binding((Party(org_ids=frozenset({"x"})),)))
    caller = Caller("issuer", ("commercial",), on_behalf_of=Principal((), "x"))
    typed = Caller("issuer", ("commercial",), on_behalf_of=Principal(("press", "police"), "x"))

    assert decide(caller, COMPARE, policy(by_id), 200).org_type == "commercial"
    assert decide(typed, COMPARE, policy(by_id), 200).org_type == "press"


def test_a_call_of_several_organisations_is_not_exempt_through_one_of_them() -> None:
    caller = POLICE._replace(on_behalf_of=Principal(("police",), "county-so"))
    named = Exemption("named", (PurposeIs(frozenset({"redaction"})),), limit=PER_ORG)

    verdict = decide(caller, COMPARE, policy(exempting(named)), 200)

    assert [spend.key for spend in verdict.spends] == [key("ban", "named", "sheriff-1")]


def test_an_unknown_operation_is_judged_again_at_the_next_edge_of_any_window_that_may_bind() -> None:
    later = policy(
        ban(windows=(Window(300, 400),)), ban("other", ("commercial",), windows=(Window(250, 260),))
    )
    verdict = decide(POLICE, UNKNOWN_OPERATION, later, 200)

    assert (verdict.reason, verdict.rule, verdict.holds_until) == (Reason.OPERATION_UNKNOWN, None, 300)
    assert verdict.operation is UNKNOWN_OPERATION


# ---------------------------------------------------------------- instants in doubt

IN_WINDOW, AFTER = 500, 1500
BAN = policy(exempting())


@pytest.mark.parametrize(
    ("instants", "reason"),
    [
        ((AFTER,), Reason.OUTSIDE_WINDOW),
        ((AFTER, AFTER + 1), Reason.OUTSIDE_WINDOW),
        ((AFTER, IN_WINDOW), Reason.MORATORIUM),
        ((AFTER, AFTER + 1, IN_WINDOW), Reason.MORATORIUM),
        ((AFTER, IN_WINDOW, AFTER + 1), Reason.MORATORIUM),
        ((IN_WINDOW, AFTER), Reason.MORATORIUM),
    ],
)
def test_of_several_instants_one_that_blocks_is_enough(instants: tuple[float, ...], reason: Reason) -> None:
    assert decide_at(instants, POLICE, COMPARE, BAN).reason is reason


def test_a_verdict_in_doubt_is_good_for_one_call() -> None:
    assert decide_at((AFTER, IN_WINDOW), POLICE, COMPARE, BAN).holds_until == AFTER
    assert decide_at((AFTER, AFTER + 1), POLICE, COMPARE, BAN).holds_until == AFTER
    assert decide_at((AFTER,), POLICE, COMPARE, BAN).holds_until == FOREVER


def test_used_up_limits_count_at_every_instant() -> None:
    spent = frozenset({key("ban", "by-purpose", "sheriff-1")})
    found = policy(exempting(BY_PURPOSE))

    for instants in ((IN_WINDOW, AFTER), (AFTER, IN_WINDOW)):
        assert decide_at(instants, POLICE, COMPARE, found).decision is Decision.ALLOWED
        assert decide_at(instants, POLICE, COMPARE, found, spent).decision is Decision.BLOCKED
