"""The committed page has every client and case, and shows no block that was asked for twice."""

import re
from pathlib import Path

import pytest

from tests.clients.cases import Case
from tests.clients.listed import CLIENTS, Client

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
ROW = re.compile(
    r"^\| (?P<client>.+?) \| (?P<case>[^|]+) \| (?P<sees>[^|]+) \| (?P<attempts>\d+) \| [\d.]+ \|$",
    re.MULTILINE,
)


def rows() -> list[re.Match[str]]:
    return [found for found in ROW.finditer(PAGE.read_text("utf-8")) if found["case"] in set(Case)]


@pytest.mark.parametrize("case", Case)
def test_every_client_has_its_line_for_the_case(case: Case) -> None:
    assert len([found for found in rows() if found["case"] == case]) == len(CLIENTS)


def test_no_block_was_retried() -> None:
    assert {found["attempts"] for found in rows() if found["case"] == Case.BLOCKED} == {"1"}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_page_says_how_the_client_is_pointed_at_the_sidecar(client: Client) -> None:
    text = PAGE.read_text("utf-8")
    (found,) = [line for line in text.splitlines() if line.startswith(f"| {client.title} | ")]

    assert found.endswith(f"| {client.pointed} |")
