"""Awkward cases of when, as real moratoria have thrown them up, mostly on the shipped files.

Those of who, where and what are in `test_awkward`; the numbers go through both.
"""

import hashlib
from typing import Any

import pytest

from proxy.policy.callers import FOREVER
from proxy.policy.document import build, parse
from proxy.policy.engine import decide
from proxy.policy.model import Verdict
from proxy.policy.reasons import Decision, Reason
from tests.policy.shipped import OPERATIONS, ask, at, caller, edited, policy_of, text_of

HOUR = 3600.0


def window(timezone: str, line: str) -> tuple[float, float]:
    """The one window of a small file."""
    policy = build(
        parse(
            f"""
            schema = 1
            timezone = "{timezone}"
            [[moratorium]]
            id = "m"
            binds.everyone = true
            covers.classes = ["*"]
            window = [{{ {line} }}]
            """,
            "small.toml",
        )
    )
    (found,) = policy.moratoria[0].windows
    return found.start, found.end


# ---------------------------------------------------------------- 2: what was known when


@pytest.mark.parametrize(
    ("known_at", "reason"), [("2021-05-01", Reason.OUTSIDE_WINDOW), ("2021-06-01", Reason.MORATORIUM)]
)
def test_02_a_past_decision_is_replayed_by_what_was_known_then(known_at: str, reason: Reason) -> None:
    policy = policy_of("amazon-2020", known_at=at(known_at))

    assert ask(policy, "2021-07-01", org_type="police").reason is reason


def test_02_the_file_before_the_extension_has_another_revision_and_means_what_the_replay_means() -> None:
    text = text_of("amazon-2020.toml")
    extension = text[text.rindex("[[moratorium.window]]") : text.index("[[moratorium.exemption]]")]
    before = edited("amazon-2020", extension, "")
    replay = policy_of("amazon-2020", known_at=at("2021-05-01"))

    assert before.revision != policy_of("amazon-2020").revision
    assert before.moratoria[0].windows == replay.moratoria[0].windows


# ---------------------------------------------------------------- 3: midnights


@pytest.mark.parametrize(
    ("country", "start"),
    [("FI", "2025-02-01T22:00:00Z"), ("BE", "2025-02-01T23:00:00Z"), ("PT", "2025-02-02T00:00:00Z")],
)
def test_03_one_day_begins_at_another_instant_in_each_country(country: str, start: str) -> None:
    policy = policy_of("eu-ai-act-5-1-h")
    there = {"org_type": "police", "jurisdiction": country, "place_jurisdiction": country}

    assert ask(policy, at(start) - 0.001, **there).reason is Reason.OUTSIDE_WINDOW
    assert ask(policy, at(start), **there).reason is Reason.MORATORIUM


@pytest.mark.parametrize(
    ("timezone", "day", "start"),
    [
        ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00Z"),
        ("Asia/Beirut", "2024-03-31", "2024-03-30T22:00:00Z"),
        ("America/Asuncion", "2023-10-01", "2023-10-01T04:00:00Z"),
        ("America/Havana", "2024-03-10", "2024-03-10T05:00:00Z"),
    ],
)
def test_03_a_midnight_that_does_not_exist_is_the_first_instant_after_the_gap(
    timezone: str, day: str, start: str
) -> None:
    assert window(timezone, f"start = {day}") == (at(start), FOREVER)


def test_03_a_midnight_that_comes_twice_is_the_first_for_a_start_and_the_second_for_an_end() -> None:
    start, _ = window("America/Havana", "start = 2024-11-03")
    _, end = window("America/Havana", "end = 2024-11-03")

    assert (start, end) == (at("2024-11-03T04:00:00Z"), at("2024-11-03T05:00:00Z"))


# ---------------------------------------------------------------- 4: the last day counts


IN_ITALY: dict[str, Any] = {
    "org_type": "commercial", "place_jurisdiction": "IT", "place_kind": "public",
    "media_source": "fixed-camera",
}  # fmt: skip


def test_04_until_31_december_takes_in_the_last_day_and_no_more_under_the_first_revision() -> None:
    first = policy_of("it-2021", known_at=at("2022-01-01"))

    assert ask(first, "2023-12-31T22:59:59.9Z", **IN_ITALY).reason is Reason.MORATORIUM
    assert ask(first, "2023-12-31T23:00:00Z", **IN_ITALY).reason is Reason.OUTSIDE_WINDOW


def test_04_the_second_revision_goes_on() -> None:
    assert ask(policy_of("it-2021"), "2023-12-31T23:00:00Z", **IN_ITALY).reason is Reason.MORATORIUM


# ---------------------------------------------------------------- 5: the later and the earlier of two ends


SCHOOL = {"org_type": "school", "jurisdiction": "US-NY"}
AUTHORISATION = 'id = "commissioner-authorisation"'
LAW = 'id = "law-enacted"'


def test_05_the_later_of_a_date_and_an_event_waits_for_the_event() -> None:
    assert ask(policy_of("us-ny-schools"), "2023-01-01", **SCHOOL).reason is Reason.MORATORIUM


def test_05_the_later_of_a_date_and_an_event_ends_with_the_event() -> None:
    policy = edited("us-ny-schools", AUTHORISATION, f"{AUTHORISATION}\nhappened = 2022-12-01")

    assert ask(policy, "2022-11-30", **SCHOOL).reason is Reason.MORATORIUM
    assert ask(policy, "2023-01-01", **SCHOOL).reason is Reason.OUTSIDE_WINDOW
    assert ask(policy, "2023-10-01", **SCHOOL).reason is Reason.MORATORIUM, "the order of 2023 stands alone"


def test_05_the_later_of_a_date_and_an_event_waits_for_the_date() -> None:
    policy = edited("us-ny-schools", AUTHORISATION, f"{AUTHORISATION}\nhappened = 2021-12-01")

    assert ask(policy, "2022-06-30", **SCHOOL).reason is Reason.MORATORIUM
    assert ask(policy, "2022-07-02", **SCHOOL).reason is Reason.OUTSIDE_WINDOW


def test_05_the_earlier_of_a_date_and_an_event_ends_with_the_event() -> None:
    policy = edited("it-2021", LAW, f"{LAW}\nhappened = 2022-06-01")

    assert ask(policy, "2022-05-31", **IN_ITALY).reason is Reason.MORATORIUM
    assert ask(policy, "2022-06-02", **IN_ITALY).reason is Reason.OUTSIDE_WINDOW


# ---------------------------------------------------------------- 6: banned, conditional, banned again


THREAT: dict[str, Any] = {
    "org_type": "police", "jurisdiction": "US-VA", "ground": "imminent-threat", "case_id": "C-1",
    "authorization_details": [{"type": "certification", "id": "P-1", "issued_at": at("2021-01-01")}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("2022-07-01T03:59:59Z", Reason.MORATORIUM),
        ("2022-07-01T04:00:00Z", Reason.EXEMPT),
        ("2026-07-01T03:59:59Z", Reason.EXEMPT),
        ("2026-07-01T04:00:00Z", Reason.MORATORIUM),
    ],
)
def test_06_a_ban_that_became_conditional_comes_back_under_the_same_name(when: str, reason: Reason) -> None:
    policy = policy_of("us-va")

    verdict = ask(policy, when, **THREAT)

    assert len(policy.moratoria[0].windows) == 3
    assert verdict.rule is not None
    assert (verdict.reason, verdict.rule.id) == (reason, "us-va")


# ---------------------------------------------------------------- 14: started before, fetched after


def test_14_results_fetched_after_the_start_are_covered() -> None:
    verdict = ask(policy_of("amazon-2020"), "2020-06-11", "GetFaceSearch", org_type="police")

    assert verdict.reason is Reason.MORATORIUM


def test_14_a_file_may_say_that_only_starting_counts() -> None:
    policy = edited("amazon-2020", "[moratorium.covers]", '[moratorium.covers]\nresults = "at-start"')

    assert ask(policy, "2020-06-11", "GetFaceSearch", org_type="police").reason is Reason.NOT_COVERED
    assert ask(policy, "2020-06-11", "StartFaceSearch", org_type="police").reason is Reason.MORATORIUM


# ---------------------------------------------------------------- 15: emergency now, paper later


BEGAN = at("2025-03-01T06:00:00Z")
EMERGENCY = {"type": "exigency", "id": "E-1", "issued_at": BEGAN}
ORDER = {
    "type": "court-order", "id": "J-1", "issued_at": BEGAN + 20 * HOUR, "classes": ["search"],
    "purposes": ["missing-persons"],
}  # fmt: skip
REGISTRATION = {"type": "registration", "id": "R-1", "issued_at": at("2025-02-03")}


def urgent(hours: float, *papers: dict[str, Any]) -> Verdict:
    return ask(
        policy_of("eu-ai-act-5-1-h"),
        BEGAN + hours * HOUR,
        "SearchFacesByImage",
        org_type="police",
        jurisdiction="FR",
        purpose="missing-persons",
        case_id="C-1",
        authorization_details=[*papers],
    )


def test_15_an_emergency_carries_a_call_until_its_deadline_and_no_longer() -> None:
    first, last, after = urgent(0, EMERGENCY), urgent(23.999, EMERGENCY), urgent(24, EMERGENCY)

    assert (first.exemption, last.exemption) == ("victims-urgent", "victims-urgent")
    assert first.holds_until == BEGAN + 24 * HOUR
    assert "ask-for-authorisation-within-24-hours" in first.obligations
    assert after.reason is Reason.MORATORIUM


def test_15_the_paper_takes_over_when_it_is_there() -> None:
    papers = (EMERGENCY, ORDER, REGISTRATION)

    before, then, after = urgent(19, *papers), urgent(20, *papers), urgent(24, *papers)

    assert before.holds_until == BEGAN + 20 * HOUR
    assert [v.exemption for v in (before, then, after)] == ["victims-urgent", "victims", "victims"]


def test_15_a_verdict_names_the_paper_so_that_a_refused_one_leads_to_its_calls() -> None:
    """That a refused authorisation lets no further call through is the issuer's standing list's part."""
    assert urgent(1, EMERGENCY).evidence == hashlib.sha256(b"E-1").hexdigest()


# ---------------------------------------------------------------- 16: tokens that outlast an edge


def test_16_an_answer_ends_at_the_edge_of_a_window_although_the_token_lasts() -> None:
    policy = policy_of("amazon-2020")
    edge = at("2020-06-10T07:00:00Z")
    token = caller({"org_type": "police"}, policy)._replace(valid_until=edge + HOUR)

    before = decide(token, OPERATIONS["CompareFaces"], policy, edge - HOUR)
    after = decide(token, OPERATIONS["CompareFaces"], policy, before.holds_until)

    assert (before.decision, before.holds_until) == (Decision.ALLOWED, edge)
    assert (after.decision, after.holds_until) == (Decision.BLOCKED, edge + HOUR)
