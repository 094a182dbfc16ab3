"""The words of the shipped policies: closed sets that a policy file may replace, and what files agree on."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

ORG_TYPES = (
    "police", "government", "school", "child-safety", "anti-trafficking", "commercial", "research", "press",
    "individual",
)  # fmt: skip
ORG_SUBTYPES = ("municipal", "sheriff", "state", "federal", "campus", "transit", "prosecutor")
PURPOSES = (
    "criminal-investigation", "missing-persons", "human-trafficking", "identity-verification",
    "access-control", "redaction", "victim-identification", "research", "other",
)  # fmt: skip


class Vocabulary(NamedTuple):
    """The values that are known; any other is refused."""

    org_types: frozenset[str]
    org_subtypes: frozenset[str]
    purposes: frozenset[str]
    circumstances: Mapping[str, frozenset[str]]


def vocabulary_of(documents: Iterable[dict[str, Any]]) -> Vocabulary:
    """What several files know between them: a set that a file does not give is the default one."""
    given = [document.get("vocabulary", {}) for document in documents]
    circumstances: dict[str, frozenset[str]] = {}
    for words in given:
        for name, values in words.get("circumstances", {}).items():
            circumstances[name] = circumstances.get(name, frozenset()) | frozenset(values)
    return Vocabulary(
        frozenset(value for words in given for value in words.get("org_types", ORG_TYPES)),
        frozenset(value for words in given for value in words.get("org_subtypes", ORG_SUBTYPES)),
        frozenset(value for words in given for value in words.get("purposes", PURPOSES)),
        circumstances,
    )
