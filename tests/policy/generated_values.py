"""The program's own values for what `tests.policy.generate` draws as dictionaries."""

import hashlib

from proxy.policy.callers import FOREVER, Caller, Evidence, EvidenceType, Principal
from proxy.policy.operations import Medium, Operation, OperationClass, Trait, operation
from tests.policy.naive import Table


def caller_of(table: Table) -> Caller:
    """What `proxy.authn` would make of a token that says this."""
    return Caller(
        issuer="issuer",
        org_types=tuple(table["org_types"]),
        org_id=table.get("org_id"),
        purpose=table.get("purpose"),
        case_digest=table.get("case"),
        valid_until=table.get("valid_until", FOREVER),
        org_subtype=table.get("org_subtype"),
        level=table.get("level"),
        jurisdiction=table.get("jurisdiction"),
        path=tuple(_principal_of(unit) for unit in table.get("path", [])),
        on_behalf_of=_principal_of(table["on_behalf_of"]) if "on_behalf_of" in table else None,
        actors=tuple(_principal_of(actor) for actor in table.get("actors", [])),
        subject_jurisdiction=table.get("subject_jurisdiction"),
        place_jurisdiction=table.get("place_jurisdiction"),
        circumstances=frozenset(
            (name, value) for name, values in table.get("circumstances", {}).items() for value in values
        ),
        evidence=tuple(_evidence_of(piece) for piece in table.get("evidence", [])),
    )


def _principal_of(table: Table) -> Principal:
    return Principal(
        tuple(table.get("org_types", ())),
        table.get("org_id"),
        table.get("org_subtype"),
        table.get("level"),
        table.get("jurisdiction"),
    )


def _evidence_of(piece: Table) -> Evidence:
    return Evidence(
        EvidenceType(piece["type"]),
        piece["digest"],
        piece["issued_at"],
        piece.get("expires_at", FOREVER),
        piece.get("issued_by"),
        frozenset(map(OperationClass, piece.get("classes", ()))),
        frozenset(piece.get("purposes", ())),
    )


def operation_of(table: Table) -> Operation:
    """What `proxy.backends` would have in its table."""
    return operation(
        table["name"],
        *map(OperationClass, table["classes"]),
        traits=frozenset(map(Trait, table.get("traits", ()))),
        media=frozenset(map(Medium, table.get("media", ()))),
        is_result=table.get("is_result", False),
    )


def spent_of(used_up: tuple[tuple[str, str, str], ...]) -> frozenset[str]:
    """The keys by which uses are counted: SHA-256 over lines of moratorium, exemption and whose."""
    return frozenset(hashlib.sha256("\n".join(triple).encode()).hexdigest() for triple in used_up)
