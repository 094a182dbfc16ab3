"""One decision as one line of JSON. Pure.

There is no place in a record for a body, a token, an image or a free-text claim: it is made from a verdict,
whose values are members of closed sets, names of a fixed form, and digests. It holds all that the policy was
asked with, so that the question can be asked again (`proxy.audit.replay`).
"""

from datetime import UTC, datetime
from functools import lru_cache, partial
from math import floor, inf
from typing import Any

from proxy.audit.chain import VERSION, Chain, line_of
from proxy.messages import NO_TRAIL, Trail
from proxy.policy.callers import Caller, Evidence, Instant, Principal
from proxy.policy.instants import format_instant
from proxy.policy.model import Mode, Verdict
from proxy.policy.operations import Operation

MASKED = ("token", "subject", "case_id", "body")
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
    chain: Chain = UNCHAINED,
    trail: Trail = NO_TRAIL,
) -> dict[str, Any]:
    """The record as a mapping: the same fields for every outcome, null where there is nothing.

    `request_id` and `trace_id` are there when a trusted peer has given them; else they follow from `id`.
    """
    rule = verdict.rule
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
        "rule": rule.id if rule is not None else None,
        "relation": verdict.relation if rule is not None else None,
        "exemption": verdict.exemption,
        "evidence_sha256": verdict.evidence,
        "obligations": verdict.obligations or None,
        "until": format_instant(verdict.until) if verdict.until is not None else None,
        "org_type": verdict.org_type,
        **_who(verdict.caller),
        **_what(verdict.operation),
        "masked": MASKED,
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
    """The line of one verdict with gaps: most calls differ from the last in id, time and place alone."""

    __slots__ = ("_after", "_before", "_make", "_moment", "_to_number", "_to_place", "_to_second", "_to_time")

    def __init__(
        self, verdict: Verdict, *, revision: str, mode: Mode, instance: str, backend: str, chain: str = ""
    ) -> None:
        self._make = partial(
            fields_of, verdict, revision=revision, mode=mode, instance=instance, backend=backend
        )
        line = line_of(self._make(_ID, 0.0, chain=Chain(chain, head=_PREV.encode())))
        self._before, _, rest = line.partition(_ID.encode())
        self._to_place, _, rest = rest.partition(_PREV.encode())
        to_number, number, rest = rest.partition(b',"seq":')
        self._to_number = to_number + number
        self._to_time, _, self._after = rest.removeprefix(b"0").partition(b"1970-01-01T00:00:00.000000Z")
        self._moment = -1
        self._to_second = b""

    def line(
        self, decision_id: bytes, now: Instant, trail: Trail = NO_TRAIL, chain: Chain = UNCHAINED
    ) -> bytes:
        """The bytes that `line_of` would give. What changes once a second is made once a second."""
        if trail is not NO_TRAIL:
            return line_of(self._make(decision_id.decode(), now, trail=trail, chain=chain))
        moment = floor(now)
        if moment != self._moment:
            self._moment = moment
            self._to_second = self._to_time + second(moment)
        return b"%b%b%b%b%b%d%b%06dZ%b" % (
            self._before, decision_id, self._to_place, chain.head, self._to_number, chain.seq,
            self._to_second, (now - moment) * 1_000_000, self._after,
        )  # fmt: skip


# No field of a record can hold these: none may contain a space before it is accepted.
_ID = " id "
_PREV = " prev "


@lru_cache(maxsize=4)
def second(moment: int) -> bytes:
    """A time up to the fraction of its second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.").encode()


def stamp(now: Instant) -> str:
    """RFC 3339 with microseconds, cut and not rounded: a record is never from the future."""
    moment = floor(now)
    return "%s%06dZ" % (second(moment).decode(), (now - moment) * 1_000_000)  # noqa: UP031  (as in `line`)
