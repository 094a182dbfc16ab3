"""Holds records against the published form: each kind against its own, with what is wrong in words."""

import functools
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from proxy.audit.chain import END_OF_LINE
from proxy.audit.schema import KINDS, SCHEMA

FILE = Path(__file__).parents[2] / "config/audit-record.schema.json"


@functools.cache
def _whole() -> Draft202012Validator:
    Draft202012Validator.check_schema(SCHEMA)
    return Draft202012Validator(json.loads(FILE.read_text("utf-8")))


def wrong(record: Any) -> list[str]:
    """What is wrong with a record, by the file that is shipped; nothing when it is as it should be."""
    whole = _whole()
    kind = record.get("kind") if isinstance(record, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        return [error.message for error in whole.iter_errors(record)]
    # The same as to ask which one of all kinds it is, but that it says what is wrong with this one.
    one = whole.evolve(schema={"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]})
    return [f"{kind} {error.json_path}: {error.message}" for error in one.iter_errors(record)]


def whole_records(*files: Path) -> list[Any]:
    """The records in audit files, without what was cut short."""
    lines = [line for file in files for line in file.read_bytes().splitlines(keepends=True)]
    return [json.loads(line) for line in lines if line.endswith(END_OF_LINE)]


def records_wrong(file: Path, at_most: int) -> list[str]:
    """What is wrong with the first records of a file that may not be there."""
    records = whole_records(file)[:at_most] if file.is_file() else []
    return [said for record in records for said in wrong(record)]
