"""The rule of `tests.fuzz.rule` for drawn heads, and for every input in the corpus.

FUZZ_TIMES multiplies the number of examples; with more than one of them the examples are new ones each time.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.policy.reasons import Reason
from tests.fuzz.grammar import heads, plausible
from tests.fuzz.rule import examine
from tests.fuzz.world import World, with_tokens, worlds

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.bin"))

many = settings(
    max_examples=250 * TIMES,
    deadline=None,
    derandomize=TIMES == 1,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
a_world = st.sampled_from(worlds())


@many
@given(heads, a_world)
def test_a_head_is_one_message_or_is_refused(raw: bytes, world: World) -> None:
    examine(with_tokens(raw), world)


@many
@given(plausible(), a_world)
def test_a_plausible_head_is_one_message_or_is_refused(raw: bytes, world: World) -> None:
    examine(with_tokens(raw), world)


@pytest.mark.parametrize("world", worlds(), ids=lambda world: world.name)
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_corpus_keeps_to_the_rule(path: Path, world: World) -> None:
    examine(with_tokens(path.read_bytes()), world)


def test_the_corpus_reaches_most_reasons() -> None:
    """An input that says nothing new is of no use as a seed."""
    found = {examine(with_tokens(path.read_bytes()), world) for path in CORPUS for world in worlds()}
    elsewhere = {
        Reason.TOKEN_ALGORITHM, Reason.TOKEN_ISSUER, Reason.TOKEN_KEY_UNKNOWN, Reason.TOKEN_AUDIENCE,
        Reason.TOKEN_NOT_YET_VALID, Reason.TOKEN_CLAIMS, Reason.ORG_TYPE_UNKNOWN, Reason.PURPOSE_UNKNOWN,
        Reason.OUTSIDE_WINDOW, Reason.OUTSIDE_JURISDICTION, Reason.OUTSIDE_SCOPE, Reason.EXEMPT, Reason.SHADOW_BLOCKED, Reason.UNKNOWN_OPERATION_ALLOWED,
        Reason.HEAD_TOO_LARGE, Reason.BODY_TOO_LARGE, Reason.REQUEST_TIMEOUT, Reason.KEYS_UNAVAILABLE,
        Reason.AUDIT_UNWRITABLE, Reason.OVERLOADED, Reason.INTERNAL_ERROR, Reason.UPSTREAM_UNREACHABLE,
        Reason.UPSTREAM_BROKEN, Reason.UPSTREAM_TIMEOUT,
    }  # fmt: skip

    assert {*Reason} - elsewhere <= found
