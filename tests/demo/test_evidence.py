"""The demo must notice when client, audit, metrics and face server do not tell the same story."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from proxy.demo.callers import CAST, Caller
from proxy.demo.calls import Outcome
from proxy.demo.evidence import Evidence, Series, differences
from proxy.policy.reasons import Decision


def as_expected(caller: Caller, number: int) -> Outcome:
    blocked = caller.expected.decision is Decision.BLOCKED
    return Outcome(
        caller=caller,
        saw=caller.expected.sees,
        says=caller.expected.sees,
        status=caller.expected.status,
        attempts=1,
        seconds=0.1,
        decision_id=f"d{number}",
        policy_id="amazon-2020" if blocked else "",
        link='<https://example.com>; rel="blocked-by"' if blocked else "",
    )


OUTCOMES = [as_expected(caller, number) for number, caller in enumerate(CAST)]


ACCOUNT: dict[str, Any] = {"findings": []}


def good_evidence() -> Evidence:
    wanted = Counter((str(c.expected.decision), str(c.expected.reason)) for c in CAST)
    return Evidence(
        audit={
            o.decision_id: {
                "decision": str(o.caller.expected.decision),
                "reason": str(o.caller.expected.reason),
            }
            for o in OUTCOMES
        },
        series=[Series({"decision": d, "reason": r}, count) for (d, r), count in wanted.items()],
        arrived={"CompareFaces": 4, "DetectFaces": 1},
        tokens_seen=0,
        account=ACCOUNT,
    )


def test_all_as_expected() -> None:
    assert differences(OUTCOMES, good_evidence()) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"saw": "match"}, "client saw is 'match', not 'AccessDeniedException'"),
        ({"status": 403}, "status is 403, not 451"),
        ({"attempts": 3}, "attempts is 3, not 1"),
        ({"decision_id": ""}, "audited decision is None, not 'blocked'"),
        ({"link": ""}, "links to the blocker is False, not True"),
    ],
)
def test_a_wrong_outcome_is_named(change: dict[str, object], says: str) -> None:
    blocked = next(o for o in OUTCOMES if o.caller.expected.decision is Decision.BLOCKED)
    wrong = [replace(o, **change) if o is blocked else o for o in OUTCOMES]  # type: ignore[arg-type]

    found = differences(wrong, good_evidence())

    assert f"Sheriff's office (compare, criminal case): {says}" in found


def test_a_blocked_call_that_arrived_is_noticed() -> None:
    leaky = replace(good_evidence(), arrived={"CompareFaces": 5, "DetectFaces": 1})

    assert [line.partition(":")[0] for line in differences(OUTCOMES, leaky)] == ["face server"]


def test_a_token_upstream_is_noticed() -> None:
    [line] = differences(OUTCOMES, replace(good_evidence(), tokens_seen=2))

    assert line == "face server: 2 calls still carried the caller's token"


def test_a_miscount_is_noticed() -> None:
    [line] = differences(OUTCOMES, replace(good_evidence(), series=good_evidence().series[1:]))

    assert line == "metrics: allowed/not-bound is 0, not 2"


def test_a_decision_nobody_asked_for_is_noticed() -> None:
    good = good_evidence()

    found = differences(OUTCOMES, replace(good, audit={**good.audit, "stray": {"decision": "allowed"}}))

    assert found == ["audit: 10 decisions for 9 calls"]


def test_what_the_reconciliation_finds_is_noticed() -> None:
    account = {"findings": [{"gap": "went-round", "what": "an id", "says": "no record"}]}

    [line] = differences(OUTCOMES, replace(good_evidence(), account=account))

    assert line == "went-round: an id: no record"
