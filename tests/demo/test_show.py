"""The tables: everything is there, at the widths people have, and a pipe gets plain text."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console, RenderableType

from proxy.demo import show
from proxy.demo.callers import CAST
from proxy.demo.calls import Outcome
from proxy.demo.evidence import Evidence, Series

BLOCKED = 2
LINK = '<https://example.com/why>; rel="blocked-by"'


def outcome(number: int) -> Outcome:
    caller = CAST[number]
    policy = ("amazon-2020", LINK) if number == BLOCKED else ("", "")
    return Outcome(
        caller, caller.expected.sees, "says", caller.expected.status, 1, 0.25, f"d{number}", *policy
    )


OUTCOMES = [outcome(number) for number in range(len(CAST))]
ACCOUNT = {
    "rows": [{"decision": "allowed", "reason": "not-bound", "recorded": 9, "counted": 9}],
    "let_through": 5,
    "upstream": {"seen": 5, "odd": 0},
    "findings": [],
}
EVIDENCE = Evidence(
    audit={
        o.decision_id: {
            "time": "2026-01-02T03:04:05.678901Z",
            "decision": o.caller.expected.decision,
            "reason": o.caller.expected.reason,
            "org_types": ["police", "child-safety"],
            "org_id": "marinus-analytics",
            "operation": o.caller.operation,
            "rule": "amazon-2020",
            "exemption": "child-rescue-organisations",
        }
        for o in OUTCOMES
    },
    series=[Series({"decision": "blocked", "reason": "moratorium", "org_type": "police"}, 1)],
    arrived={"CompareFaces": 4, "DetectFaces": 1},
    tokens_seen=0,
    account=ACCOUNT,
)


def plain(width: int, *parts: RenderableType) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width)
    for part in parts:
        console.print(part)
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120])
def test_tables_fit_and_cut_nothing(width: int) -> None:
    text = plain(
        width,
        show.calls(OUTCOMES, EVIDENCE, width),
        show.counters(EVIDENCE, width),
        show.audit(OUTCOMES, EVIDENCE, width),
    )

    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "\x1b" not in text


def test_at_full_width_every_call_is_one_line() -> None:
    lines = plain(120, show.calls(OUTCOMES, EVIDENCE, 120)).splitlines()

    for caller in CAST:
        wanted = (caller.who, caller.asks, caller.expected.decision, caller.expected.reason)
        assert any(all(part in line for part in wanted) for line in lines), caller.who


def test_what_a_blocked_client_is_told_is_quoted() -> None:
    text = plain(200, show.blocked(OUTCOMES))

    assert "amazon-2020" in text
    assert LINK in text


@pytest.mark.parametrize(
    ("tokens", "arrived", "says"),
    [
        (
            0,
            {"CompareFaces": 4, "DetectFaces": 1},
            "the allowed calls and no others.\nToken seen upstream: never",
        ),
        (3, {"CompareFaces": 9}, "received 9 CompareFaces.\nToken seen upstream: 3 times"),
    ],
)
def test_what_came_through_is_said(tokens: int, arrived: dict[str, int], says: str) -> None:
    evidence = Evidence(EVIDENCE.audit, EVIDENCE.series, arrived, tokens, ACCOUNT)

    assert says in plain(120, show.upstream(OUTCOMES, evidence))


def test_three_counts_are_one_line() -> None:
    assert plain(120, show.account(EVIDENCE)) == (
        "Three counts: 9 recorded, 9 counted; 5 let through, 5 seen by the face server: all agree.\n"
    )


@pytest.mark.parametrize(
    ("found", "says"), [([], "All 9 outcomes are as expected"), (["a: b"], "Not as expected:\n  a: b")]
)
def test_the_last_line_is_the_verdict(found: Sequence[str], says: str) -> None:
    assert says in plain(120, show.verdict(OUTCOMES, found))
