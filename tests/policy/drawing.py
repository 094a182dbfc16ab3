"""The names and instants that drawn policies and calls are made of, and the smallest draws."""

from random import Random
from typing import Any

from tests.policy.naive import Table
from tests.policy.naive_instants import instant

ORG_TYPES = ("police", "government", "commercial")
ORG_SUBTYPES = ("sheriff", "campus")
ORG_IDS = ("a", "b", "c")
PURPOSES = ("missing-persons", "redaction", "other")
CIRCUMSTANCES = {"camera": ("officer", "fixed"), "custody": ("yes", "no")}
JURISDICTIONS = ("US", "US-MA", "US-MA-BOS", "US-VA", "DE")
WHOSE = ("bound", "caller", "principal", "subject", "place")
CLASSES = ("compare", "search", "detect", "analyze", "erase", "meta")
NAMES = ("CompareFaces", "DetectFaces", "GetFaceSearch")
ZONES = ("UTC", "America/Havana", "Africa/Cairo", "Asia/Kathmandu")
BACKENDS = ("aws-rekognition", "generic")
TYPES = ("warrant", "court-order", "exigency")
SPANS = ("90m", "24h", "30d")

# In order, at least two days apart: Havana has no midnight on 10 March and two on 3 November, Cairo has none
# on 26 April; 00:30 comes twice in Havana on 3 November.
INSTANTS = (
    "2024-01-01", "2024-03-10", "2024-03-20T12:00:00Z", "2024-04-26", "2024-06-10T12:00:00",
    "2024-06-20T07:30:00.250000+02:00", "2024-08-01", "2024-11-03T00:30:00", "2024-11-06", "2024-12-31",
)  # fmt: skip
REPEATED = "2024-11-03"
GRID = tuple(instant(text, "UTC") for text in INSTANTS)


def chance(rng: Random, share: float) -> bool:
    return rng.random() < share


def some(rng: Random, values: tuple[str, ...], most: int = 3) -> list[str]:
    return rng.sample(values, rng.randint(1, min(most, len(values))))


def may(rng: Random, table: Table, share: float, key: str, value: Any) -> None:
    if chance(rng, share):
        table[key] = value
