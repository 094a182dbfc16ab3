"""Printing results: a table for people, JSON for programs."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text


def add_output(parser: argparse.ArgumentParser) -> None:
    """The option that every printing verb takes."""
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default: text")


def print_json(value: object) -> None:
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], width: int = 160, *, whole: bool = False
) -> None:
    """A plain table that keeps its width when piped. What stands in its cells is shown, and does nothing.

    `whole`: it keeps its width on a terminal, too, and its lines are broken there instead of its cells.
    """
    console = Console(width=None if sys.stdout.isatty() and not whole else width, highlight=False)
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    console.print(table, soft_wrap=whole)


def visible(text: str) -> str:
    """With escapes for what a terminal obeys instead of showing it; line ends stay.

    Names come from tokens and requests: they could move the cursor, or turn the reading direction.
    """
    return "".join(char if char == "\n" or char.isprintable() else ascii(char)[1:-1] for char in text)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Names and what they are, one a line."""
    rows = list(facts)
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"{name:<{width}}  {visible(value)}")
