"""Every case asked of a running proxy: the answer, the audit record, the metric, and what went upstream."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from proxy.testing import TokenMint
from tests.conformance.cases import BODY, SUBJECT_KEY, Case, load
from tests.harness.client import call
from tests.harness.proxy import Proxy, running_proxy

SERIES = re.compile(r"moratorium_decisions_total\{([^}]*)\} ([0-9.]+)")


@pytest.mark.parametrize("case", load(), ids=lambda case: case.name)
async def test_the_proxy_answers_records_and_counts(case: Case, mint: TokenMint, tmp_path: Path) -> None:
    (tmp_path / "subject.key").write_text(SUBJECT_KEY, "utf-8")
    overrides: Any = case.settings | {"audit_subject_key_file": str(tmp_path / "subject.key")}
    async with running_proxy(
        backend=case.backend, policy=case.policy_text, at=case.now.isoformat(), mint=mint, **overrides
    ) as proxy:
        answer = await call(proxy.port, case.method, case.target, case.fields(mint), BODY)
        want = case.want
        allowed = want["decision"] == "allowed"

        assert answer.status == (200 if allowed else want.get("status", answer.status))
        headers = {name.decode(): value.decode() for name, value in answer.headers}
        for name, value in want.get("headers", {}).items():
            assert headers[name] == value
        for name in want.get("absent", ["retry-after"]):
            assert name not in headers
        assert headers["x-decision-id"]
        if not allowed:
            body = json.loads(answer.body)
            assert want.get("body", {}).items() <= body.items()
            assert set(want.get("has", [])) <= body.keys()
            assert headers["x-decision-id"] == body["decision_id"]

        check_record(case, proxy, headers["x-decision-id"])
        await check_metric(case, proxy)
        check_upstream(case, proxy, mint)


def check_record(case: Case, proxy: Proxy, decision_id: str) -> None:
    (record,) = proxy.audit()
    assert record["id"] == decision_id
    expected = {
        key: case.want[key] for key in ("decision", "reason", "rule", "exemption") if key in case.want
    }
    expected |= case.want.get("audit", {})
    assert expected == {key: record[key] for key in expected}


async def check_metric(case: Case, proxy: Proxy) -> None:
    """Exactly one series went up, by one, and it is the one that the record speaks of."""
    series = SERIES.findall(await proxy.metrics())
    counted = [dict(re.findall(r'(\w+)="([^"]*)"', labels)) for labels, value in series if float(value) == 1]
    assert len(counted) == sum(float(value) for _, value in series) == 1
    expected = {"decision": case.want["decision"], "reason": case.want["reason"], "mode": "enforce"}
    expected |= case.want.get("metric", {})
    assert expected.items() <= counted[0].items()


def check_upstream(case: Case, proxy: Proxy, mint: TokenMint) -> None:
    """Allowed calls arrive whole and without the caller's credential; no other call arrives at all."""
    messages = proxy.upstream.messages
    if case.want["decision"] != "allowed":
        assert messages == []
        return
    (message,) = messages
    assert (case.method.encode(), case.target.encode(), BODY) == (
        message.method,
        message.target,
        message.body,
    )
    names = {name for name, _ in message.headers}
    assert not names & {b"authorization", b"x-amz-security-token"}
