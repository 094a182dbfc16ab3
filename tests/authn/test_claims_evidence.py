"""What a caller can show, as `authorization_details` (RFC 9396) carries it."""

import hashlib
import json
from typing import Any

import pytest

from proxy.authn.claims import ClaimPaths, caller_of
from proxy.authn.evidence import MAX_EVIDENCE
from proxy.policy.callers import FOREVER, Caller, Evidence, EvidenceType
from proxy.policy.model import Refusal
from proxy.policy.operations import OperationClass
from proxy.policy.reasons import Reason
from tests.authn.tokens import ISSUER, NOW, POLICY, claims, good, header, judged, signed, without

WARRANT: dict[str, Any] = {"type": "warrant", "id": "W 1/2026", "issued_at": NOW - 60}
FULL = {
    **WARRANT,
    "expires_at": NOW + 3600,
    "issued_by": "superior-court",
    "classes": ["search", "compare"],
    "purposes": ["missing-child"],
}
DIGEST = hashlib.sha256(b"W 1/2026").hexdigest()


def read(*details: Any) -> tuple[Evidence, ...] | Reason:
    outcome = caller_of(claims(authorization_details=[*details]), ClaimPaths(), POLICY, ISSUER, NOW)
    return outcome.reason if isinstance(outcome, Refusal) else outcome.evidence


def test_a_warrant_says_for_what_it_was_given_by_whom_and_for_how_long() -> None:
    assert read(FULL) == (
        Evidence(
            EvidenceType.WARRANT, DIGEST, NOW - 60, NOW + 3600, "superior-court",
            frozenset({OperationClass.SEARCH, OperationClass.COMPARE}), frozenset({"missing-child"}),
        ),
    )  # fmt: skip


def test_a_reference_and_a_date_are_enough() -> None:
    assert read(WARRANT) == (Evidence(EvidenceType.WARRANT, DIGEST, NOW - 60, FOREVER),)


@pytest.mark.parametrize("kind", EvidenceType)
def test_every_type_of_evidence_is_known(kind: EvidenceType) -> None:
    assert [shown.type for shown in read({**WARRANT, "type": kind.value})] == [kind]  # type: ignore[union-attr]


def test_several_are_kept_in_their_order() -> None:
    shown = read({**WARRANT, "type": "consent"}, WARRANT)

    assert not isinstance(shown, Reason)
    assert [one.type for one in shown] == [EvidenceType.CONSENT, EvidenceType.WARRANT]


@pytest.mark.parametrize(
    "kind", ["payment_initiation", "Warrant", "warrant ", "", "w\u200barrant", "\ud800"], ids=ascii
)
def test_what_is_of_another_type_opens_nothing_and_stops_nothing(kind: str) -> None:
    assert read({"type": kind, "id": 7, "locations": [None]}) == ()
    assert read({"type": kind}, WARRANT) == read(WARRANT)


@pytest.mark.parametrize(
    "value", [None, True, 7, "warrant", WARRANT, ["warrant"], [None], [[WARRANT]]], ids=ascii
)
def test_details_of_another_shape_are_a_bad_claim(value: Any) -> None:
    assert judged(good(authorization_details=value)) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("kind", [None, True, 7, [], ["warrant"], {}], ids=ascii)
def test_a_detail_whose_type_is_no_string_is_a_bad_claim(kind: Any) -> None:
    assert read({**WARRANT, "type": kind}) == Reason.TOKEN_CLAIMS
    assert read(without(WARRANT, "type")) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("name", ["id", "issued_at"])
def test_half_a_warrant_is_not_passed_over(name: str) -> None:
    assert read(WARRANT, without(WARRANT, name)) == Reason.TOKEN_CLAIMS


BROKEN: dict[str, list[Any]] = {
    "id": [None, True, 7, [], {}, "", " \n", "w" * 257],
    "issued_at": [None, True, "1800000000", [], {}, 10**400, -(10**400), 253402300800],
    "expires_at": [None, False, "1800000000", [], {}, 1e300],
    "issued_by": [None, 7, [], ["court"], {}, "", "a b", "court\n", "c" * 129],
    "classes": [
        None,
        "search",
        [],
        {},
        ["search", "Search"],
        ["unknown"],
        [None],
        [["search"]],
        ["search"] * 17,
    ],
    "purposes": [None, "missing-child", [], {}, ["missing-child", "fun"], [7], [{}], ["*"]],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, v) for name, values in BROKEN.items() for v in values], ids=ascii
)
def test_a_broken_piece_of_evidence_refuses_the_token(name: str, value: Any) -> None:
    assert read({**FULL, name: value}) == Reason.TOKEN_CLAIMS
    assert read(WARRANT, {"type": "x"}, {**FULL, name: value}) == Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("literal", ["1e400", "-1e400", "1" * 400])
def test_a_date_that_no_clock_shows_is_a_bad_claim(literal: str) -> None:
    text = json.dumps(claims(authorization_details=[{**WARRANT, "issued_at": "@"}])).replace('"@"', literal)

    assert judged(signed(header(), text.encode())) == Reason.TOKEN_CLAIMS


def test_there_is_an_end_to_what_can_be_shown() -> None:
    pieces = [{**WARRANT, "id": str(n)} for n in range(MAX_EVIDENCE)]

    assert len(read(*pieces)) == MAX_EVIDENCE
    assert read(*pieces, WARRANT) == Reason.TOKEN_CLAIMS
    assert len(read(*pieces, *[{"type": "other"}] * 40)) == MAX_EVIDENCE


def test_of_a_reference_only_the_digest_is_kept() -> None:
    caller = judged(good(authorization_details=[FULL]))

    assert isinstance(caller, Caller)
    assert "1/2026" not in repr(caller)
    assert DIGEST in repr(caller)
