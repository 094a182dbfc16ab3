"""The enforcement point: asks `check`, writes the record, counts, and only then hands out a `Permit`.

It fails closed. The common case (token cached, record written) runs without one await.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.audit.journal import Facts, Journal
from proxy.audit.record import Template
from proxy.authn.keyring import Keys, withdrawn
from proxy.authn.verifier import KeySets, NeedKey
from proxy.credentials.base import Credential
from proxy.errors import (
    AuditUnwritable,
    CredentialUnavailable,
    KeysUnavailable,
    NoDescriptors,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
    UsesUncountable,
)
from proxy.ledger import Ledger
from proxy.messages import NO_IMPRINT, NO_TRAIL, NULL, Answer, Imprint, RequestHead, Trail, digest_of_body
from proxy.metrics import Metrics, Tally
from proxy.pipeline import NeedBody, Question, Rules, check, refused
from proxy.policy.callers import Instant
from proxy.policy.engine import NOTHING
from proxy.policy.model import Permit, Refusal, Verdict
from proxy.policy.reasons import Decision, Reason
from proxy.rescue import PLACEHOLDER, Manners, answer, lines_of

log = logging.getLogger("moratorium.enforcer")

MAX_TOLD = 1000


class Denied(NamedTuple):
    """A call that does not go on, with the answer it gets, in which `PLACEHOLDER` stands for the id."""

    decision_id: bytes
    verdict: Verdict
    answer: Answer


class NeedSync(NamedTuple):
    """The call may go on as soon as its record is on the disk."""

    permit: Permit


class Telling(NamedTuple):
    """What follows from a verdict: a record, a count, and an answer, or lines for that of the face API."""

    verdict: Verdict
    record: Template
    tally: Tally
    answer: Answer | None
    lines: bytes = b""


class Memo:
    """The last question on one connection and what it was told.

    `check` is a function of its arguments, and its verdict holds until the instant it names, so the same
    question under the same rules and keys need not be asked again before that. A clock that has stepped back
    behind the moment of the asking ends it as well. `digest`: that of the question, for the record.
    """

    __slots__ = ("_head", "_keys", "_made_at", "_question", "_rules", "_telling", "digest")

    def __init__(self) -> None:
        self._telling: Telling | None = None
        self._head: RequestHead | None = None
        self._rules: Rules | None = None
        self._keys: KeySets | None = None
        self._question: Question | None = None
        self._made_at: Instant = 0.0
        self.digest = NULL

    def recall(self, head: RequestHead, rules: Rules, keys: KeySets, now: Instant) -> Telling | None:
        telling = self._telling
        if (
            telling is None
            or rules is not self._rules
            or keys is not self._keys
            or not self._made_at <= now < telling.verdict.holds_until
        ):
            return None
        if head is not self._head:
            question = rules.question(head)
            if question != self._question:
                # `keep` follows, unless the key is lacking; then it asks for the question itself.
                self._head, self._question, self.digest = head, question, rules.digest(head)
                self._telling = None
                return None
            self._head = head
        rules.tokens.hits += 1
        return telling

    def keep(self, head: RequestHead, rules: Rules, keys: KeySets, now: Instant, telling: Telling) -> None:
        if head is not self._head or rules is not self._rules:
            self._question, self.digest = rules.question(head), rules.digest(head)
        self._head, self._rules, self._keys, self._made_at = head, rules, keys, now
        self._telling = telling


@dataclass
class Enforcer:
    """One for each process. `rules` is replaced whole on reload.

    `instance` starts every decision id, so it must differ between processes and from start to start.
    """

    rules: Rules
    keys: Keys
    audit: Journal
    metrics: Metrics
    clock: Callable[[], Instant]
    instance: str
    manners: Manners = field(default_factory=Manners)
    allow_unrecorded: bool = False
    ledger: Ledger = field(default_factory=lambda: Ledger(None))
    doubts: Callable[[Instant], tuple[Instant, ...]] = lambda _now: ()
    """Other instants that the clock's may be, see `proxy.clock`."""
    max_in_flight: float = math.inf
    credential: Credential | None = None
    """The face API's own, which calls that go on are given."""
    prefix: bytes = field(init=False)
    _count: int = 0
    _judged_with: KeySets = field(default_factory=dict)
    _told: dict[tuple[object, ...], Telling] = field(default_factory=dict)
    _told_under: Rules | None = None

    def __post_init__(self) -> None:
        self.prefix = self.instance.encode()

    def __repr__(self) -> str:
        moratoria = ", ".join(m.id for m in self.rules.policy.moratoria) or "no moratorium"
        return f"<Enforcer [{moratoria} | {self.rules.policy.revision[:8]} | {self.rules.backend.name}]>"

    def admit(
        self,
        head: RequestHead,
        memo: Memo,
        *,
        lacking: Reason | None = None,
        trail: Trail = NO_TRAIL,
        body: bytes | None = None,
    ) -> Permit | Denied | NeedKey | NeedBody | NeedSync:
        """Decide on one request.

        `lacking`: the key was asked for; what it means if it is still not there. `trail`: what a trusted peer
        says of the call, for the record. `body`: all of it, once it has been asked for.
        """
        now, rules = self.clock(), self.rules
        keys = self.keys.view(now)
        if keys is not self._judged_with:
            self._judge_with(keys)
        doubts = self.doubts(now)
        if doubts:
            self.metrics.doubted += 1
        telling = None if doubts else memo.recall(head, rules, keys, now)
        if telling is None:
            outcome = self._check(head, rules, keys, now, doubts, body=body)
            if isinstance(outcome, NeedBody):
                return outcome
            if isinstance(outcome, NeedKey):
                if lacking is None:
                    return outcome
                outcome = refused(Refusal(lacking), now)
            telling = self._telling(outcome)
            memo.keep(head, rules, keys, now, telling)
        if telling.answer is None and self.metrics.in_flight >= self.max_in_flight:
            # Judged first: only what would go on needs room, and its one record says that there was none.
            telling = self._telling(_failure(telling.verdict, Reason.OVERLOADED, now))
        if telling.answer is None:
            if body is None and self.credential is not None and self.credential.wants_body:
                return NeedBody(telling.verdict)
            if telling.verdict.spends:
                spent = self._spend(telling, head, rules, keys, now, doubts, body)
                if isinstance(spent, NeedBody):
                    return spent
                telling = spent
        failures = self.audit.failures
        told = self._tell(telling, now, trail=trail, imprint=_imprint(memo.digest, head, body))
        return self._once_synced(told, failures) if self.audit.terms.synced else told

    def _once_synced(self, told: Permit | Denied, failures: int) -> Permit | Denied | NeedSync:
        """A record that was not even written is not waited for. `failures`: how many there were before it.

        The sink's fault says less: the record may be in the file, and what follows it not.
        """
        if isinstance(told, Denied) or self.audit.failures != failures:
            return told
        return NeedSync(told)

    async def sync(self, need: NeedSync) -> Permit | Denied:
        """Wait until the record is on the disk, with all others that wait."""
        try:
            await self.audit.disk.reached()
        except AuditUnwritable as error:
            self.audit.failures += 1
            self.audit.sink.fault = error.why
            log.error("decision not on the disk", extra={"why": error.why})
            if not self.allow_unrecorded:
                permit, now = need.permit, self.clock()
                failure = _failure(permit.verdict, Reason.AUDIT_UNWRITABLE, now)
                return self._deny(failure, now, permit.decision_id, permit.imprint)
        return need.permit

    def _spend(
        self,
        telling: Telling,
        head: RequestHead,
        rules: Rules,
        keys: KeySets,
        now: Instant,
        doubts: tuple[Instant, ...],
        body: bytes | None,
    ) -> Telling | NeedBody:
        """Take the uses that a verdict needs; without one of them it is another verdict."""
        spent: frozenset[str] = frozenset()
        while telling.verdict.spends and telling.answer is None:
            try:
                used_up = self.ledger.take(telling.verdict.spends, now)
            except UsesUncountable as error:
                log.error("uses not counted", extra={"why": error.why})
                return self._telling(_failure(telling.verdict, Reason.LIMIT_UNCOUNTABLE, now))
            if used_up is None:
                break
            spent |= {used_up}
            outcome = self._check(head, rules, keys, now, doubts, spent, body)
            if isinstance(outcome, NeedBody):
                return outcome
            assert isinstance(outcome, Verdict)  # noqa: S101  (the key was there a moment ago)
            telling = self._telling(outcome)
        return telling

    async def supply(self, need: NeedKey) -> Reason:
        """Ask the issuer for the key. Then ask `admit` again, with what this says as `lacking`.

        Only an issuer that answers can disown a key; while it does not, nobody knows (503, never 401).
        """
        try:
            await self.keys.seek(need.issuer, need.kid)
        except KeysUnavailable as error:
            log.warning("keys unavailable", extra={"issuer": need.issuer, "why": error.why})
            return Reason.KEYS_UNAVAILABLE
        return Reason.TOKEN_KEY_UNKNOWN

    def reject(self, refusal: Refusal) -> Denied:
        """Record and answer a request that never became a question."""
        now = self.clock()
        return self._deny(refused(refusal, now), now)

    def unread(self, need: NeedBody, head: RequestHead, trail: Trail = NO_TRAIL) -> Denied:
        """Record and answer a call whose body is needed, and for whose body there is no room."""
        now = self.clock()
        telling = self._telling(_failure(need.most, Reason.OVERLOADED, now))
        imprint = _imprint(self.rules.digest(head), head, None)
        denied = self._tell(telling, now, trail=trail, imprint=imprint)
        assert isinstance(denied, Denied)  # noqa: S101
        return denied

    def failed(self, permit: Permit, error: UpstreamError) -> Denied:
        """Record and answer a permitted call that the upstream could not carry out."""
        if isinstance(error, NoDescriptors):
            reason = Reason.OVERLOADED
        elif isinstance(error, CredentialUnavailable):
            reason = Reason.CREDENTIAL_UNAVAILABLE
        elif isinstance(error, UpstreamUnreachable):
            reason = Reason.UPSTREAM_UNREACHABLE
        elif isinstance(error, UpstreamTimeout):
            reason = Reason.UPSTREAM_TIMEOUT
        else:
            reason = Reason.UPSTREAM_BROKEN
        now = self.clock()
        log.warning("upstream failed", extra={"reason": reason, "why": error.why})
        return self._deny(_failure(permit.verdict, reason, now), now, permit.decision_id, permit.imprint)

    def ended(self, permit: Permit, facts: Facts) -> None:
        """Record how a permitted call ended."""
        if self.audit.terms.outcomes:
            self.audit.outcome(permit.decision_id, facts)

    def _check(
        self,
        head: RequestHead,
        rules: Rules,
        keys: KeySets,
        now: Instant,
        doubts: tuple[Instant, ...],
        spent: frozenset[str] = NOTHING,
        body: bytes | None = None,
    ) -> Verdict | NeedKey | NeedBody:
        """Ask; a fault of ours is an answer, a record and a count as well, never a call that goes on."""
        try:
            return check(head, rules, keys, now, doubts=doubts, spent=spent, body=body)
        except Exception:  # whatever it is, nothing was decided
            # A traceback of file names and lines only: see `proxy.logs`.
            log.exception("could not decide")
            return refused(Refusal(Reason.INTERNAL_ERROR), now)

    def _judge_with(self, keys: KeySets) -> None:
        if withdrawn(self._judged_with, keys):
            # What that key has verified is worth nothing any more (threat T39).
            self.rules.tokens.clear()
        self._judged_with = keys

    def _telling(self, verdict: Verdict) -> Telling:
        """What follows from a verdict: made once for all callers who differ in nothing but their tokens."""
        rule, operation, caller = verdict.rule, verdict.operation, verdict.caller
        if caller is None:
            return self._make_telling(verdict)
        if self._told_under is not self.rules or len(self._told) >= MAX_TOLD:
            self._told, self._told_under = {}, self.rules
        key = (
            verdict.reason, verdict.detail, verdict.exemption, verdict.until, verdict.org_type,
            rule and rule.id, operation, caller._replace(valid_until=0.0, subject_digest=None),
            verdict.relation, verdict.evidence, verdict.obligations, verdict.window,
        )  # fmt: skip
        telling = self._told.get(key)
        if telling is None:
            telling = self._told[key] = self._make_telling(verdict)
        return Telling(verdict, telling.record.of(caller), *telling[2:])

    def _make_telling(self, verdict: Verdict) -> Telling:
        policy = self.rules.policy
        record = Template(
            verdict,
            revision=policy.revision,
            mode=policy.mode,
            instance=self.instance,
            backend=self.rules.backend.name,
            serial=policy.serial,
            chain=self.audit.chain.id,
        )
        going_on = verdict.decision is Decision.ALLOWED
        tally = self.metrics.tally(verdict, policy.mode)
        if going_on:
            return Telling(verdict, record, tally, None, lines_of(verdict, policy.revision))
        words = answer(verdict, PLACEHOLDER, self.rules.backend, self.manners, policy.revision)
        return Telling(verdict, record, tally, words)

    def _tell(
        self,
        telling: Telling,
        now: Instant,
        decision_id: bytes = b"",
        trail: Trail = NO_TRAIL,
        imprint: Imprint = NO_IMPRINT,
    ) -> Permit | Denied:
        """Record, count, and only then let go on or deny. Without an id the decision gets the next one."""
        if not decision_id:
            self._count += 1
            decision_id = b"%b-%012x" % (self.prefix, self._count)
        try:
            self.audit.write(telling.record, decision_id, now, trail, imprint)
        except AuditUnwritable as error:
            log.error("decision not recorded", extra={"why": error.why, "reason": telling.verdict.reason})
            if not self.allow_unrecorded:
                # For a block as well: the caller must not take for a denial what nobody could ever prove.
                telling = self._telling(refused(Refusal(Reason.AUDIT_UNWRITABLE), now))
        telling.tally.count += 1
        if telling.answer is None:
            revision = self.rules.policy.revision
            return Permit(decision_id, telling.verdict, telling.lines, revision, imprint)
        return Denied(decision_id, telling.verdict, telling.answer)

    def _deny(
        self, verdict: Verdict, now: Instant, decision_id: bytes = b"", imprint: Imprint = NO_IMPRINT
    ) -> Denied:
        denied = self._tell(self._telling(verdict), now, decision_id, imprint=imprint)
        assert isinstance(denied, Denied)  # noqa: S101
        return denied


def _imprint(digest: bytes, head: RequestHead, body: bytes | None) -> Imprint:
    """What the record keeps of a request. `body`: all of it, where the decision needed it."""
    if body is None:
        return digest, head.length, NULL
    return digest, len(body), digest_of_body(body)


def _failure(verdict: Verdict, reason: Reason, now: Instant) -> Verdict:
    """A call that was found permissible and does not reach its end: still whose it was and what it asked."""
    return verdict._replace(
        decision=Decision.FAILED, reason=reason, rule=None, exemption=None, until=None, window=None,
        holds_until=now,
    )  # fmt: skip
