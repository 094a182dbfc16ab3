"""What the calls left behind: audit lines, counters, what reached the face server. And do they agree?"""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from proxy.demo.calls import Outcome
from proxy.demo.stage import Stage
from proxy.policy.reasons import Decision
from proxy.reporting.reconcile.accounts import reconciled
from proxy.reporting.reconcile.page import Page
from proxy.reporting.reconcile.summary import summary

# A call is counted once its answer has gone out, which may be just after the client has read it.
_PATIENCE_SECONDS = 3.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Series:
    """One time series of the decisions counter that is not zero."""

    labels: dict[str, str]
    value: int


@dataclass(frozen=True)
class Evidence:
    """The three records of the same calls, and what `audit reconcile` says of them."""

    audit: dict[str, dict[str, Any]]
    series: list[Series]
    arrived: dict[str, int]
    tokens_seen: int
    account: dict[str, Any]

    def record(self, outcome: Outcome) -> dict[str, Any]:
        """The audit line of a call, found by the decision id that its client was given."""
        return self.audit.get(outcome.decision_id, {})


async def gather(set_up: Stage, outcomes: Sequence[Outcome]) -> Evidence:
    """Read back what was recorded, waiting a moment for counters that are not up to date yet."""
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        while True:
            url = f"{set_up.metrics}/metrics"
            page = Page.read(url, await _text(session, url))
            if page.counted() >= len(outcomes) or asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_POLL_SECONDS)
        seen = json.loads(await _text(session, f"{set_up.faces}/_calls"))
    records = [json.loads(line) for line in set_up.audit.read_text("utf-8").splitlines()]
    audit = {record["id"]: record for record in records if record.get("kind") == "decision"}
    answers = [(o.decision_id.encode(), str(o.caller.expected.decision)) for o in outcomes]
    found = reconciled([set_up.audit], [page], [name.encode() for name in seen["ids"]], answers)
    return Evidence(audit, _series(page), seen["calls"], seen["tokens_seen"], summary(found))


def differences(outcomes: Sequence[Outcome], evidence: Evidence) -> list[str]:
    """Every way in which what happened is not what had to happen. Empty when all is well."""
    found = [line for outcome in outcomes for line in _of_call(outcome, evidence.record(outcome))]
    if len(evidence.audit) != len(outcomes):
        found.append(f"audit: {len(evidence.audit)} decisions for {len(outcomes)} calls")
    counted: Counter[tuple[str, str]] = Counter()
    for each in evidence.series:
        counted[each.labels["decision"], each.labels["reason"]] += each.value
    wanted = Counter((str(o.caller.expected.decision), str(o.caller.expected.reason)) for o in outcomes)
    for key in sorted(wanted.keys() | counted.keys()):
        if wanted[key] != counted[key]:
            found.append(f"metrics: {'/'.join(key)} is {counted[key]}, not {wanted[key]}")
    allowed = Counter(o.caller.operation for o in outcomes if o.caller.expected.decision is Decision.ALLOWED)
    if dict(allowed) != evidence.arrived:
        found.append(f"face server: {evidence.arrived} arrived, not {dict(allowed)}")
    for finding in evidence.account["findings"]:
        found.append(f"{finding['gap']}: {finding['what']}: {finding['says']}")
    if evidence.tokens_seen:
        found.append(f"face server: {evidence.tokens_seen} calls still carried the caller's token")
    return found


def _of_call(outcome: Outcome, record: dict[str, Any]) -> list[str]:
    """Client, record and expectation, field by field."""
    expected = outcome.caller.expected
    pairs = [
        ("client saw", expected.sees, outcome.saw),
        ("status", expected.status, outcome.status),
        ("attempts", 1, outcome.attempts),
        ("audited decision", str(expected.decision), record.get("decision")),
        ("audited reason", str(expected.reason), record.get("reason")),
    ]
    if expected.decision is Decision.BLOCKED:
        pairs.append(("names the policy", True, bool(outcome.policy_id)))
        pairs.append(("links to the blocker", True, 'rel="blocked-by"' in outcome.link))
    who = f"{outcome.caller.who} ({outcome.caller.asks})"
    return [f"{who}: {what} is {got!r}, not {want!r}" for what, want, got in pairs if want != got]


def _series(page: Page) -> list[Series]:
    names = ("decision", "reason", "org_type", "operation", "mode")
    return [Series(dict(zip(names, key, strict=True)), count) for key, count in page.series.items()]


async def _text(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as answer:
        return await answer.text()
