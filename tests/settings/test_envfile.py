"""Env files, read as Docker, systemd and sh agree."""

from pathlib import Path

import pytest

from proxy.errors import SettingsError
from proxy.settings.envfile import read_env_file

ROOT = Path(__file__).parents[2]


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_names_values_comments_and_blank_lines(tmp_path: Path) -> None:
    file = write(tmp_path / "a.env", "# comment\n\nA=1\nexport B=two words\nC=\n  D = x=y \n")

    assert read_env_file(file).values == {"A": "1", "B": "two words", "C": "", "D": "x=y"}


def test_what_docker_would_read_differently_is_said(tmp_path: Path) -> None:
    file = write(tmp_path / "a.env", 'A="quoted"\nB=value # comment\n')

    found = read_env_file(file)

    assert found.values == {"A": "quoted", "B": "value # comment"}
    assert [warning.split("/")[-1].split(": ")[0] for warning in found.warnings] == ["a.env:1", "a.env:2"]


def test_every_line_that_is_not_understood_is_reported(tmp_path: Path) -> None:
    file = write(tmp_path / "a.env", "A=1\nnonsense\n1A=2\nA=3\n")

    with pytest.raises(SettingsError) as caught:
        read_env_file(file)

    assert [problem[len(str(file)) :][:3] for problem in caught.value.problems] == [":2:", ":3:", ":4:"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_env_file(tmp_path / "nope.env")


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.env")), ids=lambda p: p.name)
def test_shipped_env_files_are_read_alike_everywhere(path: Path) -> None:
    assert read_env_file(path).warnings == []
