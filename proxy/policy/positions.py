"""Where in a TOML file a key stands, for messages that name file and line.

tomllib keeps no positions. This looks only for what begins a line, a table's header or a key, and relies on
tomllib having accepted the file: what it cannot place gets the line of what it stands in.
"""

import re
from collections.abc import Sequence

Path = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)([^\[\]#]+)\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


class Lines:
    """The lines of one file's keys."""

    def __init__(self, text: str = "") -> None:
        self._text = text.split("\n") if text else []
        self._at: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}

    def _scan(self) -> None:
        table: Path = ()
        quotes = ""
        for number, line in enumerate(self._text, 1):
            if quotes:
                quotes = "" if quotes in line else quotes
                continue
            if header := _HEADER.match(line):
                table = self._table(_parts(header[2]), array=header[1] == "[[")
                self._at.setdefault(table, number)
            elif key := _KEY.match(line):
                path = table
                for part in _parts(key[1]):
                    path = (*path, part)
                    self._at.setdefault(path, number)
                rest = line[key.end() :].strip()
                if rest[:3] in ('"""', "'''") and rest[:3] not in rest[3:]:
                    quotes = rest[:3]

    def _table(self, parts: Sequence[str], *, array: bool) -> Path:
        path: Path = ()
        for part in parts[:-1]:
            path = self._last((*path, part))
        path = (*path, parts[-1])
        if not array:
            return path
        self._counts[path] = self._counts.get(path, 0) + 1
        return self._last(path)

    def _last(self, path: Path) -> Path:
        return (*path, self._counts[path] - 1) if path in self._counts else path

    def of(self, path: Path, value: object = None) -> int | None:
        """The line of a key, or of the nearest table around it; of a value in a longer list, its own.

        None when the text is not known.
        """
        if not self._text:
            return None
        if not self._at:
            self._scan()  # only when somebody asks: most files are right, and some are long
        for length in range(len(path), 0, -1):
            line = self._at.get(path[:length])
            if line is not None:
                return self._within(line, value) if isinstance(value, str) else line
        return 1

    def _within(self, line: int, value: str) -> int:
        later = [other for other in self._at.values() if other > line]
        for number in range(line, min(later, default=len(self._text) + 1)):
            if f'"{value}"' in self._text[number - 1] or f"'{value}'" in self._text[number - 1]:
                return number
        return line


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]
