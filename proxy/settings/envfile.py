"""Reads env files the way Docker, systemd and sh agree on, and says where they would not."""

import re
from pathlib import Path
from typing import NamedTuple

from proxy.errors import SettingsError

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")


class EnvFile(NamedTuple):
    """The variables of a file, and what other readers of the same file would understand differently."""

    values: dict[str, str]
    warnings: list[str]


def read_env_file(path: Path) -> EnvFile:
    """Read `NAME=value` lines. One pair of quotes around a value is taken off.

    Raises `SettingsError` with every line that is not understood.
    """
    try:
        content = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SettingsError([f"{path}: {why}"]) from None
    values: dict[str, str] = {}
    problems, warnings = [], []
    for number, raw in enumerate(content.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            problems.append(f"{path}:{number}: NAME=value is expected")
            continue
        name, value = match[1], match[2].strip()
        if name in values:
            problems.append(f"{path}:{number}: {name} is set twice")
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            warnings.append(f"{path}:{number}: Docker keeps the quotes around {name}; write it without")
            value = value[1:-1]
        elif " #" in value:
            warnings.append(f"{path}:{number}: what follows ' #' is part of the value of {name}")
        values[name] = value
    if problems:
        raise SettingsError(problems)
    return EnvFile(values, warnings)
