"""Case files: what is wrong with one is said with its place, and what is wanted is read as it is meant."""

import pytest

from proxy.errors import CasesError
from proxy.policy.cases import _text, cases_of, parse_cases
from proxy.policy.document import Source

FILE = """
schema = 1
{top}
[[case]]
name = "one"
at = 2024-01-01
operation = "CompareFaces"
claims = {{ org_type = "police", authorization_details = [{{ type = "warrant", issued_at = {issued} }}] }}
want = {{ decision = "blocked" }}
"""


def source(top: str = "", issued: str = "2024-01-01") -> Source:
    return parse_cases(FILE.format(top=top, issued=issued), "a.cases.toml")


def test_a_time_zone_that_does_not_exist_is_named() -> None:
    with pytest.raises(CasesError) as caught:
        cases_of(source('timezone = "Mars/Base"'), "UTC")

    assert caught.value.problems == ["a.cases.toml: timezone: 'Mars/Base' is not an IANA time zone"]


@pytest.mark.parametrize(
    ("issued", "seconds"), [("2024-01-01", 1704067200), ("2024-01-01T00:00:00Z", 1704067200), ("5", 5)]
)
def test_dates_in_claims_are_a_tokens_seconds(issued: str, seconds: int) -> None:
    (case,) = cases_of(source(issued=issued), "UTC")

    assert case.claims["authorization_details"][0]["issued_at"] == seconds


def test_an_instant_that_no_calendar_has_is_shown_all_the_same() -> None:
    assert _text("until", 1e18) == "1e+18 seconds after 1970"
    assert _text("until", 0.0) == "1970-01-01T00:00:00Z"
    assert _text("obligations", []) == "none"
