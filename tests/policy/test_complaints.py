"""A violation of the schema in one sentence, whatever it is about."""

import pytest

from proxy.errors import PolicyError
from proxy.policy.document import build, parse

BAN = """schema = 1
[[moratorium]]
id = "ban"
binds.org_types = ["police"]
covers.classes = ["compare"]
"""


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (
            "exemption = [{ id = 'x', org_ids = ['a'], limit = { uses = 0, by = 'organisation' } }]",
            "p.toml:6: moratorium[0].exemption[0].limit.uses: 0 is less than the minimum of 1",
        ),
        (
            "window = [{ replaces = ['a', 'a'] }]",
            "p.toml:6: moratorium[0].window[0].replaces: ['a', 'a'] has non-unique elements",
        ),
        ("title = ''", "p.toml:6: moratorium[0].title: '' should be non-empty"),
        (
            "mode = 'of'",
            "p.toml:6: moratorium[0].mode: 'of' is not known; expected one of enforce, shadow",
        ),
    ],
)
def test_a_violation_says_where_and_what(more: str, problem: str) -> None:
    with pytest.raises(PolicyError) as caught:
        build(parse(BAN + more, "p.toml"))

    assert caught.value.problems == [problem]
