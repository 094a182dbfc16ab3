"""Turns a schema violation into one sentence: where, what was found, what is expected, the nearest name."""

import difflib
from collections.abc import Iterable
from typing import Any

from jsonschema import ValidationError

from proxy.policy.positions import Lines


def nearest(found: str, names: Iterable[str]) -> str:
    """The tail of a message: a suggestion when a name is close, else the choice."""
    choice = sorted(str(name) for name in names)
    close = difflib.get_close_matches(found, choice, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; expected one of {', '.join(choice)}" if choice else ""


def complaint(source: str, error: ValidationError, lines: Lines) -> str:
    """One line for one violation."""
    deepest = error
    while deepest.context:
        # anyOf: the branch that got furthest says what was meant.
        deepest = max(deepest.context, key=lambda e: len(e.absolute_path))
    line = lines.of(tuple(deepest.absolute_path), deepest.instance)
    place = f"{source}:{line}" if line else source
    return f"{place}: {_where(deepest)}: {_what(deepest)}"


def _where(error: ValidationError) -> str:
    text = ""
    for part in error.absolute_path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "the file"


def _what(error: ValidationError) -> str:
    value: Any = error.instance
    expected: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "additionalProperties":
            known = schema["properties"]
            unknown = sorted(set(value) - set(known))
            return "; ".join(f"unknown key {key!r}{nearest(key, known)}" for key in unknown)
        case "required":
            missing = [key for key in expected if key not in value]
            return f"missing {', '.join(repr(key) for key in missing)}"
        case "enum":
            return f"{value!r} is not known{nearest(str(value), map(str, expected))}"
        case "const":
            return f"{value!r} found, {expected!r} expected"
        case "type":
            return f"{value!r} is not of type {expected}"
        case "pattern":
            return f"{value!r} does not have the form {expected}"
        case "minItems":
            return "must not be empty"
        case _:
            return error.message
