"""Who asks: the organisation that a verified token speaks for, those behind it, and what it can show.

Frozen values only. Every name in them is a member of a closed set or has a fixed form; free text (a case
number, a warrant's number) is there as its SHA-256 alone.
"""

import math
from enum import StrEnum
from typing import NamedTuple

from proxy.policy.operations import OperationClass

Instant = float
"""Seconds since 1970-01-01T00:00:00Z."""

FOREVER: Instant = math.inf
ALWAYS: Instant = -math.inf

LEVELS = ("federal", "state", "county", "city", "private")
"""Which level of government, or none, an organisation belongs to."""


class Relation(StrEnum):
    """How an organisation stands to a call."""

    SELF = "self"
    UNIT_OF = "unit-of"
    """An organisation that the caller is a part of."""
    ON_BEHALF_OF = "on-behalf-of"
    """The organisation that the caller works for in this call."""
    ACTOR = "actor"
    """Somebody who acts with the caller's token (RFC 8693 section 4.1), at any depth."""


class EvidenceType(StrEnum):
    """What can be shown for an exemption."""

    WARRANT = "warrant"
    COURT_ORDER = "court-order"
    PROBABLE_CAUSE = "probable-cause"
    REGISTRATION = "registration"
    APPROVAL = "approval"
    ATTESTATION = "attestation"
    CERTIFICATION = "certification"
    CONSENT = "consent"
    CONTRACT = "contract"
    EXIGENCY = "exigency"
    FEDERAL_MANDATE = "federal-mandate"


_SELF = Relation.SELF  # an enumeration's member is slow to look up in Python 3.11


class Principal(NamedTuple):
    """One organisation. What is not known of it is empty or None.

    `jurisdiction`: ISO 3166-1 or -2, with a UN/LOCODE place where a city matters: `US`, `US-MA`, `US-MA-BOS`.
    """

    org_types: tuple[str, ...] = ()
    org_id: str | None = None
    org_subtype: str | None = None
    level: str | None = None
    jurisdiction: str | None = None


class Evidence(NamedTuple):
    """One authorisation that the issuer vouches for. `digest`: the SHA-256 (hex) of its reference.

    `classes` and `purposes`: what it was given for; empty when it does not say.
    """

    type: EvidenceType
    digest: str
    issued_at: Instant
    expires_at: Instant = FOREVER
    issued_by: str | None = None
    classes: frozenset[OperationClass] = frozenset()
    purposes: frozenset[str] = frozenset()


class Caller(NamedTuple):
    """Who asks, as a verified token says. `valid_until`: the first instant at which the token is refused.

    `path`: the organisations that the caller is a unit of. `circumstances`: what the issuer says of the call
    itself, as pairs of name and value from the policy's vocabulary. `subject_digest`: of whom the token is,
    for the record alone; nothing is decided by it.
    """

    issuer: str
    org_types: tuple[str, ...]
    org_id: str | None = None
    purpose: str | None = None
    case_digest: str | None = None
    valid_until: Instant = FOREVER
    org_subtype: str | None = None
    level: str | None = None
    jurisdiction: str | None = None
    path: tuple[Principal, ...] = ()
    on_behalf_of: Principal | None = None
    actors: tuple[Principal, ...] = ()
    subject_jurisdiction: str | None = None
    place_jurisdiction: str | None = None
    circumstances: frozenset[tuple[str, str]] = frozenset()
    evidence: tuple[Evidence, ...] = ()
    subject_digest: str | None = None

    @property
    def principal(self) -> Principal:
        """The caller's own organisation."""
        return Principal(self.org_types, self.org_id, self.org_subtype, self.level, self.jurisdiction)

    def every_org_type(self) -> tuple[str, ...]:
        """The types of all organisations that have to do with the call."""
        if self.on_behalf_of is None and not self.path and not self.actors:
            return self.org_types
        org_types = self.org_types
        if self.on_behalf_of is not None:
            org_types += self.on_behalf_of.org_types
        for principal in (*self.path, *self.actors):
            org_types += principal.org_types
        return org_types

    def principals(self) -> list[tuple[Relation, Principal]]:
        """Every organisation that has to do with the call."""
        found = [
            (_SELF, Principal(self.org_types, self.org_id, self.org_subtype, self.level, self.jurisdiction))
        ]
        if self.path:
            found += [(Relation.UNIT_OF, unit) for unit in self.path]
        if self.on_behalf_of is not None:
            found.append((Relation.ON_BEHALF_OF, self.on_behalf_of))
        if self.actors:
            found += [(Relation.ACTOR, actor) for actor in self.actors]
        return found
