"""The README's lines for boto3 run as they stand, in front of a running proxy."""

import re
import sys
from pathlib import Path

import pytest

from tests.clients.cases import Case, claims
from tests.clients.dialects import LIKENESS
from tests.clients.driven import run
from tests.clients.stand import WELL, Stand

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def code() -> str:
    (found,) = re.findall(r"(?ms)^```python\n(.*?)^```$", README.read_text("utf-8"))
    return str(found)


def variables() -> dict[str, str]:
    """What the README tells people to set."""
    lines = re.findall(r"(?m)^    export (.+)$", README.read_text("utf-8"))
    return dict(word.split("=", 1) for line in lines for word in line.split())


def test_the_readmes_code_has_ten_lines() -> None:
    assert len(code().splitlines()) == 10


@pytest.mark.parametrize(("case", "prints"), [(Case.ALLOWED, f"{LIKENESS}"), (Case.BLOCKED, "amazon-2020")])
async def test_the_readmes_code_runs_as_it_stands(case: Case, prints: str, aws: Stand) -> None:
    said = variables()
    there = {
        "AWS_ENDPOINT_URL_REKOGNITION": f"http://127.0.0.1:{aws.proxies[WELL].port}",
        "AWS_SESSION_TOKEN": aws.mint.token(**claims(case)),
    }

    status, out, err, _ = await run([sys.executable, "-c", code()], {**said, **there}, ROOT)

    assert there.keys() <= said.keys()
    assert (status, out.strip()) == (0, prints), err
