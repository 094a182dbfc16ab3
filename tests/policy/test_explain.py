"""An explanation says what the engine says, and why: nothing of it is decided twice."""

from typing import Any

import pytest

from proxy.policy.callers import FOREVER, Caller, Evidence, EvidenceType, Principal
from proxy.policy.document import build, parse
from proxy.policy.engine import decide, judge, opens
from proxy.policy.explain import Account, Explanation, explain
from proxy.policy.model import Policy
from proxy.policy.operations import UNKNOWN_OPERATION, Medium, Operation, OperationClass, Trait, operation
from proxy.policy.reasons import Decision, Reason
from proxy.policy.scope import bound_by, covered_by
from proxy.policy.steps import Kind, Step, question_of
from tests.policy.generate import policy_of, world
from tests.policy.generated_values import caller_of, operation_of

COMPARE = operation("CompareFaces", OperationClass.COMPARE)
NOW = 1_600_000_000.0  # 2020-09-13

KINDS = {
    Reason.NOT_BOUND: {Kind.PARTY},
    Reason.NOT_COVERED: {Kind.OPERATION},
    Reason.OUTSIDE_JURISDICTION: {Kind.PLACE},
    Reason.OUTSIDE_SCOPE: {Kind.PURPOSE, Kind.CIRCUMSTANCE},
    Reason.OUTSIDE_WINDOW: {Kind.WINDOW},
}


@pytest.mark.parametrize("number", range(25))
def test_an_explanation_agrees_with_the_engine_in_every_part(number: int) -> None:
    drawn = world(number, 20)
    policy = policy_of(drawn.setting)
    for asked in drawn.questions:
        caller, what = caller_of(asked.caller), operation_of(asked.operation)
        unknown = OperationClass.UNKNOWN in what.classes

        found = explain(caller, what, policy, asked.now, drawn.setting.known_at)

        assert found.verdict == decide(caller, what, policy, asked.now)
        assert [one.moratorium for one in found.accounts] == [*policy.moratoria]
        for one in found.accounts:
            bound = bound_by(one.moratorium.binds, caller.principals())
            assert [*one.bound] == bound
            if not unknown:
                assert one.says == judge(one.moratorium, caller, bound, what, policy.mode, asked.now).reason
            covered = covered_by(one.moratorium.covers, what)
            question = question_of(caller, what, covered, bound, asked.now)
            assert all(offer.opens == opens(offer.exemption, question) for offer in one.offers)
            assert (not one.unmet) == (one.says not in KINDS)
            assert not one.unmet or one.unmet[0].kind in KINDS[one.says]
            counting = sorted(entry.chapter.window for entry in one.history if entry.counts)
            assert counting == sorted(one.moratorium.windows)
        for turn in found.turns:
            assert turn.at > asked.now
            if turn.verdict is None:
                assert turn.at == caller.valid_until
            else:
                assert turn.verdict == decide(caller, what, policy, turn.at)


@pytest.mark.parametrize("number", range(40, 50))
def test_what_would_lift_a_block_lifts_it(number: int) -> None:
    """An exemption without the steps that are not met is one that opens."""
    drawn = world(number, 20)
    policy = policy_of(drawn.setting)
    for asked in drawn.questions:
        caller, what = caller_of(asked.caller), operation_of(asked.operation)
        found = explain(caller, what, policy, asked.now)
        accounts = {one.moratorium.id: one for one in found.accounts}
        for change in found.changes:
            if change.to is Decision.ALLOWED and change.exemption is not None:
                assert change.steps
                assert not any(step.met for step in change.steps)
            elif change.to is Decision.ALLOWED:
                assert accounts[change.moratorium].ends is not None
            elif change.exemption is not None:
                assert all(step.met for step in change.steps)
            assert change.moratorium not in change.still


# ---------------------------------------------------------------- examples


def police(**more: Any) -> Caller:
    return Caller("issuer", ("police",), **more)


def policy(text: str, **more: Any) -> Policy:
    return build(
        parse(
            "schema = 1\n[vocabulary.circumstances]\ncamera = ['officer', 'fixed']\n"
            f"[[moratorium]]\nid = 'ban'\n{text}",
            "p.toml",
        ),
        **more,
    )


BAN = "binds.org_types = ['police']\ncovers.classes = ['compare']\n"


def asked(text: str, caller: Caller, what: Operation = COMPARE, **more: Any) -> Explanation:
    return explain(caller, what, policy(text, **more), NOW)


def only(found: Explanation) -> Account:
    (one,) = found.accounts
    return one


def the(kind: Kind, found: Explanation) -> Step:
    return next(step for step in only(found).steps if step.kind is kind)


def test_a_block_names_what_each_exemption_is_short_of_and_the_shortest_comes_first() -> None:
    found = asked(
        BAN + "[[moratorium.exemption]]\nid = 'long'\npurposes = ['redaction']\nrequires_case = true\n"
        "[[moratorium.exemption]]\nid = 'warrant'\npurposes = ['missing-persons']\n"
        "[[moratorium.exemption.evidence]]\ntypes = ['warrant']\nmax_age = '72h'\n",
        police(purpose="missing-persons"),
    )

    assert [(change.exemption, [step.asks for step in change.steps]) for change in found.changes] == [
        ("warrant", ["evidence: warrant, at most 3 days old"]),
        ("long", ["a purpose that is redaction", "a case number"]),
    ]
    assert [step.why for step in found.changes[0].steps] == ["the token does not say"]
    assert found.turns == ()


def test_a_block_ends_with_its_windows_and_the_new_decision_is_told() -> None:
    found = asked(BAN + "window = [{ start = 2020-01-01, end = 2021-01-01 }]", police())

    (change,) = found.changes
    (turn,) = found.turns
    assert (change.to, change.exemption, [step.kind for step in change.steps]) == (
        Decision.ALLOWED, None, [Kind.WINDOW],
    )  # fmt: skip
    assert turn.verdict is not None
    assert (turn.at, turn.verdict.reason) == (1609459200.0, Reason.OUTSIDE_WINDOW)


def test_an_exempt_call_is_blocked_without_any_one_of_its_conditions() -> None:
    found = asked(
        BAN + "[[moratorium.exemption]]\nid = 'e'\npurposes = ['redaction']\nrequires_case = true\n",
        police(purpose="redaction", case_digest="00"),
    )

    (change,) = found.changes
    assert (change.to, change.exemption, change.every) == (Decision.BLOCKED, "e", False)
    assert [step.kind for step in change.steps] == [Kind.PURPOSE, Kind.CASE]


def test_an_exemption_ends_with_its_evidence_and_the_call_with_its_token() -> None:
    warrant = Evidence(EvidenceType.WARRANT, "00", NOW - 10, NOW + 100)
    text = BAN + "[[moratorium.exemption]]\nid = 'e'\nevidence = [{ types = ['warrant'] }]\n"

    found = asked(text, police(evidence=(warrant,), valid_until=NOW + 500))

    assert [(turn.at, turn.verdict and turn.verdict.reason) for turn in found.turns] == [
        (NOW + 100, Reason.MORATORIUM), (NOW + 500, None),
    ]  # fmt: skip
    assert only(found).offers[0].steps[0].changes_at == NOW + 100


def test_edges_that_change_nothing_are_passed_over_after_the_first() -> None:
    windows = ", ".join(f"{{ start = {year}-01-01, end = {year + 1}-01-01 }}" for year in range(2020, 2026))

    found = asked(BAN + f"window = [{windows}]", police())

    assert [turn.verdict and turn.verdict.reason for turn in found.turns] == [
        Reason.MORATORIUM, Reason.OUTSIDE_WINDOW,
    ]  # fmt: skip


def test_a_chain_of_changes_is_told_up_to_a_point() -> None:
    windows = ", ".join(f"{{ start = {year}-01-01, end = {year}-06-01 }}" for year in range(2021, 2031))

    assert len(asked(BAN + f"window = [{windows}]", police()).turns) == 5


def test_the_future_is_searched_for_so_many_edges_and_no_more() -> None:
    days = ", ".join(
        f"{{ end = {year}-{month:02}-01 }}" for year in range(2021, 2031) for month in range(1, 13)
    )

    found = asked(BAN + f"window = [{days}]", police())

    assert [turn.verdict and turn.verdict.reason for turn in found.turns] == [Reason.MORATORIUM]


def test_an_exemption_whose_uses_are_counted_holds_for_one_call() -> None:
    found = asked(
        BAN + "[[moratorium.exemption]]\nid = 'e'\npurposes = ['redaction']\n"
        "limit = { uses = 3, per = '2d', by = 'organisation' }\n",
        police(purpose="redaction", org_id="pd"),
    )
    without = asked(
        BAN + "[[moratorium.exemption]]\nid = 'e'\nevidence = [{ types = ['warrant'] }]\n"
        "limit = { uses = 3 }\n",
        police(),
    )

    assert (len(found.verdict.spends), found.turns) == (1, ())
    assert (
        only(found).offers[0].steps[-1].asks
        == "fewer than 3 uses in 48 hours for each organisation that has an id"
    )
    assert only(without).offers[0].steps[-1].asks == "fewer than 3 uses for each piece of evidence"
    assert not only(without).offers[0].opens


def test_of_two_blocks_the_other_would_still_block() -> None:
    found = asked(
        BAN + "[[moratorium.exemption]]\nid = 'e'\npurposes = ['redaction']\n"
        "[[moratorium]]\nid = 'other'\n" + BAN,
        police(),
    )

    assert [(change.moratorium, change.still) for change in found.changes] == [("ban", ("other",))]


def test_a_shadow_would_block_if_it_were_enforced() -> None:
    found = asked("mode = 'shadow'\n" + BAN, police())

    (change,) = found.changes
    assert (change.to, [step.kind for step in change.steps]) == (Decision.BLOCKED, [Kind.MODE])


def test_what_nobody_can_classify_is_judged_by_party_place_and_window() -> None:
    text = (
        BAN + "where = { jurisdictions = ['US'], missing = 'ignore' }\npurposes = { only = ['redaction'] }\n"
    )
    window = "window = [{ start = 2021-01-01 }]"

    def says(text: str, caller: Caller, **more: Any) -> Reason:
        return only(asked(text, caller, UNKNOWN_OPERATION, **more)).says

    assert says(text, police(jurisdiction="US-MA")) is Reason.OPERATION_UNKNOWN
    assert says(text, police()) is Reason.OUTSIDE_JURISDICTION
    assert says(text, Caller("issuer", ("press",))) is Reason.NOT_BOUND
    assert says(text + window, police(jurisdiction="US")) is Reason.OUTSIDE_WINDOW
    shadow = "mode = 'shadow'\n" + text
    assert says(shadow, police(jurisdiction="US"), unknown_operation="allow") is Reason.SHADOW_BLOCKED
    assert only(asked(text, police(jurisdiction="US"), UNKNOWN_OPERATION)).offers == ()


@pytest.mark.parametrize(
    ("binds", "caller", "why"),
    [
        ("binds.org_types = ['police']", Caller("i", ("press",)), "none of the call's organisations is one"),
        (
            "binds = { org_types = ['police'], relations = ['on-behalf-of'] }",
            police(),
            "is one as self, which does not count here",
        ),
        (
            "binds = { org_types = ['police'],"
            " except = [{ levels = ['city'] }, { org_subtypes = ['state'] }] }",
            police(org_subtype="state"),
            "excepted as an organisation whose subtype is state",
        ),
        (
            "binds = { org_types = ['police'], except = ["
            "{ org_subtypes = ['state'] }, { org_ids = ['x'], relations = ['on-behalf-of'] }] }",
            police(org_subtype="state", on_behalf_of=Principal(("police",), "x")),
            "excepted",
        ),
        ("binds = { everyone = true }", police(), "bound as self"),
        (
            "binds = { org_types = ['police'] }",
            Caller("i", ("commercial",), on_behalf_of=Principal(("police",))),
            "bound as on-behalf-of",
        ),
    ],
)
def test_whom_it_binds_and_why_not(binds: str, caller: Caller, why: str) -> None:
    assert the(Kind.PARTY, asked(binds + "\ncovers.classes = ['compare']", caller)).why == why


def test_a_binding_is_described_with_relations_exceptions_and_contractors() -> None:
    text = (
        "binds = { everyone = true, also = [{ levels = ['city'], relations = ['self'] }],"
        " except = [{ org_types = ['press'] }, { org_ids = ['x'], contractors = true }] }\n"
        "covers.classes = ['compare']\n"
    )

    assert the(Kind.PARTY, asked(text, police())).asks == (
        "any organisation (as actor or on-behalf-of or self), or an organisation whose level is city"
        " (as self), but not an organisation whose type is press,"
        " nor an organisation whose id is x or who works for one"
    )


ANALYZE = operation("Analyze", OperationClass.ANALYZE, traits=frozenset({Trait.AGE}))


@pytest.mark.parametrize(
    ("covers", "what", "asks", "why"),
    [
        ("classes = ['compare']", COMPARE, "an operation of class compare", "covers compare"),
        ("classes = ['search']", COMPARE, "an operation of class search", "is of class compare"),
        (
            "operations = ['A'], media = ['live']",
            operation("A", OperationClass.COMPARE, media=frozenset({Medium.IMAGE})),
            "an operation called A, on faces from live",
            "takes faces from image only",
        ),
        (
            "classes = ['analyze'], traits = ['emotion']",
            ANALYZE,
            "an operation of class analyze, analyze only of emotion",
            "reads age only",
        ),
        (
            "classes = ['search'], results = 'at-start'",
            operation("Get", OperationClass.SEARCH, is_result=True),
            "an operation of class search, not counting results",
            "fetches results, which is not covered here",
        ),
    ],
)
def test_what_it_covers_and_why_not(covers: str, what: Operation, asks: str, why: str) -> None:
    step = the(
        Kind.OPERATION, asked(f"binds.org_types = ['police']\ncovers = {{ {covers} }}", police(), what)
    )

    assert (step.asks, step.why) == (asks, why)


@pytest.mark.parametrize(
    ("windows", "asks", "why"),
    [
        ("{}", "a time at any time", ""),
        ("{ end = 2020-02-01 }", "a time before 2020-02-01T00:00:00Z", "over since 2020-02-01T00:00:00Z"),
        (
            "{ start = 2021-02-01 }",
            "a time from 2021-02-01T00:00:00Z until further notice",
            "begins at 2021-02-01T00:00:00Z",
        ),
        (
            "{ start = 2019-01-01, end = 2020-01-01, places = ['US'] }",
            "a time from 2019-01-01T00:00:00Z until 2020-01-01T00:00:00Z in US",
            "over since 2020-01-01T00:00:00Z",
        ),
        ("{ places = ['DE'] }", "a time in a window", "no window counts at this place"),
    ],
)
def test_when_it_is_in_force_and_why_not(windows: str, asks: str, why: str) -> None:
    step = the(Kind.WINDOW, asked(BAN + f"window = [{windows}]", police(jurisdiction="US")))

    assert (step.asks, step.why) == (asks, why)


def test_conditions_say_when_the_token_left_them_open() -> None:
    text = (
        BAN + "where = { jurisdictions = ['US'] }\npurposes = { except = ['redaction'] }\n"
        "circumstances.camera.is = ['officer']\n"
    )
    silent = asked(text, police())
    spoken = asked(
        text, police(jurisdiction="US", purpose="other", circumstances=frozenset({("camera", "officer")}))
    )

    said = [(step.kind, step.met, step.why) for step in only(silent).steps[2:5]]
    assert said == [
        (Kind.PLACE, True, "the token does not say"),
        (Kind.PURPOSE, True, "the token does not say"),
        (Kind.CIRCUMSTANCE, True, "the token does not say"),
    ]
    assert [step.why for step in only(spoken).steps[2:5]] == ["", "", ""]


def test_an_exemption_names_the_classes_media_and_time_that_it_opens() -> None:
    found = asked(
        BAN
        + "[[moratorium.exemption]]\nid = 'e'\norg_ids = ['pd']\nclasses = ['search']\nmedia = ['image']\n"
        "start = 2019-01-01\nend = 2021-01-01\n",
        police(org_id="pd"),
    )

    assert [(step.kind, step.met) for step in only(found).offers[0].steps] == [
        (Kind.WINDOW, True), (Kind.OPERATION, False), (Kind.MEDIA, False), (Kind.PARTY, True),
    ]  # fmt: skip


def test_history_says_what_counted_on_the_day_in_question() -> None:
    text = (
        BAN + "[[moratorium.window]]\nid = 'a'\nend = 2021-01-01\nrecorded = 2020-01-01\n"
        "[[moratorium.window]]\nid = 'b'\nrecorded = 2020-06-01\nreplaces = ['a']\n"
    )
    early = 1_580_000_000.0

    def history(known_at: float) -> list[tuple[str, bool, bool]]:
        found = explain(police(), COMPARE, policy(text, known_at=known_at), NOW, known_at)
        return [(entry.chapter.id, entry.counts, entry.known) for entry in only(found).history]

    assert history(early) == [("a", True, True), ("b", False, False)]
    assert history(FOREVER) == [("a", False, True), ("b", True, True)]
