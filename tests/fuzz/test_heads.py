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
    wanted = {
        Reason.NOT_BOUND, Reason.NOT_COVERED, Reason.MORATORIUM, Reason.TOKEN_MISSING, Reason.TOKEN_MALFORMED,
        Reason.TOKEN_SIGNATURE, Reason.TOKEN_EXPIRED, Reason.CREDENTIALS_AMBIGUOUS, Reason.OPERATION_UNKNOWN,
        Reason.REQUEST_MALFORMED, Reason.REQUEST_AMBIGUOUS, Reason.METHOD_NOT_ALLOWED, Reason.TARGET_TOO_LONG,
        Reason.TARGET_NOT_CANONICAL, Reason.EXPECTATION_UNKNOWN, Reason.UPGRADE_REFUSED,
        Reason.VERSION_UNSUPPORTED,
    }  # fmt: skip

    assert wanted <= found
