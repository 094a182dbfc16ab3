"""The enforcement point: asks `check`, writes the record, counts, and only then hands out a `Permit`.

It fails closed. The common case (token cached, record written) runs without one await.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.audit.record import fields_of, line_of
from proxy.audit.sink import Sink
from proxy.authn.keys import KeySource
from proxy.authn.keyset import EMPTY, KeySet
from proxy.authn.verifier import NeedKey
from proxy.errors import (
    AuditUnwritable,
    KeysUnavailable,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.messages import Answer, RequestHead
from proxy.metrics import Metrics
from proxy.pipeline import Rules, check, refused
from proxy.policy.model import Instant, Permit, Refusal, Verdict
from proxy.policy.reasons import Decision, Reason
from proxy.rescue import Manners, answer

log = logging.getLogger("moratorium.enforcer")


class Denied(NamedTuple):
    """A call that does not go on, with the answer it gets."""

    decision_id: bytes
    verdict: Verdict
    answer: Answer


@dataclass
class Enforcer:
    """One for each process. `rules` is replaced whole on reload.

    `instance` starts every decision id, so it must differ between processes and from start to start.
    """

    rules: Rules
    keys: KeySource
    audit: Sink
    metrics: Metrics
    clock: Callable[[], Instant]
    instance: str
    manners: Manners = field(default_factory=Manners)
    allow_unrecorded: bool = False
    _count: int = 0
    _judged_with: KeySet = EMPTY

    def __repr__(self) -> str:
        moratoria = ", ".join(m.id for m in self.rules.policy.moratoria) or "no moratorium"
        return f"<Enforcer [{moratoria} | {self.rules.policy.revision[:8]} | {self.rules.backend.name}]>"

    def admit(self, head: RequestHead, *, lacking: Reason | None = None) -> Permit | Denied | NeedKey:
        """Decide on one request. `lacking`: the key was asked for; what it means if it is still not there."""
        now = self.clock()
        outcome = check(head, self.rules, self._current_keys(), now)
        if isinstance(outcome, NeedKey):
            if lacking is None:
                return outcome
            outcome = refused(Refusal(lacking), now)
        return self._conclude(outcome, now)

    async def supply(self, need: NeedKey) -> Reason:
        """Ask the issuer for the key. Then ask `admit` again, with what this says as `lacking`.

        Only an issuer that answers can disown a key; while it does not, nobody knows (503, never 401).
        """
        try:
            await self.keys.seek()
        except KeysUnavailable as error:
            log.warning("keys unavailable", extra={"issuer": need.issuer, "why": error.why})
            return Reason.KEYS_UNAVAILABLE
        return Reason.TOKEN_KEY_UNKNOWN

    def reject(self, refusal: Refusal) -> Denied:
        """Record and answer a request that never became a question."""
        now = self.clock()
        return self._deny(refused(refusal, now), now)

    def failed(self, permit: Permit, error: UpstreamError) -> Denied:
        """Record and answer a permitted call that the upstream could not carry out."""
        if isinstance(error, UpstreamUnreachable):
            reason = Reason.UPSTREAM_UNREACHABLE
        elif isinstance(error, UpstreamTimeout):
            reason = Reason.UPSTREAM_TIMEOUT
        else:
            reason = Reason.UPSTREAM_BROKEN
        now = self.clock()
        log.warning("upstream failed", extra={"reason": reason, "why": error.why})
        verdict = permit.verdict._replace(
            decision=Decision.FAILED, reason=reason, rule=None, exemption=None, until=None, holds_until=now
        )
        return self._deny(verdict, now, permit.decision_id)

    def _current_keys(self) -> KeySet:
        try:
            keys = self.keys.keys
        except KeysUnavailable:
            keys = EMPTY
        if keys is not self._judged_with:
            if keys != self._judged_with:
                # A key may have been withdrawn: what it verified is worth nothing any more (threat T39).
                self.rules.tokens.clear()
            self._judged_with = keys
        return keys

    def _conclude(self, verdict: Verdict, now: Instant) -> Permit | Denied:
        if verdict.decision is not Decision.ALLOWED:
            return self._deny(verdict, now)
        decision_id = self._next_id()
        try:
            self._record(verdict, decision_id, now)
        except AuditUnwritable:
            if not self.allow_unrecorded:
                return self._answer(refused(Refusal(Reason.AUDIT_UNWRITABLE), now), decision_id)
        self.metrics.decided(verdict, self.rules.policy.mode)
        return Permit(decision_id.encode(), verdict)

    def _deny(self, verdict: Verdict, now: Instant, decision_id: bytes | None = None) -> Denied:
        name = decision_id.decode() if decision_id is not None else self._next_id()
        try:
            self._record(verdict, name, now)
        except AuditUnwritable:
            # It does not go on in any case. A block that leaves no record is still a block, but the caller
            # must not take a failure of ours for a denial that anybody could prove.
            if not self.allow_unrecorded:
                verdict = refused(Refusal(Reason.AUDIT_UNWRITABLE), now)
        return self._answer(verdict, name)

    def _answer(self, verdict: Verdict, decision_id: str) -> Denied:
        self.metrics.decided(verdict, self.rules.policy.mode)
        words = answer(verdict, decision_id, self.rules.backend, self.manners)
        return Denied(decision_id.encode(), verdict, words)

    def _record(self, verdict: Verdict, decision_id: str, now: Instant) -> None:
        policy = self.rules.policy
        fields = fields_of(
            verdict, decision_id, now, revision=policy.revision, mode=policy.mode, instance=self.instance
        )
        try:
            self.audit.write(line_of(fields))
        except AuditUnwritable as error:
            log.error("decision not recorded", extra={"why": error.why, "reason": verdict.reason})
            raise

    def _next_id(self) -> str:
        self._count += 1
        return f"{self.instance}-{self._count:08x}"
