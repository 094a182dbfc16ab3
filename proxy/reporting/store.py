"""Audit files as tables of an embedded analytical engine. The only module that knows DuckDB.

Views: `decisions`, a row for each decision; `calls`, a row for each call that was forwarded and has ended;
`frames`, a row for each other record; `records`, all lines, also those that are no records of this version.
Names of columns are those of the members.
"""

import contextlib
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from proxy.audit.chain import VERSION
from proxy.errors import SettingsError
from proxy.reporting.columns import ALL, DECISION, FRAME, PLACE

PARQUET = ".parquet"
ROW_GROUP = 122_880
"""Rows of a Parquet file that are kept together; the engine's own default."""

_NO_NETWORK = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
_JSON = "format = 'newline_delimited', ignore_errors = true, maximum_object_size = 16777216"


class Rows(NamedTuple):
    """What a question has for an answer."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Store:
    """Reads the files anew with each question: nothing is copied, and memory stays bounded.

    It can read these files, write those in `writes`, and do nothing else outside its own memory but in a
    folder for what does not fit in there, such as a long answer that is sorted. Nobody else can read that,
    and it goes with the store; the engine's own default is a folder where the command is called.
    `memory`: MB, about; None: what the engine finds right.
    """

    def __init__(self, files: Sequence[Path], writes: Sequence[Path] = (), memory: int | None = None) -> None:
        self.spilled = Path(tempfile.mkdtemp(prefix="moratorium-query-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self.spilled, ignore_errors=True)
        self._database = duckdb.connect(config={**_NO_NETWORK, **_bounded(memory)})
        texts = [_pattern(file) for file in files if file.suffix != PARQUET]
        tables = [_pattern(file) for file in files if file.suffix == PARQUET]
        # Names are quoted here: a view, unlike a question, takes no parameters.
        allowed = _listed([*map(str, files), *texts, *tables, *map(str, writes)])
        for setting in (
            "TimeZone = 'UTC'", f"temp_directory = '{_quoted(str(self.spilled))}'",
            f"allowed_paths = [{allowed}]", "enable_external_access = false",
            "lock_configuration = true",
        ):  # fmt: skip
            self._database.execute(f"SET {setting}")
        self._create(texts, tables)

    def __repr__(self) -> str:
        return "<Store>"

    def _create(self, texts: list[str], tables: list[str]) -> None:
        sources = []
        if texts:
            columns = ", ".join(f"'{name}': '{kind}'" for name, kind in ALL.items())
            read = f"read_json([{_listed(texts)}], {_JSON}, columns = {{{columns}}})"
            sources.append(f"SELECT * FROM {read}")  # noqa: S608
        if tables:
            sources.append(f"SELECT * FROM read_parquet([{_listed(tables)}])")  # noqa: S608
        for name, query in {
            "records": " UNION ALL BY NAME ".join(sources),
            "known": f"SELECT * FROM records WHERE v = {VERSION}",  # noqa: S608
            "decisions": f"SELECT {_names(PLACE, DECISION)} FROM known WHERE kind = 'decision'",  # noqa: S608
            "calls": "SELECT time, instance, chain, seq, unnest(calls, recursive := true) "
            "FROM known WHERE kind = 'outcomes'",
            "frames": f"SELECT {_names(PLACE, FRAME)}, policy, until "  # noqa: S608
            "FROM known WHERE kind NOT IN ('decision', 'outcomes')",
        }.items():
            self.ask(f"CREATE VIEW {name} AS {query}")

    def ask(self, sql: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> Rows:
        """One question. Raises `SettingsError` when a file cannot be read."""
        with _told():
            found = self._database.execute(sql, parameters)
            columns = tuple(str(column[0]) for column in found.description or ())
            return Rows(columns, found.fetchall())

    def chunks(
        self, sql: str, parameters: Mapping[str, Any] | Sequence[Any] = (), size: int = 10_000
    ) -> Iterable[list[tuple[Any, ...]]]:
        """One question with a long answer, so many rows at a time. Raises `SettingsError`."""
        with _told():
            found = self._database.execute(sql, parameters)
            while rows := found.fetchmany(size):
                yield rows

    def columns(self, sql: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> tuple[str, ...]:
        """What the columns of an answer are called, without one. Raises `SettingsError`."""
        return tuple(str(row[0]) for row in self.ask(f"DESCRIBE {sql}", parameters).rows)

    def write(self, sql: str, parameters: Mapping[str, Any], path: Path) -> None:
        """An answer as a Parquet file, which must be one of `writes`. Raises `SettingsError`."""
        how = f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
        self.ask(f"COPY ({sql}) TO '{_quoted(str(path))}' {how}", parameters)

    def odd_lines(self) -> int:
        """How many lines are no records of this version, empty ones aside."""
        odd = f"SELECT count(*) FROM records WHERE kind IS NULL OR v IS DISTINCT FROM {VERSION}"  # noqa: S608
        return int(self.ask(odd).rows[0][0])

    def close(self) -> None:
        self._database.close()
        self._remove()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What files and memory do to a question, in one line; a question that is wrong in itself is a bug."""
    try:
        yield
    except (
        duckdb.IOException,
        duckdb.InvalidInputException,
        duckdb.PermissionException,
        duckdb.ConversionException,
        duckdb.OutOfMemoryException,
    ) as error:
        raise SettingsError([str(error).partition("\n")[0]]) from None


def _bounded(memory: int | None) -> dict[str, str | int]:
    """One thread: each has buffers of its own, which are as large as the longest line could be."""
    return {"memory_limit": f"{memory}MB", "threads": 1} if memory is not None else {}


def _names(*tables: Mapping[str, str]) -> str:
    return ", ".join(f'"{name}"' for table in tables for name in table)


def _pattern(path: Path) -> str:
    """A name that stands for itself: the engine takes these marks for patterns."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{_quoted(name)}'" for name in names)


def _quoted(text: str) -> str:
    return text.replace("'", "''")
