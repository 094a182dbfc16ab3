"""Every reason has an answer, and no answer makes an SDK do the wrong thing."""

import json

import pytest

from proxy.backends.registry import NAMES, make_backend
from proxy.pipeline import refused
from proxy.policy.callers import Caller
from proxy.policy.model import Authority, Refusal, Verdict
from proxy.policy.operations import OperationClass, operation
from proxy.policy.reasons import MEANINGS, Decision, Reason
from proxy.rescue import Manners, answer, lines_of, status_of
from tests.policy.making import ban

PLAIN = Manners()
RULE = ban(title="A ban")
BLOCK = Verdict(
    Decision.BLOCKED,
    Reason.MORATORIUM,
    Caller("i", ("police",)),
    operation("CompareFaces", OperationClass.COMPARE),
    holds_until=0,
    org_type="police",
    rule=RULE,
    until=1700000000,
)
STOPPED = [reason for reason, meaning in MEANINGS.items() if meaning.decision is not Decision.ALLOWED]


def headers_of(verdict: Verdict, backend: str, manners: Manners = PLAIN) -> dict[str, str]:
    found = answer(verdict, "id-1", make_backend(backend), manners)
    return {name.decode().lower(): value.decode() for name, value in found.headers}


def test_every_reason_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Reason)


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("reason", STOPPED)
def test_every_stop_is_answered_in_every_dialect(backend: str, reason: Reason) -> None:
    verdict = BLOCK if reason is Reason.MORATORIUM else refused(Refusal(reason), 0)

    found = answer(verdict, "id-1", make_backend(backend), Manners())

    body = json.loads(found.body)
    assert found.status == body["status"] == status_of(reason, Manners())
    assert body["title"] == reason
    assert body["decision_id"] == "id-1"
    assert MEANINGS[reason].says.rstrip(".") in body["detail"] or reason is Reason.MORATORIUM


@pytest.mark.parametrize("backend", NAMES)
def test_a_block_is_never_something_an_sdk_would_retry(backend: str) -> None:
    found = answer(BLOCK, "id-1", make_backend(backend), Manners())

    assert found.status in (403, 451)
    assert "retry-after" not in headers_of(BLOCK, backend)


def test_a_block_names_the_blocker_the_policy_and_its_end() -> None:
    headers = headers_of(BLOCK, "generic", Manners(operator_url="https://operator.example"))

    assert headers["link"] == '<https://operator.example>; rel="blocked-by"'
    assert headers["x-policy-id"] == "ban"
    assert headers["x-policy-until"] == "2023-11-14T22:13:20Z"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("url", "expected"), [("https://law.example", "https://law.example"), ("", "urn:moratorium:policy:ban")]
)
def test_without_an_operator_the_authority_or_the_policy_is_named(url: str, expected: str) -> None:
    verdict = BLOCK._replace(rule=ban(authority=Authority(url=url)))

    assert headers_of(verdict, "generic")["link"] == f'<{expected}>; rel="blocked-by"'


def test_a_block_says_whose_rule_it_is_and_where_to_read_it() -> None:
    authority = Authority(name="The city", citation="Ordinance 12-3", url="https://law.example")
    verdict = BLOCK._replace(rule=ban(authority=authority))
    manners = Manners(operator_url="https://operator.example")

    found = answer(verdict, "i", make_backend("generic"), manners)

    links = '<https://operator.example>; rel="blocked-by", <https://law.example>; rel="describedby"'
    assert headers_of(verdict, "generic", manners)["link"] == links
    body = json.loads(found.body)
    assert (body["authority"], body["citation"], body["source"]) == (
        "The city",
        "Ordinance 12-3",
        "https://law.example",
    )
    assert "Ordinance 12-3" in body["detail"]


def test_a_permitted_call_is_told_the_revision_and_what_is_owed() -> None:
    verdict = BLOCK._replace(obligations=("human-review", "report"))

    lines = lines_of(verdict, "0123456789abcdef")

    assert lines == b"X-Policy-Revision: 0123456789ab\r\nX-Policy-Obligations: human-review, report\r\n"
    assert b"Obligations" not in lines_of(BLOCK, "0" * 64)


def test_an_open_end_is_left_out() -> None:
    assert "x-policy-until" not in headers_of(BLOCK._replace(until=None), "generic")
    assert (
        b"until further notice"
        in answer(BLOCK._replace(until=None), "i", make_backend("generic"), Manners()).body
    )


@pytest.mark.parametrize("reason", [r for r in STOPPED if r.startswith("token-")])
def test_a_bad_token_asks_for_another(reason: Reason) -> None:
    headers = headers_of(refused(Refusal(reason), 0), "generic")

    assert headers["www-authenticate"] == f'Bearer error="invalid_token", error_description="{reason}"'


@pytest.mark.parametrize("reason", [r for r in STOPPED if MEANINGS[r].decision is Decision.FAILED])
def test_a_failure_of_ours_is_never_a_denial(reason: Reason) -> None:
    assert status_of(reason, Manners()) in (502, 503, 504)


def test_when_nothing_can_be_decided_the_caller_may_come_back() -> None:
    assert headers_of(refused(Refusal(Reason.KEYS_UNAVAILABLE), 0), "generic")["retry-after"] == "5"
