"""Printing results: a table for people, JSON for programs."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table


def add_output(parser: argparse.ArgumentParser) -> None:
    """The option that every printing verb takes."""
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default: text")


def print_json(value: object) -> None:
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], width: int = 160) -> None:
    """A plain table that keeps its width when piped."""
    console = Console(width=None if sys.stdout.isatty() else width, highlight=False)
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Names and what they are, one a line."""
    rows = list(facts)
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
