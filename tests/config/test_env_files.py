"""The shipped env files mean the same to sh, Docker and dotenv, and name only settings that exist."""

import dataclasses
import os
import re
import subprocess
from pathlib import Path

import pytest

from proxy.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "config").glob("*.env"))
ASSIGNMENT = re.compile(r"(MORATORIUM_[A-Z0-9_]+)=(.*)")
# Characters that one reader or another gives a meaning of its own.
SPECIAL = re.compile(r"""["'`\\$ \t;&|<>(){}*?~!]""")


def known() -> frozenset[str]:
    return frozenset(f"MORATORIUM_{field.name.upper()}" for field in dataclasses.fields(Settings))


def assignments(file: Path) -> list[str]:
    lines = file.read_text("utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def offered(file: Path) -> list[str]:
    """Assignments that are commented out, for the reader to take."""
    return re.findall(r"^#(MORATORIUM_.*)$", file.read_text("utf-8"), re.MULTILINE)


EVERY_FILE = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def test_there_are_env_files() -> None:
    assert FILES


@EVERY_FILE
def test_a_line_is_a_comment_or_an_assignment(file: Path) -> None:
    for line in [*assignments(file), *offered(file)]:
        assert ASSIGNMENT.fullmatch(line)


@EVERY_FILE
def test_only_settings_that_exist_are_named(file: Path) -> None:
    named = [ASSIGNMENT.fullmatch(line) for line in [*assignments(file), *offered(file)]]

    assert {match[1] for match in named if match} <= known()


@EVERY_FILE
def test_no_setting_is_given_twice(file: Path) -> None:
    names = [line.partition("=")[0] for line in assignments(file)]

    assert len(names) == len(set(names))


@EVERY_FILE
def test_values_have_no_quotes_no_trailing_comment_and_nothing_that_a_shell_expands(file: Path) -> None:
    for line in [*assignments(file), *offered(file)]:
        assert not SPECIAL.search(line.partition("=")[2])


@EVERY_FILE
def test_sh_reads_what_docker_reads(file: Path) -> None:
    by_docker = dict(line.split("=", 1) for line in assignments(file))
    script = 'set -a; . "$1"; env -0'
    ran = subprocess.run(
        ["sh", "-c", script, "sh", str(file)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    by_sh = dict(pair.split("=", 1) for pair in ran.stdout.split("\0") if pair.startswith("MORATORIUM_"))

    assert by_sh == by_docker
