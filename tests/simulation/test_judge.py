"""Questions of the past put to a policy of the future: vocabularies, routes, limits, modes."""

from typing import Any

import pytest

from proxy.audit.replay import Outcome, Recorded
from proxy.policy.callers import FOREVER, Caller, Evidence, EvidenceType, Principal
from proxy.policy.document import parse
from proxy.policy.model import Mode
from proxy.policy.operations import UNKNOWN_OPERATION, OperationClass, operation
from proxy.policy.reasons import Decision, Reason
from proxy.simulation.judge import Judge

NOW = 1_600_000_000.0
COMPARE = operation("compare", OperationClass.COMPARE)
ALLOWED = Outcome(Decision.ALLOWED, Reason.NOT_BOUND)
BAN = """
schema = 1
[vocabulary]
org_types = ["police", "commercial"]
org_subtypes = ["sheriff"]
purposes = ["missing-persons"]
circumstances = { camera = ["fixed"] }
[[moratorium]]
id = "ban"
binds.org_types = ["police"]
covers.classes = ["compare"]
"""
LIMIT = """
[[moratorium.exemption]]
id = "warrant"
evidence = [{ types = ["warrant"] }]
limit = { uses = 2, per = "24h" }
"""


def judge(text: str = BAN, **settings: Any) -> Judge:
    return Judge([parse(text, "p.toml")], **settings)


def recorded(org_type: str = "police", **more: Any) -> Recorded:
    backend, mode = more.pop("backend", "aws-rekognition"), more.pop("mode", Mode.ENFORCE)
    asked = more.pop("operation", COMPARE)
    return Recorded(ALLOWED, Caller("i", (org_type,), **more), asked, backend, mode, org_type)


def test_the_verdict_is_the_new_policys() -> None:
    outcome, until = judge().judge(recorded(), NOW)

    assert outcome == Outcome(Decision.BLOCKED, Reason.MORATORIUM, "ban")
    assert until == FOREVER


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (recorded("press"), Reason.ORG_TYPE_UNKNOWN),
        (recorded(on_behalf_of=Principal(("press",))), Reason.ORG_TYPE_UNKNOWN),
        (recorded(purpose="research"), Reason.PURPOSE_UNKNOWN),
        (recorded(org_subtype="campus"), Reason.ORG_SUBTYPE_UNKNOWN),
        (recorded(circumstances=frozenset({("camera", "worn")})), Reason.CIRCUMSTANCE_UNKNOWN),
    ],
)
def test_what_a_vocabulary_no_longer_knows_is_rejected(who: Recorded, reason: Reason) -> None:
    assert judge().judge(who, NOW) == (Outcome(Decision.REJECTED, reason), FOREVER)


def test_a_circumstance_that_no_vocabulary_names_is_a_claim_like_any_other() -> None:
    outcome, _ = judge().judge(recorded("commercial", circumstances=frozenset({("offence", "serious")})), NOW)

    assert outcome.decision is Decision.ALLOWED


def test_each_record_is_judged_in_the_mode_that_it_was_decided_in() -> None:
    shadow, _ = judge().judge(recorded(mode=Mode.SHADOW), NOW)
    enforced, _ = judge(mode=Mode.ENFORCE).judge(recorded(mode=Mode.SHADOW), NOW)

    assert (shadow.reason, enforced.reason) == (Reason.SHADOW_BLOCKED, Reason.MORATORIUM)


def test_a_moratorium_about_another_backend_does_not_count() -> None:
    there = judge(BAN.replace('id = "ban"', 'id = "ban"\nbackends = ["deepface"]'))

    reasons = [there.judge(recorded(backend=name), NOW)[0].reason for name in ("deepface", "generic")]

    assert reasons == [Reason.MORATORIUM, Reason.NOT_BOUND]


def test_a_limited_exemption_is_used_up() -> None:
    warrant = (Evidence(EvidenceType.WARRANT, "w", NOW - 1),)
    court = judge(BAN + LIMIT)

    reasons = [
        court.judge(recorded(evidence=warrant), at)[0].reason
        for at in (NOW, NOW + 1, NOW + 2, NOW + 86400, NOW + 86401)
    ]

    assert reasons == [Reason.EXEMPT, Reason.EXEMPT, Reason.MORATORIUM, Reason.EXEMPT, Reason.EXEMPT]


def test_one_use_holds_for_no_other_call() -> None:
    warrant = (Evidence(EvidenceType.WARRANT, "w", NOW - 1),)

    _, until = judge(BAN + LIMIT).judge(recorded(evidence=warrant), NOW)

    assert until == NOW


def test_unknown_operations_follow_the_setting() -> None:
    asked = recorded("commercial", operation=UNKNOWN_OPERATION)

    outcomes = [judge(allow_unknown=allow).judge(asked, NOW)[0].reason for allow in (False, True)]

    assert outcomes == [Reason.OPERATION_UNKNOWN, Reason.UNKNOWN_OPERATION_ALLOWED]


ROUTES = """
[[route]]
name = "compare"
methods = ["POST"]
path = "/v1/compare"
classes = ["detect"]
[[route]]
name = "twice"
methods = ["POST"]
path = "/v1/twice"
classes = ["compare"]
[[route]]
name = "twice"
methods = ["GET"]
path = "/v1/twice"
classes = ["detect"]
"""


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (COMPARE, Reason.NOT_COVERED),
        (operation("gone", OperationClass.COMPARE), Reason.OPERATION_UNKNOWN),
        (operation("twice", OperationClass.COMPARE), Reason.MORATORIUM),
        (operation("twice", OperationClass.DETECT), Reason.NOT_COVERED),
        (UNKNOWN_OPERATION, Reason.OPERATION_UNKNOWN),
    ],
)
def test_routes_of_the_new_policy_say_what_a_call_is_taken_for(asked: Any, reason: Reason) -> None:
    outcome, _ = judge(BAN + ROUTES).judge(recorded(operation=asked, backend="generic"), NOW)

    assert outcome.reason is reason
