"""Every member of every record as a column, with its type. Pure.

A member that a record does not have is NULL. Names are those of the records (docs/audit-records.md).
"""

_TEXT, _TEXTS, _COUNT, _TIME = "VARCHAR", "VARCHAR[]", "UBIGINT", "TIMESTAMPTZ"
_PRINCIPAL = {
    "org_types": _TEXTS, "org_id": _TEXT, "org_subtype": _TEXT, "level": _TEXT, "jurisdiction": _TEXT,
}  # fmt: skip


def struct(members: dict[str, str]) -> str:
    """The type of an object with these members. `end` and the like are words of the language."""
    return "STRUCT(" + ", ".join(f'"{name}" {kind}' for name, kind in members.items()) + ")"


_EVIDENCE = struct(
    {
        "type": _TEXT, "sha256": _TEXT, "issued_at": "DOUBLE", "expires_at": "DOUBLE", "issued_by": _TEXT,
        "classes": _TEXTS, "purposes": _TEXTS,
    }
)  # fmt: skip
_RUN = struct({"id": _TEXT, "first": _COUNT, "last": _COUNT, "before": _TEXT, "head": _TEXT})
CALL = {
    "id": _TEXT, "status": "USMALLINT", "request_bytes": _COUNT, "response_bytes": _COUNT,
    "microseconds": _COUNT, "complete": "BOOLEAN",
}  # fmt: skip

PLACE = {
    "v": "UTINYINT", "kind": _TEXT, "time": _TIME, "instance": _TEXT, "chain": _TEXT, "seq": _COUNT,
    "prev": _TEXT,
}  # fmt: skip
"""What every record has."""
DECISION = {
    "id": _TEXT, "request_id": _TEXT, "trace_id": _TEXT, "backend": _TEXT, "decision": _TEXT,
    "reason": _TEXT, "mode": _TEXT, "policy": _TEXT, "policy_serial": _COUNT, "rule": _TEXT,
    "relation": _TEXT, "exemption": _TEXT, "evidence_sha256": _TEXT, "obligations": _TEXTS,
    "rule_window": struct({"start": _TEXT, "end": _TEXT}), "until": _TEXT, "org_type": _TEXT,
    "issuer": _TEXT, **_PRINCIPAL, "org_path": struct(_PRINCIPAL) + "[]",
    "on_behalf_of": struct(_PRINCIPAL), "actors": struct(_PRINCIPAL) + "[]",
    "subject_jurisdiction": _TEXT, "place_jurisdiction": _TEXT, "circumstances": "MAP(VARCHAR, VARCHAR[])",
    "purpose": _TEXT, "case_sha256": _TEXT, "shown": f"{_EVIDENCE}[]", "subject_hmac": _TEXT,
    "operation": _TEXT, "classes": _TEXTS, "traits": _TEXTS, "media": _TEXTS, "result": "BOOLEAN",
    "request_sha256": _TEXT, "request_bytes": _COUNT, "body_sha256": _TEXT, "masked": _TEXTS,
}  # fmt: skip
FRAME = {
    "release": _TEXT, "after": struct({"id": _TEXT, "number": _COUNT, "sha256": _TEXT}),
    "checkpoint_records": _COUNT, "records": _COUNT, "failures": _COUNT,
    "tree": struct({"first": _COUNT, "size": _COUNT, "sha256": _TEXT}), "key": _TEXT, "signature": _TEXT,
    "old": _TEXT, "new": _TEXT, "bytes": _COUNT, "sha256": _TEXT, "segment": _TEXT, "chains": f"{_RUN}[]",
}  # fmt: skip
"""Of records that are no decisions; `policy` and `until` they share with those."""
ALL = {**PLACE, **DECISION, **FRAME, "calls": struct(CALL) + "[]"}
