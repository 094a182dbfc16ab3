"""What somebody other than the issuer knows of organisations and tokens: who is registered, as what, until
when; who is suspended; what has been revoked. Pure: time comes in.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.authn.registry import Registry, confirm
from proxy.policy.callers import ALWAYS, FOREVER, Caller, Instant, Relation
from proxy.policy.instants import format_instant
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason


class Suspension(NamedTuple):
    """Half-open, as every span of time here. `notice`: what the caller is told."""

    start: Instant = ALWAYS
    until: Instant = FOREVER
    notice: str = ""

    def holds(self, now: Instant) -> bool:
        return self.start <= now < self.until


Named = list[tuple[Relation, str]]
"""Ids of organisations, and how each stands to the call."""

Marks = Mapping[str | None, Mapping[str, Instant]]
"""By issuer, or None for all of them: what is revoked, and since when."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """What is worth nothing any more. `evidence`: by the digests of references."""

    tokens: Marks = field(default_factory=dict)
    subjects: Marks = field(default_factory=dict)
    organisations: Marks = field(default_factory=dict)
    evidence: Marks = field(default_factory=dict)

    def __str__(self) -> str:
        kinds = (
            ("tokens", self.tokens), ("subjects", self.subjects),
            ("organisations", self.organisations), ("pieces of evidence", self.evidence),
        )  # fmt: skip
        counts = ((name, sum(map(len, marks.values()))) for name, marks in kinds)
        return ", ".join(f"{count} {name}" for name, count in counts if count) or "nothing"

    def issuers(self) -> frozenset[str]:
        """Whom it names."""
        marks = (self.tokens, self.subjects, self.organisations, self.evidence)
        return frozenset(issuer for each in marks for issuer in each if issuer is not None)


@dataclass(frozen=True, slots=True)
class Standing:
    """Judges a caller once its token is verified. `registry`: None when there is none, and none is asked."""

    registry: Registry | None = None
    suspensions: Mapping[str, tuple[Suspension, ...]] = field(default_factory=dict)
    revoked: Revoked = field(default_factory=Revoked)

    def __repr__(self) -> str:
        registered = "no registry" if self.registry is None else f"{len(self.registry)} registered"
        return f"<Standing {registered}, {len(self.suspensions)} suspended, {self.revoked} revoked>"

    def judge(
        self, caller: Caller, token_id: str | None, subject: str | None, now: Instant
    ) -> Caller | Refusal:
        """Give the caller with what is known of it besides, or say why it is not acceptable at `now`.

        `token_id` and `subject`: the claims `jti` and `sub` of the verified token. The new `valid_until` is
        the first instant at which to ask again.
        """
        named = list(self._named(caller))
        revoked_at = self._revoked_at(caller.issuer, token_id, subject, named)
        if now >= revoked_at:
            return Refusal(Reason.TOKEN_REVOKED)
        suspended_at = self._suspended_at(named, now)
        if isinstance(suspended_at, Refusal):
            return suspended_at
        caller = caller._replace(valid_until=min(caller.valid_until, revoked_at, suspended_at))
        caller = self._without_revoked(caller, now)
        return caller if self.registry is None else confirm(caller, self.registry, now)

    def _named(self, caller: Caller) -> Iterator[tuple[Relation, str]]:
        """All organisations that have to do with the call, registered units above them included."""
        registry = self.registry or {}
        for relation, principal in caller.principals():
            if principal.org_id is None:
                continue
            yield relation, principal.org_id
            above = Relation.UNIT_OF if relation is Relation.SELF else relation
            if principal.org_id in registry:
                units = registry[principal.org_id].units
                yield from ((above, unit.org_id) for unit in units if unit.org_id is not None)

    def _revoked_at(self, issuer: str, token_id: str | None, subject: str | None, named: Named) -> Instant:
        """When the first revocation that the token falls under begins."""
        revoked = self.revoked
        return min(
            _since(revoked.tokens, issuer, token_id),
            _since(revoked.subjects, issuer, subject),
            *(_since(revoked.organisations, issuer, org_id) for _, org_id in named),
        )

    def _suspended_at(self, named: Named, now: Instant) -> Instant | Refusal:
        """When the first suspension to come begins."""
        found = [(relation, one) for relation, org_id in named for one in self.suspensions.get(org_id, ())]
        holding = [entry for entry in found if entry[1].holds(now)]
        if not holding:
            return min((one.start for _, one in found if now < one.start), default=FOREVER)
        relation, longest = max(holding, key=lambda entry: entry[1].until)
        until = _lifted((one for _, one in found), now)
        term = f"until {format_instant(until)}" if until < FOREVER else "until further notice"
        told = f"This is about {_WHO[relation]}, {term}."
        return Refusal(Reason.ORG_SUSPENDED, f"{told} {longest.notice}" if longest.notice else told)

    def _without_revoked(self, caller: Caller, now: Instant) -> Caller:
        """Evidence can only open: a caller without it is never better off."""
        if not caller.evidence or not self.revoked.evidence:
            return caller
        since = [_since(self.revoked.evidence, caller.issuer, shown.digest) for shown in caller.evidence]
        return caller._replace(
            evidence=tuple(shown for shown, at in zip(caller.evidence, since, strict=True) if now < at),
            valid_until=min([caller.valid_until, *(at for at in since if now < at)]),
        )


NO_STANDING = Standing()
"""Nothing is known besides what tokens say."""

_WHO = {
    Relation.SELF: "the caller itself",
    Relation.UNIT_OF: "a unit above the caller",
    Relation.ON_BEHALF_OF: "the one that the caller works for",
    Relation.ACTOR: "one that acts with the caller's token",
}
_NOTHING: Mapping[str, Instant] = {}


def _since(marks: Marks, issuer: str, key: str | None) -> Instant:
    if key is None or not marks:
        return FOREVER
    return min(marks.get(whose, _NOTHING).get(key, FOREVER) for whose in (None, issuer))


def _lifted(suspensions: Iterable[Suspension], now: Instant) -> Instant:
    """The first instant at which none holds: one that begins where another ends goes on from it."""
    until = now
    for one in sorted(suspensions):
        if one.start <= until:
            until = max(until, one.until)
    return until
