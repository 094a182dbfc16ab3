"""A policy in time: lanes, spans, gaps, edges and overlaps."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from proxy.policy.callers import ALWAYS, FOREVER, Caller
from proxy.policy.document import build, parse
from proxy.policy.engine import decide
from proxy.policy.instants import format_instant
from proxy.policy.model import Mode, Policy
from proxy.policy.operations import OperationClass, operation
from proxy.policy.reasons import Reason
from proxy.policy.timeline import EVERYONE, Lane, State, Timeline, timeline
from tests.policy.drawing import GRID
from tests.policy.generate import policy_of, world
from tests.policy.making import ban

BAN = "binds.org_types = ['police']\ncovers.classes = ['compare', 'search']\n"


def seen(text: str, mode: Mode = Mode.ENFORCE, **more: Any) -> Timeline:
    document = f"schema = 1\n[[moratorium]]\nid = 'ban'\n{text}"
    return timeline(build(parse(document, "p.toml"), mode=mode), **more)


def lane(text: str, **more: Any) -> Lane:
    (found,) = seen(text, **more).lanes
    return found


def states(found: Lane) -> list[tuple[str, str, State]]:
    def day(instant: float) -> str:
        return "ever" if instant in (ALWAYS, FOREVER) else format_instant(instant)[:10]

    return [(day(span.start), day(span.end), span.state) for span in found.spans]


@pytest.mark.parametrize("number", range(25))
def test_what_is_blocked_without_exemption_is_blocked_by_the_engine(number: int) -> None:
    """A lane that does not hang on subtype, level or id speaks of a caller that says its type and no more."""
    drawn = world(number, 0)
    policy = policy_of(drawn.setting)
    for one in timeline(policy, policy.org_types).lanes:
        if one.some or one.moratorium.concerns or not one.classes:
            continue
        assert all(a.end <= b.start for a, b in pairwise(one.spans))
        alone = replace(policy, moratoria=(one.moratorium,))
        for instant in GRID:
            span = one.at(instant)
            what = operation("any", *one.classes)
            reason = decide(Caller("i", (one.who,)), what, alone, instant).reason
            if span is None:
                assert reason is Reason.OUTSIDE_WINDOW
            elif span.state is State.EXEMPT:
                assert reason is Reason.EXEMPT
            elif span.state is State.SHADOW:
                assert reason in (Reason.SHADOW_BLOCKED, Reason.EXEMPT)
            elif not span.places:
                assert reason is Reason.MORATORIUM


def test_an_exemption_that_may_apply_makes_a_span_exempt_only() -> None:
    found = lane(
        BAN + "window = [{ start = 2020-01-01, end = 2023-01-01 }]\n"
        "[[moratorium.exemption]]\nid = 'e'\nrequires_case = true\nstart = 2021-01-01\nend = 2022-01-01\n"
    )

    assert states(found) == [
        ("2020-01-01", "2021-01-01", State.BLOCKED),
        ("2021-01-01", "2022-01-01", State.EXEMPT_ONLY),
        ("2022-01-01", "2023-01-01", State.BLOCKED),
    ]
    assert [span.exemptions for span in found.spans] == [(), ("e",), ()]
    assert found.gaps == ()


def test_an_exemption_by_type_exempts_that_lane_and_no_other() -> None:
    found = seen(
        "binds.org_types = ['police', 'government', 'school']\ncovers.classes = ['compare']\n"
        "[[moratorium.exemption]]\nid = 'e'\norg_types = ['government']\n"
        "[[moratorium.exemption]]\nid = 'f'\norg_types = ['school']\nrequires_case = true\n"
    )

    assert [(one.who, one.spans[0].state) for one in found.lanes] == [
        ("government", State.EXEMPT),
        ("police", State.BLOCKED),
        ("school", State.EXEMPT_ONLY),
    ]


def test_a_lane_of_one_class_looks_at_what_opens_it() -> None:
    text = BAN + "[[moratorium.exemption]]\nid = 'e'\nrequires_case = true\nclasses = ['search']\n"

    assert lane(text, classes=[OperationClass.SEARCH]).spans[0].state is State.EXEMPT_ONLY
    assert lane(text, classes=[OperationClass.COMPARE]).spans[0].state is State.BLOCKED
    assert seen(text, classes=[OperationClass.DETECT]).lanes == ()


def test_a_shadow_blocks_nobody() -> None:
    assert lane("mode = 'shadow'\n" + BAN).spans[0].state is State.SHADOW
    assert lane(BAN, mode=Mode.SHADOW).spans[0].state is State.SHADOW


def test_gaps_lie_between_spans_and_edges_are_told_in_order() -> None:
    found = seen(BAN + "window = [{ start = 2022-01-01 }, { start = 2020-01-01, end = 2021-01-01 }]\n")

    (gap,) = found.lanes[0].gaps
    assert [format_instant(edge)[:10] for edge in gap[:2]] == ["2021-01-01", "2022-01-01"]
    assert [(format_instant(edge.at)[:10], edge.before, edge.after, edge.who) for edge in found.edges] == [
        ("2020-01-01", None, State.BLOCKED, ("police",)),
        ("2021-01-01", State.BLOCKED, None, ("police",)),
        ("2022-01-01", None, State.BLOCKED, ("police",)),
    ]


def test_an_edge_within_a_moratorium_says_which_exemptions_begin_and_end() -> None:
    found = seen(
        BAN + "[[moratorium.exemption]]\nid = 'a'\nrequires_case = true\nend = 2021-01-01\n"
        "[[moratorium.exemption]]\nid = 'b'\nrequires_case = true\nstart = 2021-01-01\n"
    )

    assert [(edge.begun, edge.ended) for edge in found.edges] == [(("b",), ("a",))]


def test_windows_that_hand_over_are_spans_of_their_own_with_their_names() -> None:
    found = lane(BAN + "window = [{ id = 'a', end = 2021-01-01 }, { id = 'b', start = 2021-01-01 }]\n")
    same = lane(
        BAN + "window = [{ id = 'a' }]\n"
        "[[moratorium.exemption]]\nid = 'e'\nrequires_case = true\nstart = 2021-01-01\n"
        "[[moratorium.exemption]]\nid = 'f'\norg_types = ['press']\nstart = 2020-01-01\n"
    )

    assert [span.windows for span in found.spans] == [("a",), ("b",)]
    assert [span.exemptions for span in same.spans] == [(), ("e",)]


def test_a_moratorium_without_a_window_has_no_span() -> None:
    found = timeline(Policy((ban(windows=()),), frozenset({"police"}), frozenset()))

    assert [one.spans for one in found.lanes] == [()]


def test_windows_of_places_say_where() -> None:
    found = lane(BAN + "window = [{ places = ['US-CA'] }]\n")
    both = lane(BAN + "window = [{ places = ['US-CA'] }, { end = 2021-01-01 }]\n")

    assert found.spans[0].places == {"US-CA"}
    assert [span.places for span in both.spans] == [frozenset(), {"US-CA"}]


@pytest.mark.parametrize(
    ("binds", "lanes"),
    [
        ("{ everyone = true }", [(EVERYONE, None, False)]),
        ("{ org_types = ['police'], except = [{ org_types = ['police'] }] }", []),
        ("{ org_types = ['police'], org_subtypes = ['campus'] }", [("police", "police", True)]),
        ("{ org_types = ['police'], relations = ['on-behalf-of'] }", [("police", "police", True)]),
        (
            "{ org_types = ['police'], also = [{ org_ids = ['city'] }, { levels = ['county'] }] }",
            [("police", "police", False), ("city, county", None, False)],
        ),
    ],
)
def test_who_has_a_lane(binds: str, lanes: list[tuple[str, str | None, bool]]) -> None:
    found = seen(f"binds = {binds}\ncovers.classes = ['compare']\n").lanes

    assert [(one.who, one.org_type, one.some) for one in found] == lanes


def test_a_type_that_is_asked_for_has_a_lane_wherever_it_may_be_bound() -> None:
    text = "binds = { org_ids = ['x'] }\ncovers.classes = ['compare']\n"

    assert [(one.who, one.some) for one in seen(text, org_types=["press"]).lanes] == [("press", True)]
    assert seen(BAN, org_types=["press"]).lanes == ()


def test_history_is_what_does_not_count() -> None:
    found = lane(BAN + "window = [{ id = 'a', end = 2021-01-01 }, { id = 'b', replaces = ['a'] }]\n")

    assert [(entry.chapter.id, entry.chapter.replaced_by) for entry in found.history] == [("a", "b")]


def other(text: str) -> str:
    return f"[[moratorium]]\nid = 'other'\n{text}"


def test_two_that_block_the_same_types_from_the_same_classes_overlap() -> None:
    found = seen(
        BAN + "window = [{ start = 2020-01-01, end = 2021-01-01 }, { start = 2021-01-01, end = 2022-01-01 },"
        " { start = 2024-01-01, end = 2025-01-01 }]\n"
        + other("binds.everyone = true\ncovers.classes = ['compare']\nwindow = [{ start = 2020-06-01 }]\n")
    )

    assert [
        (format_instant(o.start)[:10], format_instant(o.end)[:10], o.moratoria, o.who, {*o.classes})
        for o in found.overlaps
    ] == [
        ("2020-06-01", "2022-01-01", ("ban", "other"), ("police",), {OperationClass.COMPARE}),
        ("2024-01-01", "2025-01-01", ("ban", "other"), ("police",), {OperationClass.COMPARE}),
    ]


@pytest.mark.parametrize(
    ("first", "second", "overlaps"),
    [
        (BAN, "binds.org_types = ['press']\ncovers.classes = ['compare']\n", 0),
        ("binds.everyone = true\ncovers.classes = ['compare']\n", BAN, 1),
        (BAN, "binds.org_types = ['police']\ncovers.classes = ['detect']\n", 0),
        (BAN, "mode = 'shadow'\n" + BAN, 0),
        (BAN + "where.jurisdictions = ['US-MA']\n", BAN + "where.jurisdictions = ['US-VA']\n", 0),
        (BAN + "where.jurisdictions = ['US-MA']\n", BAN + "where.jurisdictions = ['US-MA-BOS']\n", 1),
        (
            BAN + "where = { jurisdictions = ['US-MA'], of = ['subject'] }\n",
            BAN + "where.jurisdictions = ['US-VA']\n",
            1,
        ),
    ],
)
def test_overlaps_need_the_same_types_classes_and_places(first: str, second: str, overlaps: int) -> None:
    assert len(seen(first + other(second)).overlaps) == overlaps
