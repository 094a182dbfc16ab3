"""From a refusal to an answer: the one place where a reason becomes a status.

The `match` is exhaustive: a new reason without an answer does not pass the type checker. The body is the
backend's own, so that its SDKs raise what they would raise of themselves.
"""

from dataclasses import dataclass
from typing import assert_never

from proxy.backends.base import Backend, Denial
from proxy.messages import Answer
from proxy.policy.instants import format_instant
from proxy.policy.model import Verdict
from proxy.policy.reasons import MEANINGS, Decision, Reason

RETRY_AFTER_SECONDS = 5

SHOWN_REVISION = 12
"""Characters of a policy's revision that answers carry: enough to find it, short enough to read out."""

PLACEHOLDER = "000000000000-zzzzzzzzzzzz"
"""Stands for the decision id in an answer that is made once and given often. As long as an id, never one."""


@dataclass(frozen=True, slots=True)
class Manners:
    """What the operator chose: the status of a block, and the address that names the blocker."""

    block_status: int = 451
    operator_url: str = ""


def lines_of(verdict: Verdict, revision: str) -> bytes:
    """The field lines about the decision that the answer to a permitted call gets."""
    lines = b"X-Policy-Revision: %b\r\n" % revision[:SHOWN_REVISION].encode()
    if verdict.obligations:
        lines += b"X-Policy-Obligations: %b\r\n" % ", ".join(verdict.obligations).encode()
    return lines


def answer(
    verdict: Verdict, decision_id: str, backend: Backend, manners: Manners, revision: str = ""
) -> Answer:
    """The whole answer to a call that does not go on."""
    status = status_of(verdict.reason, manners)
    rule = verdict.rule
    until = format_instant(verdict.until) if verdict.until is not None else None
    native = backend.native(
        Denial(
            status=status,
            reason=verdict.reason,
            message=_message(verdict, decision_id, until),
            decision_id=decision_id,
            policy_id=rule.id if rule is not None else None,
            until=until,
            authority=rule.authority if rule is not None else None,
        )
    )
    headers = [*native.headers, (b"Cache-Control", b"no-store")]
    if revision:
        headers.append((b"X-Policy-Revision", revision[:SHOWN_REVISION].encode()))
    if verdict.decision is Decision.BLOCKED:
        # RFC 7725 section 4: blocked-by names who implements the block, not who wrote the law.
        assert rule is not None  # noqa: S101
        blocker = manners.operator_url or rule.authority.url or f"urn:moratorium:policy:{rule.id}"
        link = f'<{blocker}>; rel="blocked-by"'
        if rule.authority.url and rule.authority.url != blocker:
            link += f', <{rule.authority.url}>; rel="describedby"'
        headers.append((b"Link", link.encode()))
        headers.append((b"X-Policy-Id", rule.id.encode()))
        if until is not None:
            headers.append((b"X-Policy-Until", until.encode()))
    elif status == 401:
        # RFC 6750 section 3.1.
        headers.append(
            (
                b"WWW-Authenticate",
                f'Bearer error="invalid_token", error_description="{verdict.reason}"'.encode(),
            )
        )
    elif status == 503:
        headers.append((b"Retry-After", b"%d" % RETRY_AFTER_SECONDS))
    return Answer(status, tuple(headers), native.body)


def status_of(reason: Reason, manners: Manners) -> int:  # noqa: C901  (one case a status)
    """The status for a reason that stops a call. An allowed call has the upstream's own."""
    match reason:
        case Reason.MORATORIUM:
            return manners.block_status
        case (
            Reason.TOKEN_MISSING | Reason.TOKEN_MALFORMED | Reason.TOKEN_ALGORITHM | Reason.TOKEN_ISSUER
            | Reason.TOKEN_KEY_UNKNOWN | Reason.TOKEN_SIGNATURE | Reason.TOKEN_AUDIENCE | Reason.TOKEN_EXPIRED
            | Reason.TOKEN_NOT_YET_VALID | Reason.TOKEN_CLAIMS | Reason.TOKEN_REVOKED | Reason.TOKEN_TOO_LARGE
            | Reason.TOKEN_AMBIGUOUS | Reason.TOKEN_NESTED | Reason.TOKEN_CRITICAL | Reason.TOKEN_KEY_INCLUDED
            | Reason.TOKEN_TYPE
        ):  # fmt: skip
            return 401
        case (
            Reason.ORG_TYPE_UNKNOWN | Reason.PURPOSE_UNKNOWN | Reason.OPERATION_UNKNOWN | Reason.ORG_SUSPENDED
            | Reason.ORG_NOT_REGISTERED | Reason.ORG_REGISTRATION_EXPIRED | Reason.ORG_DISAGREES
            | Reason.DELEGATION_MISSING | Reason.ORG_TYPE_NOT_ENTITLED | Reason.ORG_SUBTYPE_UNKNOWN
            | Reason.CIRCUMSTANCE_UNKNOWN | Reason.MEDIA_BY_REFERENCE
        ):  # fmt: skip
            return 403
        case (
            Reason.CREDENTIALS_AMBIGUOUS | Reason.REQUEST_MALFORMED | Reason.REQUEST_AMBIGUOUS
            | Reason.TARGET_NOT_CANONICAL | Reason.UPGRADE_REFUSED
        ):  # fmt: skip
            return 400
        case Reason.METHOD_NOT_ALLOWED:
            return 405
        case Reason.REQUEST_TIMEOUT:
            return 408
        case Reason.BODY_TOO_LARGE:
            return 413
        case Reason.TARGET_TOO_LONG:
            return 414
        case Reason.EXPECTATION_UNKNOWN:
            return 417
        case Reason.HEAD_TOO_LARGE:
            return 431
        case Reason.VERSION_UNSUPPORTED:
            return 505
        case (
            Reason.KEYS_UNAVAILABLE | Reason.POLICY_UNAVAILABLE | Reason.AUDIT_UNWRITABLE
            | Reason.LIMIT_UNCOUNTABLE | Reason.OVERLOADED | Reason.INTERNAL_ERROR
            | Reason.CREDENTIAL_UNAVAILABLE
        ):  # fmt: skip
            return 503
        case Reason.UPSTREAM_UNREACHABLE | Reason.UPSTREAM_BROKEN:
            return 502
        case Reason.UPSTREAM_TIMEOUT:
            return 504
        case (
            Reason.NOT_BOUND | Reason.NOT_COVERED | Reason.OUTSIDE_WINDOW | Reason.OUTSIDE_JURISDICTION
            | Reason.OUTSIDE_SCOPE | Reason.EXEMPT | Reason.SHADOW_BLOCKED | Reason.UNKNOWN_OPERATION_ALLOWED
        ):  # fmt: skip
            return 200
        case _:
            assert_never(reason)


def _message(verdict: Verdict, decision_id: str, until: str | None) -> str:
    """One or two sentences for a person who sees nothing but this. Never quotes the request."""
    rule, operation = verdict.rule, verdict.operation
    if verdict.decision is Decision.BLOCKED and rule is not None and operation is not None:
        said = "; ".join(filter(None, (rule.title, rule.authority.citation)))
        title = f" ({said})" if said else ""
        term = f"until {until}" if until is not None else "until further notice"
        what = f"{operation.name} by an organisation of type {verdict.org_type}"
        says = f"Blocked by the moratorium {rule.id}{title}: {what} is not permitted, {term}."
    else:
        says = " ".join(filter(None, (MEANINGS[verdict.reason].says, verdict.detail)))
    return f"{says} [{verdict.reason}, decision {decision_id}]"
