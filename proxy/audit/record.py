"""One decision as one line of JSON. Pure.

There is no place in a record for a body, a token, an image or a free-text claim: it is made from a verdict,
whose values are members of closed sets, names of a fixed form, and digests. It holds all that the policy was
asked with, so that the question can be asked again (`proxy.audit.replay`).
"""

from datetime import UTC, datetime
from functools import lru_cache
from math import floor, inf
from typing import Any, Self

import orjson

from proxy.audit.chain import VERSION, Chain, line_of
from proxy.messages import NO_IMPRINT, NO_TRAIL, NULL, Chunked, Imprint, Trail
from proxy.policy.callers import Caller, Evidence, Instant, Principal
from proxy.policy.instants import format_instant
from proxy.policy.model import Mode, Verdict, Window
from proxy.policy.operations import Operation

MASKED = ("token", "subject", "case_id", "evidence_id", "target", "headers", "body")
UNCHAINED = Chain("")
DECISION = "decision"


def fields_of(
    verdict: Verdict,
    decision_id: str,
    now: Instant,
    *,
    revision: str,
    mode: Mode,
    instance: str,
    backend: str,
    serial: int = 0,
    chain: Chain = UNCHAINED,
    trail: Trail = NO_TRAIL,
    imprint: Imprint = NO_IMPRINT,
) -> dict[str, Any]:
    """The record as a mapping: the same fields for every outcome, null where there is nothing.

    `request_id` and `trace_id` are there when a trusted peer has given them; else they follow from `id`.
    `serial`: that of the bundle that the policy came in, 0 when it came in none.
    """
    rule, caller = verdict.rule, verdict.caller
    request, length, body = imprint
    return {
        "v": VERSION,
        "kind": DECISION,
        "time": stamp(now),
        **chain.place(),
        "id": decision_id,
        "request_id": trail.request_id.decode() or None,
        "trace_id": trail.trace_id.decode() or None,
        "instance": instance,
        "backend": backend,
        "decision": verdict.decision,
        "reason": verdict.reason,
        "mode": mode,
        "policy": revision,
        "policy_serial": serial or None,
        "rule": rule.id if rule is not None else None,
        "relation": verdict.relation if rule is not None else None,
        "exemption": verdict.exemption,
        "evidence_sha256": verdict.evidence,
        "obligations": verdict.obligations or None,
        "rule_window": _window(verdict.window),
        "until": format_instant(verdict.until) if verdict.until is not None else None,
        "org_type": verdict.org_type,
        "subject_hmac": caller.subject_digest if caller is not None else None,
        "request_sha256": orjson.loads(request),
        "request_bytes": None if isinstance(length, Chunked) else length,
        "body_sha256": orjson.loads(body),
        **_who(caller),
        **_what(verdict.operation),
        "masked": MASKED,
    }


def _window(window: Window | None) -> dict[str, str | None] | None:
    if window is None:
        return None
    return {
        "start": format_instant(window.start) if window.start > -inf else None,
        "end": format_instant(window.end) if window.end < inf else None,
    }


def _who(caller: Caller | None) -> dict[str, Any]:
    """What the token said. Not when it ends: that would make a line of every token."""
    if caller is None:
        return dict.fromkeys(_WHO)
    circumstances: dict[str, list[str]] = {}
    for name, value in sorted(caller.circumstances):
        circumstances.setdefault(name, []).append(value)
    return {
        "issuer": caller.issuer,
        **_principal(caller.principal),
        "org_path": [*map(_principal, caller.path)] or None,
        "on_behalf_of": _principal(caller.on_behalf_of) if caller.on_behalf_of is not None else None,
        "actors": [*map(_principal, caller.actors)] or None,
        "subject_jurisdiction": caller.subject_jurisdiction,
        "place_jurisdiction": caller.place_jurisdiction,
        "circumstances": circumstances or None,
        "purpose": caller.purpose,
        "case_sha256": caller.case_digest,
        "shown": [*map(_evidence, caller.evidence)] or None,
    }


_WHO = (
    "issuer", *Principal._fields, "org_path", "on_behalf_of", "actors", "subject_jurisdiction",
    "place_jurisdiction", "circumstances", "purpose", "case_sha256", "shown",
)  # fmt: skip


def _principal(principal: Principal) -> dict[str, Any]:
    return principal._asdict()


def _evidence(evidence: Evidence) -> dict[str, Any]:
    """Instants are seconds since 1970-01-01T00:00:00Z, as in the token; one that never ends ends at null."""
    return {
        "type": evidence.type,
        "sha256": evidence.digest,
        "issued_at": _seconds(evidence.issued_at),
        "expires_at": _seconds(evidence.expires_at) if evidence.expires_at != inf else None,
        "issued_by": evidence.issued_by,
        "classes": sorted(evidence.classes) or None,
        "purposes": sorted(evidence.purposes) or None,
    }


def _seconds(instant: Instant) -> float:
    """As RFC 8785 wants it: a whole number has no fraction, and nothing needs an exponent."""
    return floor(instant) if instant < 1 or instant == floor(instant) else instant


def _what(operation: Operation | None) -> dict[str, Any]:
    if operation is None:
        return dict.fromkeys(("operation", "classes", "traits", "media", "result"))
    return {
        "operation": operation.name,
        "classes": sorted(operation.classes),
        "traits": sorted(operation.traits) or None,
        "media": sorted(operation.media) or None,
        "result": operation.is_result,
    }


class Template:
    """The line of one verdict with gaps, for all who differ in nothing but their tokens and requests."""

    __slots__ = ("_digest", "_line", "_moment", "_second", "_subject")

    def __init__(
        self,
        verdict: Verdict,
        *,
        revision: str,
        mode: Mode,
        instance: str,
        backend: str,
        serial: int = 0,
        chain: str = "",
    ) -> None:
        fields = fields_of(
            verdict, "", 0.0, revision=revision, mode=mode, instance=instance, backend=backend, serial=serial,
            chain=Chain(chain),
        )  # fmt: skip
        # No field can hold these: none may contain a space before it is accepted.
        line = line_of(fields | {name: f" {name} " for name in _GAPS}).replace(b"%", b"%%")
        for name, gap in _GAPS.items():
            line = line.replace(b'" %b "' % name.encode(), gap)
        self._line = line
        self._digest = verdict.caller.subject_digest if verdict.caller is not None else None
        self._subject = _quoted((self._digest or "").encode())
        self._moment = -1
        self._second = b""

    def of(self, caller: Caller) -> Self:
        """The same for a caller who differs in nothing but the token."""
        digest = caller.subject_digest
        if digest == self._digest:
            return self
        other = object.__new__(type(self))
        other._line, other._digest, other._subject = self._line, digest, _quoted((digest or "").encode())
        other._moment, other._second = self._moment, self._second
        return other

    def line(
        self,
        decision_id: bytes,
        now: Instant,
        trail: Trail = NO_TRAIL,
        chain: Chain = UNCHAINED,
        imprint: Imprint = NO_IMPRINT,
    ) -> bytes:
        """The bytes that `line_of` would give. What changes once a second is made once a second."""
        moment = floor(now)
        if moment != self._moment:
            self._moment, self._second = moment, second(moment)
        request_id = trace_id = NULL
        if trail is not NO_TRAIL:
            request_id, trace_id = _quoted(trail.request_id), _quoted(trail.trace_id)
        request, length, body = imprint
        size = b"%d" % length if isinstance(length, int) else NULL
        return self._line % (
            body, decision_id, chain.head, size, request_id, request, chain.seq, self._subject,
            self._second, (now - moment) * 1_000_000, trace_id,
        )  # fmt: skip


# In the order in which they stand in a line, which `line` fills them in.
_GAPS = {
    "body_sha256": b"%b",
    "id": b'"%b"',
    "prev": b'"%b"',
    "request_bytes": b"%b",
    "request_id": b"%b",
    "request_sha256": b"%b",
    "seq": b"%d",
    "subject_hmac": b"%b",
    "time": b'"%b%06dZ"',
    "trace_id": b"%b",
}


def _quoted(text: bytes) -> bytes:
    """As JSON: of what a trail or a caller has there, nothing needs an escape."""
    return b'"%b"' % text if text else NULL


@lru_cache(maxsize=4)
def second(moment: int) -> bytes:
    """A time up to the fraction of its second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.").encode()


def stamp(now: Instant) -> str:
    """RFC 3339 with microseconds, cut and not rounded: a record is never from the future."""
    moment = floor(now)
    return "%s%06dZ" % (second(moment).decode(), (now - moment) * 1_000_000)  # noqa: UP031  (as in `line`)
