"""The lines of keys in a TOML file, in every way that people write one."""

import pytest

from proxy.policy.positions import Lines, Path

TEXT = '''\
# a comment: schema = 0
schema = 1
title = """
[[moratorium]]
id = "not this"
"""
vocabulary.org_types = [
  "police",
  'commercial',
]

[[moratorium]]   # the first
id = "one"
"binds" . org_types = ["police"]
note = """on one line"""

  [moratorium.covers]
  classes = ["compare"]

[[moratorium.exemption]]
id = "x"
[[moratorium.exemption]]
id = "y"

[[moratorium]]
id = "two"
window = [
  { start = 2020-01-01 },
]
[moratorium.circumstances.'camera']
is = ["officer"]
'''


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("schema",), None, 2),
        (("title",), None, 3),
        (("vocabulary",), None, 7),
        (("vocabulary", "org_types"), None, 7),
        (("vocabulary", "org_types", 0), "police", 8),
        (("vocabulary", "org_types", 1), "commercial", 9),
        (("vocabulary", "org_types", 1), "compare", 7),
        (("moratorium", 0), None, 12),
        (("moratorium", 0, "id"), None, 13),
        (("moratorium", 0, "binds", "org_types", 0), "police", 14),
        (("moratorium", 0, "note"), None, 15),
        (("moratorium", 0, "covers"), None, 17),
        (("moratorium", 0, "covers", "classes", 0), "compare", 18),
        (("moratorium", 0, "exemption", 0, "id"), None, 21),
        (("moratorium", 0, "exemption", 1, "id"), None, 23),
        (("moratorium", 0, "exemption", 1, "purposes"), None, 22),
        (("moratorium", 1, "id"), None, 26),
        (("moratorium", 1, "window", 0, "start"), None, 27),
        (("moratorium", 1, "circumstances", "camera", "is"), None, 31),
        (("moratorium", 2), None, 1),
        (("nothing",), None, 1),
        ((), None, 1),
    ],
)
def test_a_key_stands_where_it_is_or_in_the_nearest_table_around_it(
    path: Path, value: str | None, line: int
) -> None:
    assert Lines(TEXT).of(path, value) == line


def test_where_there_is_no_text_there_are_no_lines() -> None:
    assert Lines().of(("schema",)) is None


def test_only_a_line_feed_ends_a_line() -> None:
    assert Lines("# one \x0c line \u2028 and the same\r\nschema = 1\n").of(("schema",)) == 2
