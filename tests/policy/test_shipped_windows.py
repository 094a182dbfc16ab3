"""Every window of every shipped policy, in UTC, against a table that was worked out by hand."""

from zoneinfo import ZoneInfo

import pytest

from proxy.policy.callers import FOREVER, Caller, Instant
from proxy.policy.instants import parse_instant
from proxy.policy.scope import windows_for
from tests.policy.shipped import IDS, at, moratorium_of, policy_of

OPEN = ""

# Of each moratorium, every window that its file tells, replaced ones included: start and end.
WINDOWS: dict[str, list[tuple[str, str]]] = {
    "amazon-2020": [("2020-06-10T07:00:00Z", "2021-06-10T07:00:00Z"), ("2020-06-10T07:00:00Z", OPEN)],
    "microsoft-2020": [("2020-06-11T07:00:00Z", OPEN)],
    "azure-openai-2024": [("2024-05-01T07:00:00Z", OPEN)],
    "azure-openai-2024-mobile": [("2024-05-01T07:00:00Z", OPEN)],
    "ibm-2020": [("2020-06-08T04:00:00Z", OPEN)],
    "us-va": [
        ("2021-07-01T04:00:00Z", OPEN),
        ("2021-07-01T04:00:00Z", "2022-07-01T04:00:00Z"),
        ("2022-07-01T04:00:00Z", "2026-07-01T04:00:00Z"),
        ("2026-07-01T04:00:00Z", OPEN),
    ],
    "us-vt": [("2020-10-07T04:00:00Z", OPEN)],
    "us-ca": [("2020-01-01T08:00:00Z", "2023-01-01T08:00:00Z")],
    "us-ny-schools": [("2020-12-22T05:00:00Z", OPEN), ("2023-09-27T04:00:00Z", OPEN)],
    "us-ma": [("2021-07-01T04:00:00Z", OPEN)],
    "us-me": [("2021-10-01T04:00:00Z", OPEN)],
    "us-wa": [("2021-07-01T07:00:00Z", OPEN)],
    "us-co-schools": [("2022-08-10T06:00:00Z", "2025-07-01T06:00:00Z"), ("2022-08-10T06:00:00Z", OPEN)],
    "us-sf": [("2019-06-01T07:00:00Z", OPEN)],
    "us-boston": [("2020-06-24T04:00:00Z", OPEN)],
    "us-portland-bureaus": [("2020-09-09T07:00:00Z", OPEN)],
    "us-portland-private": [("2021-01-01T08:00:00Z", OPEN)],
    "us-neworleans": [
        ("2020-12-17T06:00:00Z", OPEN),
        ("2020-12-17T06:00:00Z", "2022-07-21T05:00:00Z"),
        ("2022-07-21T05:00:00Z", OPEN),
    ],
    "us-neworleans-never": [("2022-07-21T05:00:00Z", OPEN)],
    "us-baltimore": [("2021-09-08T04:00:00Z", "2023-01-01T05:00:00Z")],
    "eu-ai-act-5-1-h": [
        ("2025-02-01T22:00:00Z", OPEN), ("2025-02-01T23:00:00Z", OPEN), ("2025-02-02T00:00:00Z", OPEN),
    ],
    "eu-ai-act-5-1-f": [
        ("2025-02-01T22:00:00Z", OPEN), ("2025-02-01T23:00:00Z", OPEN), ("2025-02-02T00:00:00Z", OPEN),
    ],
    "it-2021": [
        ("2021-11-30T23:00:00Z", "2023-12-31T23:00:00Z"),
        ("2021-11-30T23:00:00Z", "2025-12-31T23:00:00Z"),
    ],
}  # fmt: skip

# Replaced for good: what the last word on each moratorium leaves of the table above.
REPLACED = {"amazon-2020": 1, "us-va": 1, "us-co-schools": 1, "us-neworleans": 1, "it-2021": 1}

MEMBER_STATES = {
    "AT": "Europe/Vienna", "BE": "Europe/Brussels", "BG": "Europe/Sofia", "CY": "Asia/Nicosia",
    "CZ": "Europe/Prague", "DE": "Europe/Berlin", "DK": "Europe/Copenhagen", "EE": "Europe/Tallinn",
    "ES": "Europe/Madrid", "FI": "Europe/Helsinki", "FR": "Europe/Paris", "GR": "Europe/Athens",
    "HR": "Europe/Zagreb", "HU": "Europe/Budapest", "IE": "Europe/Dublin", "IT": "Europe/Rome",
    "LT": "Europe/Vilnius", "LU": "Europe/Luxembourg", "LV": "Europe/Riga", "MT": "Europe/Malta",
    "NL": "Europe/Amsterdam", "PL": "Europe/Warsaw", "PT": "Europe/Lisbon", "RO": "Europe/Bucharest",
    "SE": "Europe/Stockholm", "SI": "Europe/Ljubljana", "SK": "Europe/Bratislava",
}  # fmt: skip


def instant(text: str) -> Instant:
    return FOREVER if text == OPEN else at(text)


def test_the_table_has_every_moratorium() -> None:
    assert {moratorium.id for moratorium in policy_of(*IDS).moratoria} == WINDOWS.keys()


@pytest.mark.parametrize("name", WINDOWS)
def test_a_moratorium_tells_these_windows_and_no_others(name: str) -> None:
    moratorium = moratorium_of(policy_of(*IDS), name)

    assert [(chapter.window.start, chapter.window.end) for chapter in moratorium.history] == [
        (instant(start), instant(end)) for start, end in WINDOWS[name]
    ]


@pytest.mark.parametrize("name", WINDOWS)
def test_what_was_replaced_no_longer_counts(name: str) -> None:
    moratorium = moratorium_of(policy_of(*IDS), name)

    assert [(window.start, window.end) for window in moratorium.windows] == [
        (instant(start), instant(end)) for start, end in WINDOWS[name][REPLACED.get(name, 0) :]
    ]


@pytest.mark.parametrize("name", ["eu-ai-act-5-1-h", "eu-ai-act-5-1-f"])
@pytest.mark.parametrize("country", MEMBER_STATES)
def test_in_each_member_state_it_starts_at_its_own_midnight(name: str, country: str) -> None:
    moratorium = moratorium_of(policy_of(name), name)
    there = Caller("issuer", ("police",), jurisdiction=country)

    midnight = parse_instant("2025-02-02", ZoneInfo(MEMBER_STATES[country]))

    assert min(window.start for window in windows_for(moratorium, there, there.principals())) == midnight


def test_there_are_twenty_seven_member_states_in_the_rules() -> None:
    for name in ("eu-ai-act-5-1-h", "eu-ai-act-5-1-f"):
        text = str(moratorium_of(policy_of(name), name).concerns[0])

        assert set(text.rpartition(" in ")[2].split(" or ")) == MEMBER_STATES.keys()
