"""Every case asked of the pure core: `check`, without a socket."""

from typing import Any

import pytest

from proxy.audit.record import fields_of
from proxy.authn.keyset import parse_keys
from proxy.authn.subject import SubjectKey
from proxy.authn.verifier import Trust
from proxy.backends.registry import make_backend
from proxy.messages import NULL, RequestHead
from proxy.pipeline import Rules, check
from proxy.policy.document import build, parse
from proxy.policy.model import Mode, Verdict
from proxy.testing import TokenMint
from tests.conformance.cases import BODY, SUBJECT_KEY, Case, load


@pytest.mark.parametrize("case", load(), ids=lambda case: case.name)
def test_the_core_decides(case: Case, mint: TokenMint, jwks: bytes) -> None:
    policy = build(
        parse(case.policy_text, case.policy),
        mode=Mode(case.settings.get("mode", "enforce")),
        unknown_operation="allow" if case.settings.get("unknown_operation") == "allow" else "refuse",
    )
    trust = Trust(mint.issuer, frozenset({mint.audience}))
    rules = Rules(
        make_backend(case.backend, policy.routes), policy, {trust.issuer: trust},
        subject_key=SubjectKey(SUBJECT_KEY.encode()),
    )  # fmt: skip
    fields = tuple((name.lower().encode(), value.encode()) for name, value in case.fields(mint))
    head = RequestHead(case.method.encode(), case.target.encode(), b"1.1", fields, len(BODY))

    verdict = check(head, rules, {trust.issuer: parse_keys(jwks)}, case.instant)

    assert isinstance(verdict, Verdict)
    record = fields_of(
        verdict, "id", case.instant, revision="r", mode=policy.mode, instance="i", backend=case.backend,
        imprint=(rules.digest(head), head.length, NULL),
    )  # fmt: skip
    want = case.want
    expected: dict[str, Any] = {"decision": want["decision"], "reason": want["reason"]}
    expected |= {key: want[key] for key in ("rule", "exemption") if key in want}
    expected |= want.get("audit", {})
    assert expected == {key: _plain(record[key]) for key in expected}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
