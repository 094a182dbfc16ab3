"""Every photograph has a known origin, and none is large."""

from proxy.demo.callers import CAST
from proxy.demo.calls import PHOTOS

LARGEST = 60_000


def test_sources_name_every_photograph() -> None:
    sources = (PHOTOS / "SOURCES.md").read_text("utf-8")
    photos = [path.name for path in PHOTOS.iterdir() if path.suffix != ".md"]

    assert photos
    assert [name for name in photos if f"| `{name}` |" not in sources] == []


def test_photographs_are_small() -> None:
    assert [path.name for path in PHOTOS.iterdir() if path.stat().st_size > LARGEST] == []


def test_the_cast_uses_photographs_that_exist() -> None:
    assert {name for caller in CAST for name in caller.photos} <= {path.name for path in PHOTOS.iterdir()}
