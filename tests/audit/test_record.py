"""What a record holds, and that one made from a template is the one made anew."""

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from proxy.audit.chain import Chain, line_of
from proxy.audit.record import Template, fields_of
from proxy.audit.replay import JUDGED, Recorded, Unread, outcome_of, read
from proxy.messages import (
    CHUNKED,
    NO_IMPRINT,
    NO_TRAIL,
    Imprint,
    RequestHead,
    Trail,
    digest_of_body,
    digest_of_head,
)
from proxy.pipeline import refused
from proxy.policy.callers import FOREVER, Caller, Evidence, EvidenceType, Principal
from proxy.policy.engine import decide
from proxy.policy.model import Exemption, Mode, Policy, Refusal, Verdict, Window
from proxy.policy.operations import Medium, Operation, OperationClass, Trait, operation
from proxy.policy.reasons import MEANINGS, Decision, Reason
from tests.policy.generate import policy_of, world
from tests.policy.generated_values import caller_of, operation_of, spent_of
from tests.policy.making import ban, exemption

KNOWN: Any = {"revision": "r" * 64, "mode": Mode.ENFORCE, "instance": "w1", "backend": "generic"}
NOW = 1_600_000_000.25
COMPARE = operation(
    "compare",
    OperationClass.COMPARE,
    OperationClass.ANALYZE,
    traits=frozenset({Trait.AGE}),
    media=frozenset({Medium.LIVE}),
)
WARRANT = Evidence(
    EvidenceType.WARRANT,
    "d" * 64,
    NOW - 60,
    NOW + 60,
    "superior-court",
    frozenset({OperationClass.COMPARE}),
    frozenset({"missing-persons"}),
)
POLICE = Caller(
    "https://issuer.test", ("police", "government"), "boston-police", "missing-persons", "c" * 64, NOW + 300,
    "municipal", "city", "US-MA-BOS", (Principal(org_id="city-of-boston"),),
    Principal(("government",), "state", level="state"), (Principal(("commercial",), "vendor"),),
    "US-MA", "US-RI", frozenset({("media_source", "officer-camera"), ("media_source", "other")}),
    (WARRANT, Evidence(EvidenceType.CONSENT, "e" * 64, NOW)),
)  # fmt: skip
IMPRINT: Imprint = (digest_of_body(b"GET /\n"), 5, b"null")
EVER = {"start": None, "end": None}


def policy(*exemptions: Exemption) -> Policy:
    return Policy((ban(exemptions=exemptions),), frozenset({"police"}), frozenset({"missing-persons"}))


def verdicts() -> dict[str, Verdict]:
    exempt = exemption("paper", requires_case=True, obligations=("human-review",), classes=frozenset())
    return {
        "allowed": decide(Caller("i", ("commercial",)), COMPARE, policy(), NOW),
        "blocked": decide(POLICE, COMPARE, policy(), NOW),
        "exempt": decide(POLICE, COMPARE, policy(exempt), NOW),
        "rejected": refused(Refusal(Reason.TOKEN_EXPIRED), NOW),
        "rejected with a caller": refused(Refusal(Reason.UPGRADE_REFUSED), NOW, POLICE),
        "failed": decide(POLICE, COMPARE, policy(), NOW)._replace(
            decision=Decision.FAILED, reason=Reason.OVERLOADED, rule=None
        ),
    }


def record_of(verdict: Verdict) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(line_of(fields_of(verdict, "id", NOW, **KNOWN)))
    return record


@pytest.mark.parametrize("name", verdicts())
def test_a_line_from_a_template_is_the_line_made_anew(name: str) -> None:
    verdict = verdicts()[name]
    template = Template(verdict, chain="c" * 16, serial=7, **KNOWN)

    for now in (NOW, NOW + 0.000001, NOW + 3600.5):
        for trail in (NO_TRAIL, Trail(), Trail(request_id=b"r-1"), Trail(request_id=b"r-1", trace_id=b"1f")):
            for imprint in (NO_IMPRINT, IMPRINT, (IMPRINT[0], CHUNKED, digest_of_body(b"body"))):
                said: Any = {"trail": trail, "imprint": imprint, "chain": Chain("c" * 16, 7, b"d" * 64)}
                whole = fields_of(verdict, "id", now, serial=7, **said, **KNOWN)
                assert template.line(b"id", now, **said) == line_of(whole)


def test_a_percent_sign_is_no_gap() -> None:
    verdict = verdicts()["allowed"]._replace(operation=operation("/a%20b/%b%%d", OperationClass.COMPARE))

    assert Template(verdict, **KNOWN).line(b"id", NOW) == line_of(fields_of(verdict, "id", NOW, **KNOWN))


def test_callers_who_differ_in_their_subject_alone_share_a_template() -> None:
    blocked = verdicts()["blocked"]
    template = Template(blocked, **KNOWN)

    for subject in ("a" * 64, "b" * 64, None):
        caller = POLICE._replace(subject_digest=subject)
        whole = fields_of(blocked._replace(caller=caller), "id", NOW, **KNOWN)
        other = template.of(caller)
        assert (whole["subject_hmac"], other.line(b"id", NOW)) == (subject, line_of(whole))
        assert other.of(POLICE).line(b"id", NOW) == template.line(b"id", NOW)
        assert (other is template) is (subject is None)


def test_every_outcome_has_the_same_fields() -> None:
    shapes = {frozenset(record_of(verdict)) for verdict in verdicts().values()}

    assert len(shapes) == 1


def test_a_record_says_how_it_came_to_be() -> None:
    record = record_of(verdicts()["exempt"])

    assert (record["v"], record["backend"], record["policy"]) == (2, "generic", "r" * 64)
    assert (record["rule"], record["exemption"], record["relation"]) == ("ban", "paper", "self")
    assert record["obligations"] == ["human-review"]
    assert record["circumstances"] == {"media_source": ["officer-camera", "other"]}
    assert record["on_behalf_of"]["level"] == "state"
    assert record["shown"][0] == {
        "type": "warrant", "sha256": "d" * 64, "issued_at": NOW - 60, "expires_at": NOW + 60,
        "issued_by": "superior-court", "classes": ["compare"], "purposes": ["missing-persons"],
    }  # fmt: skip


def test_a_record_names_the_window_that_was_in_force() -> None:
    record = record_of(verdicts()["blocked"])
    touching = (Window(NOW - 7, NOW + 7), Window(NOW + 7, NOW + 9))
    banned = Policy((ban(windows=touching),), frozenset({"police"}), frozenset({"missing-persons"}))
    handed_over = record_of(decide(POLICE, COMPARE, banned, NOW))

    assert record["rule_window"] == EVER
    assert (handed_over["rule_window"]["end"], handed_over["until"]) == (
        "2020-09-13T12:26:47.250000Z",
        "2020-09-13T12:26:49.250000Z",
    )
    assert [record_of(verdicts()[name])["rule_window"] for name in ("exempt", "allowed")] == [EVER, None]


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (RequestHead(b"GET", b"/", b"1.1", ()), "GET /\n"),
        (RequestHead(b"GET", b"/a?b=%63", b"1.0", ()), "GET /a?b=%63\n"),
        (RequestHead(b"GET", b"/", b"1.1", ((b"b", b"2"), (b"c", b"3"), (b"a", b"1"), (b"b", b""))),
         "GET /\nb:2\na:1\nb:\n"),
    ],
)  # fmt: skip
def test_the_digest_of_a_head_is_over_what_is_read_of_it(head: RequestHead, text: str) -> None:
    digest = digest_of_head(head, frozenset({b"a", b"b"}))

    assert digest == f'"{sha256(text.encode()).hexdigest()}"'.encode()
    assert digest_of_head(head._replace(length=17), frozenset({b"a", b"b"})) == digest


def test_tokens_that_differ_in_their_end_alone_have_the_same_record() -> None:
    one = decide(POLICE, COMPARE, policy(), NOW)
    other = decide(POLICE._replace(valid_until=NOW + 9), COMPARE, policy(), NOW)

    assert record_of(one) == record_of(other)


def test_every_member_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/audit-records.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.+?) \|", page, re.MULTILINE)

    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(
        record_of(verdicts()["exempt"])
    )


# ------------------------------------------------------------------ read back


@pytest.mark.parametrize("name", ["allowed", "blocked", "exempt"])
def test_a_record_holds_the_whole_question(name: str) -> None:
    verdict = verdicts()[name]
    assert verdict.caller is not None

    recorded = read(line_of(fields_of(verdict, "id", NOW, **KNOWN)))

    assert isinstance(recorded, Recorded)
    assert recorded.caller == verdict.caller._replace(valid_until=FOREVER)
    assert recorded.operation == COMPARE
    assert recorded.outcome == outcome_of(verdict)
    assert (recorded.backend, recorded.mode) == ("generic", Mode.ENFORCE)


@pytest.mark.parametrize("number", range(60))
def test_any_question_can_be_read_back(number: int) -> None:
    drawn = world(number, 10)
    drawn_policy = policy_of(drawn.setting)
    for question in drawn.questions:
        caller, asked = caller_of(question.caller), operation_of(question.operation)
        verdict = decide(caller, asked, drawn_policy, question.now, spent_of(question.used_up))

        recorded = read(line_of(fields_of(verdict, "id", NOW, **KNOWN)))

        assert isinstance(recorded, Recorded)
        assert recorded.caller == caller._replace(valid_until=FOREVER)
        assert same(recorded.operation, asked)
        assert recorded.outcome == outcome_of(verdict)


def same(one: Operation, other: Operation) -> bool:
    return one._replace(label="") == other._replace(label="")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("rejected", Unread.REFUSED_BEFORE),
        ("rejected with a caller", Unread.REFUSED_BEFORE),
        ("failed", Unread.FAILED),
    ],
)
def test_what_the_policy_did_not_decide_is_not_its_doing(name: str, why: Unread) -> None:
    assert read(line_of(fields_of(verdicts()[name], "id", NOW, **KNOWN))) is why


def test_every_reason_of_the_engine_is_judged_again() -> None:
    assert {Reason.MORATORIUM, Reason.EXEMPT, Reason.OPERATION_UNKNOWN, Reason.OUTSIDE_SCOPE} <= JUDGED
    assert all(MEANINGS[reason].decision is not Decision.FAILED for reason in JUDGED)
    assert Reason.TOKEN_EXPIRED not in JUDGED


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"\n", Unread.EMPTY),
        (b'{"actors":null,"backend":"gen', Unread.TORN),
        (b"Nov 26 12:00:00 host proxy[1]: started\n", Unread.FOREIGN),
        (b"[1]\n", Unread.FOREIGN),
        (b"7\n", Unread.FOREIGN),
        (b'{"v":2}\n', Unread.FOREIGN),
        (b'{"v":true,"decision":"allowed"}\n', Unread.FOREIGN),
        (b'{"v":1,"decision":"allowed"}\n', Unread.OLDER),
        (b'{"v":3,"decision":"allowed"}\n', Unread.NEWER),
        (b"\xff\xfe\n", Unread.FOREIGN),
    ],
)
def test_a_line_that_is_no_record_says_what_it_is(line: bytes, why: Unread) -> None:
    assert read(line) is why


@pytest.mark.parametrize("member", sorted(record_of(verdicts()["exempt"])))
@pytest.mark.parametrize("value", [17, {"x": 1}, [[]], "no such word", "missing"])
def test_a_record_with_a_wrong_member_never_passes_for_another_question(member: str, value: object) -> None:
    record = record_of(verdicts()["exempt"])
    whole = read(json.dumps(record).encode())
    if value == "missing":
        del record[member]
    else:
        record[member] = value

    found = read(json.dumps(record).encode())

    assert isinstance(found, Unread) or found == whole or (isinstance(value, str) and member in FREE)


# Names, digests and ids of a free form: another word there is another question, and a good one.
FREE = {
    "backend", "case_sha256", "exemption", "issuer", "jurisdiction", "operation", "org_id", "org_subtype",
    "org_type", "place_jurisdiction", "purpose", "rule", "subject_jurisdiction",
}  # fmt: skip
