"""A connection's memo and the token cache save work and change nothing: `admit` answers as a fresh `check`.

Random histories: heads (the same object again, an equal one, another), clock steps forward, backward and onto
edges, keys that come, go and cannot be had, policies that change.
"""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.history import EDGES, HEADS, KEY_SETS, POLICIES, History, Step
from tests.fuzz.test_heads import TIMES

_seldom = st.integers(0, 6).map(lambda drawn: drawn == 6)
_nudges = st.sampled_from([-1e-6, 0.0, 1e-6, -1.0, 1.0])
_instants = st.builds(lambda edge, nudge: edge + nudge, st.sampled_from(EDGES), _nudges)
_steps = st.builds(
    Step,
    head=st.sampled_from([0, 0, 1]),
    equal=_seldom,
    clock=st.none() | _instants,
    keys=_seldom.flatmap(lambda changes: st.integers(0, len(KEY_SETS) - 1) if changes else st.none()),
    policy=_seldom.flatmap(lambda changes: st.integers(0, len(POLICIES) - 1) if changes else st.none()),
    memo=st.sampled_from([0, 0, 0, 1]),
)
_SEARCHES = [number for number, head in enumerate(HEADS) if head.target == b"/v1/search"]
_pairs = st.tuples(st.sampled_from(_SEARCHES), st.sampled_from(range(len(HEADS))))


@settings(max_examples=100 * TIMES, deadline=None, derandomize=TIMES == 1, database=None)
@given(_pairs, st.lists(_steps, min_size=10, max_size=40))
def test_what_is_remembered_is_what_a_fresh_check_says(heads: tuple[int, int], steps: list[Step]) -> None:
    history = History(heads)
    for step in steps:
        history.change(step)
        history.ask(step)


def test_heads_that_differ_a_little_are_not_taken_for_each_other() -> None:
    """Every head after every other with the same token, on one connection."""
    asked = Step(head=0, equal=False, clock=None, keys=None, policy=None, memo=0)
    for pair in itertools.product(range(len(HEADS)), range(len(HEADS))):
        if HEADS[pair[0]].headers[1] in HEADS[pair[1]].headers:
            history = History(pair)
            history.ask(asked)
            history.ask(asked._replace(head=1))


def test_the_histories_do_use_the_memory() -> None:
    """Or the property above would say nothing."""
    history = History((0, 1))
    step = Step(head=0, equal=False, clock=None, keys=None, policy=None, memo=0)
    for _ in range(3):
        history.ask(step)
    history.ask(step._replace(equal=True))

    tokens = history.enforcer.rules.tokens
    assert (tokens.hits, tokens.misses) == (3, 1)
