"""Holds what clients saw against the proxies' records and against what the server itself logged."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from proxy.policy.reasons import Decision
from tests.real.deepface.calling import Outcome
from tests.real.deepface.server import Arrived
from tests.real.deepface.spellings import Tried
from tests.real.deepface.stage import DIRECT, Answer, Stage
from tests.soak.checks import Check

MOST = 0.75
"""The share of spellings that have to work on the server itself, or they prove nothing."""
Records = dict[str, dict[str, Any]]
"""By decision id."""


def wrong(outcome: Outcome, records: Records, reached: Counter[str]) -> Iterator[str]:
    """Everything about a call of the cast that is not as expected."""
    expected, id_ = outcome.call.expected, outcome.answer.decision_id
    record = records.get(id_, {})
    found = {
        "decision": (record.get("decision"), expected.decision),
        "reason": (record.get("reason"), expected.reason),
        "status": (outcome.answer.status, expected.status),
        "what the client saw": (outcome.saw, expected.sees),
        "calls at the server": (reached[id_], int(expected.decision is Decision.ALLOWED)),
    }
    if expected.rule:
        found["rule"] = record.get("rule"), expected.rule
        found["message"] = isinstance(outcome.answer.json().get("message"), str), True
    for what, (is_, wanted) in found.items():
        if is_ != wanted:
            yield f"{outcome.call.who}, {outcome.call.asks}: {what} is {is_!r}, not {wanted!r}"


def checks(
    stage: Stage, outcomes: Sequence[Outcome], tried: Sequence[Tried], foreign: Answer
) -> tuple[list[Check], list[str]]:
    """Every promise, and words about each call that did not keep it. Server and proxies have ended.

    `foreign`: what the server itself said to a caller's token.
    """
    lines = stage.records()
    records = {record["id"]: record for record in lines}
    arrived = [call for call in stage.server.arrived() if not call.request_id.startswith(DIRECT)]
    reached = Counter(call.request_id for call in arrived)
    allowed = Counter(record["id"] for record in lines if record["decision"] == Decision.ALLOWED)
    deviations = [words for outcome in outcomes for words in wrong(outcome, records, reached)]
    past = [f"{one.way}, {one.name}: {one.answer.status}" for one in tried if _gets_by(one, records)]
    works = sum(one.works for one in tried)
    faults = stage.complaints()
    return [
        Check("calls of the cast", f"{len(outcomes)}, {len(deviations)} deviations", not deviations),
        Check(
            "spellings of what is closed",
            f"{len(tried)}, {works} work on the server itself, {len(past)} through the proxy",
            not past and works >= len(tried) * MOST,
        ),
        Check(
            "records of calls to the proxies",
            f"{len(lines)} of {stage.proxied}",
            len(lines) == len(records) == stage.proxied,
        ),
        Check(
            "allowed records and calls in the server's log, id by id",
            f"{allowed.total()} and {reached.total()}",
            bool(allowed) and allowed == reached,
        ),
        Check("calls that came with the server's key and no token", *_keys(stage, arrived)),
        Check("what the server says to a caller's token", str(foreign.status), foreign.status == 401),
        Check("keys and tokens in answers, records and logs", *_secrets(stage, outcomes, tried)),
        Check("faults in the proxies' logs", str(len(faults)), not faults),
    ], [*deviations, *past, *faults]


def _gets_by(one: Tried, records: Records) -> bool:
    record = records.get(one.answer.decision_id, {})
    return one.through or record.get("decision") not in (Decision.BLOCKED, Decision.REJECTED)


def _keys(stage: Stage, proxied: Sequence[Arrived]) -> tuple[str, bool]:
    shown = Counter(call.authorization == f"Bearer {stage.server.key}" for call in proxied)
    return f"{shown[True]} of {len(proxied)}", bool(proxied) and not shown[False]


def _secrets(stage: Stage, outcomes: Sequence[Outcome], tried: Sequence[Tried]) -> tuple[str, bool]:
    secrets = {outcome.bearer for outcome in outcomes if outcome.bearer} | {stage.server.key}
    files = [
        file
        for media in stage.proxies
        for file in (stage.folder / media / "audit.jsonl", stage.folder / media / "proxy.log")
    ]
    places = [file.read_text("utf-8") for file in files]
    answers = [outcome.answer for outcome in outcomes] + [one.answer for one in tried]
    places += [f"{answer.headers}{answer.body!r}" for answer in answers]
    seen = sum(secret in place for secret in secrets for place in places)
    return f"{seen} ({len(secrets)} looked for in {len(places)})", seen == 0
