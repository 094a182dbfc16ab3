"""What can be asked of a call: each condition is a value that says whether it is met, and what it asks.

Conditions are made once, when a policy is read, and only those that the file states; so the engine, `explain`
and the timeline ask the same objects. A value that the token does not carry is never taken for a harmless
one: what it counts as is said by each condition (`missing`), and for an exemption it is "not met".
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

from proxy.policy.callers import FOREVER, Caller, Evidence, EvidenceType, Instant, Principal, Relation
from proxy.policy.operations import Operation, OperationClass

EVERY_RELATION = frozenset(Relation)


class Question(NamedTuple):
    """One call as conditions see it. `bound`: those of its organisations that the moratorium binds.

    `covered`: those of its classes that the moratorium covers.
    """

    caller: Caller
    operation: Operation
    covered: frozenset[OperationClass]
    bound: tuple[Principal, ...]
    now: Instant


class Condition(Protocol):
    """One thing that a moratorium or an exemption asks of a call."""

    def met(self, question: Question) -> bool:
        """Whether the call is so."""

    def changes_at(self, question: Question) -> Instant:
        """The first instant after `now` at which the answer may differ for the same call."""

    def __str__(self) -> str:
        """What is asked, as the end of a sentence that begins with "needs"."""


class Party(NamedTuple):
    """A description of organisations: all that it states must be true of one. Empty means "not asked for".

    `relations`: which of a call's organisations it may be true of. `contractors`: of an exception, that those
    who work on behalf of one are excepted as well.
    """

    org_types: frozenset[str] = frozenset()
    org_subtypes: frozenset[str] = frozenset()
    org_ids: frozenset[str] = frozenset()
    levels: frozenset[str] = frozenset()
    relations: frozenset[Relation] = EVERY_RELATION
    contractors: bool = False

    def fits(self, principal: Principal) -> bool:
        """Whether an organisation is one of these: of several types, one is enough."""
        org_types, org_subtypes, org_ids, levels, _, _ = self
        if org_types and org_types.isdisjoint(principal[0]):
            return False
        return (
            (not org_ids or principal.org_id in org_ids)
            and (not org_subtypes or principal.org_subtype in org_subtypes)
            and (not levels or principal.level in levels)
        )

    def may_fit(self, principal: Principal) -> bool:
        """The same for binding: of a type that is named, nobody is freed by keeping subtype or level back."""
        org_types, org_subtypes, org_ids, levels, _, _ = self
        if org_types and org_types.isdisjoint(principal[0]):
            return False
        subtype, level = principal.org_subtype, principal.level
        return (
            (not org_ids or principal.org_id in org_ids)
            and (not org_subtypes or subtype in org_subtypes or (subtype is None and bool(org_types)))
            and (not levels or level in levels or (level is None and bool(org_types)))
        )

    def fits_wholly(self, principal: Principal) -> bool:
        """Whether an organisation is one of these and nothing besides: an exception wants all its types."""
        return self.fits(principal) and (not self.org_types or self.org_types.issuperset(principal.org_types))


class Lasting:
    """A condition whose answer does not change while the call stays the same."""

    __slots__ = ()

    def changes_at(self, _question: Question) -> Instant:
        return FOREVER


@dataclass(frozen=True, slots=True)
class BoundIs(Lasting):
    """Every organisation that is bound is one of these: a contractor lends nobody its own exemption."""

    party: Party

    def met(self, question: Question) -> bool:
        return all(map(self.party.fits, question.bound))

    def __str__(self) -> str:
        stated = (
            ("type", self.party.org_types), ("subtype", self.party.org_subtypes),
            ("id", self.party.org_ids), ("level", self.party.levels),
        )  # fmt: skip
        return " and ".join(
            f"an organisation whose {name} is {_one_of(values)}" for name, values in stated if values
        )


@dataclass(frozen=True, slots=True)
class PurposeIs(Lasting):
    """The call's purpose is one of these."""

    purposes: frozenset[str]
    missing: bool = False

    def met(self, question: Question) -> bool:
        purpose = question.caller.purpose
        return self.missing if purpose is None else purpose in self.purposes

    def __str__(self) -> str:
        return f"a purpose that is {_one_of(self.purposes)}"


@dataclass(frozen=True, slots=True)
class PurposeIsNot(Lasting):
    """The call's purpose is one, and none of these."""

    purposes: frozenset[str]
    missing: bool = False

    def met(self, question: Question) -> bool:
        purpose = question.caller.purpose
        return self.missing if purpose is None else purpose not in self.purposes

    def __str__(self) -> str:
        return f"a purpose other than {_one_of(self.purposes)}"


@dataclass(frozen=True, slots=True)
class HasCase(Lasting):
    """The token carries a case number."""

    def met(self, question: Question) -> bool:
        return question.caller.case_digest is not None

    def __str__(self) -> str:
        return "a case number"


@dataclass(frozen=True, slots=True)
class CircumstanceIs(Lasting):
    """The issuer says of the call that `name` is one of `values`."""

    name: str
    values: frozenset[str]
    missing: bool = False

    def met(self, question: Question) -> bool:
        said = [value for name, value in question.caller.circumstances if name == self.name]
        return not self.values.isdisjoint(said) if said else self.missing

    def __str__(self) -> str:
        return f"the circumstance {self.name} to be {_one_of(self.values)}"


class Of(NamedTuple):
    """Whose place is looked at."""

    bound: bool = True
    """Those organisations that the moratorium binds."""
    caller: bool = False
    principal: bool = False
    subject: bool = False
    place: bool = False

    def places(self, question: Question) -> list[str | None]:
        """The jurisdictions named, None for each that the token does not state."""
        caller = question.caller
        found: list[str | None] = []
        if self.bound:
            found += [organisation.jurisdiction for organisation in question.bound]
        if self.caller:
            found.append(caller.jurisdiction)
        if self.principal and caller.on_behalf_of is not None:
            found.append(caller.on_behalf_of.jurisdiction)
        if self.subject:
            found.append(caller.subject_jurisdiction)
        if self.place:
            found.append(caller.place_jurisdiction)
        return found


@lru_cache(maxsize=4096)
def within(place: str | None, jurisdictions: frozenset[str]) -> bool | None:
    """Whether a place lies in one of the jurisdictions; None when it is not stated closely enough.

    `US-MA-BOS` lies in `US-MA`; whether `US-MA` lies in `US-MA-BOS` nobody can say.
    """
    if place is None:
        return None
    if any(place == j or place.startswith(f"{j}-") for j in jurisdictions):
        return True
    return None if any(j.startswith(f"{place}-") for j in jurisdictions) else False


@dataclass(frozen=True, slots=True)
class PlaceIs(Lasting):
    """One of the places looked at, or `every` one, lies in one of these jurisdictions."""

    jurisdictions: frozenset[str]
    of: Of = Of()  # noqa: RUF009  (a frozen value)
    missing: bool = False
    every: bool = False

    def met(self, question: Question) -> bool:
        if self.every:
            answers = [within(place, self.jurisdictions) for place in self.of.places(question)]
            return bool(answers) and all(answers)
        doubtful = False
        for place in self.of.places(question):
            lies_there = within(place, self.jurisdictions)
            if lies_there:
                return True
            doubtful = doubtful or lies_there is None
        return doubtful and self.missing

    def __str__(self) -> str:
        whose = (" and " if self.every else " or ").join(
            name for name, asked in zip(self.of._fields, self.of, strict=True) if asked
        )
        whose = whose.replace("bound", "bound organisation", 1)
        return f"the {whose} to be in {_one_of(self.jurisdictions)}"


@dataclass(frozen=True, slots=True)
class Shows:
    """The token carries one piece of evidence that is of these types, fresh enough and given for such a call.

    `max_age` is in seconds. Of an emergency it is the deadline after which paper must have followed.
    `named`: the evidence must say which classes and purposes it was given for, not merely not exclude them.
    """

    types: frozenset[EvidenceType]
    max_age: float = FOREVER
    issued_by: frozenset[str] = frozenset()
    issued_before: Instant = FOREVER
    named: bool = False

    def met(self, question: Question) -> bool:
        return self.shown(question) is not None

    def shown(self, question: Question) -> Evidence | None:
        """The piece that meets it and lasts longest."""
        found = [e for e in question.caller.evidence if self._fits(e, question)]
        return max(found, key=self._ends, default=None)

    def changes_at(self, question: Question) -> Instant:
        edges = [
            edge
            for evidence in question.caller.evidence
            if evidence.type in self.types
            for edge in (evidence.issued_at, self._ends(evidence))
            if edge > question.now
        ]
        return min(edges, default=FOREVER)

    def _ends(self, evidence: Evidence) -> Instant:
        return min(evidence.expires_at, evidence.issued_at + self.max_age)

    def _fits(self, evidence: Evidence, question: Question) -> bool:
        purpose = question.caller.purpose
        return (
            evidence.type in self.types
            and evidence.issued_at <= question.now < self._ends(evidence)
            and evidence.issued_at < self.issued_before
            and (not self.issued_by or evidence.issued_by in self.issued_by)
            and (question.covered <= evidence.classes if evidence.classes else not self.named)
            and (purpose in evidence.purposes if evidence.purposes else not self.named)
        )

    def __str__(self) -> str:
        parts = [f"evidence: {_one_of(self.types)}"]
        if self.max_age != FOREVER:
            parts.append(f"at most {_span(self.max_age)} old")
        if self.issued_by:
            parts.append(f"given by {_one_of(self.issued_by)}")
        if self.issued_before != FOREVER:
            parts.append("given before the date in the policy")
        if self.named:
            parts.append("that names these operations and this purpose")
        return ", ".join(parts)


def _one_of(values: frozenset[str]) -> str:
    return " or ".join(sorted(values))


def _span(seconds: float) -> str:
    for name, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {name}"
    return f"{seconds:g} seconds"
