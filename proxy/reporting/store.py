"""Audit files as tables of an embedded analytical engine. The only module that knows DuckDB.

Three views: `decisions`, a row for each decision; `calls`, a row for each call that was forwarded and has
ended; `frames`, all other records with their members as JSON in `record`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from proxy.errors import SettingsError

_TEXT, _TEXTS = "VARCHAR", "VARCHAR[]"
_CALL = (
    "STRUCT(id VARCHAR, status USMALLINT, request_bytes UBIGINT, response_bytes UBIGINT, "
    "microseconds UBIGINT, complete BOOLEAN)"
)
DECISION_COLUMNS: dict[str, str] = {
    "time": "TIMESTAMPTZ", "id": _TEXT, "request_id": _TEXT, "trace_id": _TEXT, "instance": _TEXT,
    "backend": _TEXT, "decision": _TEXT, "reason": _TEXT, "mode": _TEXT, "policy": _TEXT, "rule": _TEXT,
    "relation": _TEXT, "exemption": _TEXT, "evidence_sha256": _TEXT, "obligations": _TEXTS, "until": _TEXT,
    "org_type": _TEXT, "issuer": _TEXT, "org_types": _TEXTS, "org_id": _TEXT, "org_subtype": _TEXT,
    "level": _TEXT, "jurisdiction": _TEXT, "purpose": _TEXT, "case_sha256": _TEXT, "operation": _TEXT,
    "classes": _TEXTS, "traits": _TEXTS, "media": _TEXTS, "chain": _TEXT, "seq": "UBIGINT",
}  # fmt: skip
_ALL = {"v": "UTINYINT", "kind": _TEXT, **DECISION_COLUMNS, "calls": f"{_CALL}[]"}


class Rows(NamedTuple):
    """What a question has for an answer."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Store:
    """Reads the files anew with each question: nothing is copied, and memory stays bounded."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._database = duckdb.connect()
        self._database.execute("SET TimeZone = 'UTC'")
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in _ALL.items())
        listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
        how = f"format = 'newline_delimited', columns = {{{columns}}}, ignore_errors = true"
        read = f"read_json([{listed}], {how})"
        self._database.execute(f"CREATE VIEW records AS SELECT * FROM {read}")  # noqa: S608
        chosen = ", ".join(DECISION_COLUMNS)
        self._database.execute(
            f"CREATE VIEW decisions AS SELECT {chosen} FROM records WHERE kind = 'decision'"  # noqa: S608
        )
        self._database.execute(
            "CREATE VIEW calls AS SELECT time, instance, chain, seq, unnest(calls, recursive := true) "
            "FROM records WHERE kind = 'outcomes'"
        )

    def __repr__(self) -> str:
        return "<Store>"

    def ask(self, sql: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> Rows:
        """One question. Raises `SettingsError` when a file cannot be read."""
        try:
            found = self._database.execute(sql, parameters)
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            raise SettingsError([str(error)]) from None
        columns = tuple(str(column[0]) for column in found.description or ())
        return Rows(columns, found.fetchall())

    def close(self) -> None:
        self._database.close()
