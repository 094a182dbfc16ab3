"""What is remembered of decisions is what would be decided again, and nothing that has ceased to hold."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from proxy.policy import remembered
from proxy.policy.callers import Caller
from proxy.policy.engine import decide
from proxy.policy.model import Policy, Window
from proxy.policy.operations import Operation, OperationClass, operation
from proxy.policy.remembered import Verdicts
from tests.policy.making import ban

COMPARE = operation("CompareFaces", OperationClass.COMPARE)
DETECT = operation("DetectFaces", OperationClass.DETECT)
POLICY = Policy((ban(windows=(Window(100, 200),)),), frozenset({"police"}), frozenset())


def police() -> Caller:
    return Caller("issuer", ("police",), valid_until=500)


def asked(verdicts: Verdicts, caller: Caller, what: Operation, now: float) -> str:
    """As the pipeline asks."""
    verdict = verdicts.get(caller, what, now)
    if verdict is None:
        verdict = decide(caller, what, POLICY, now)
        verdicts.put(verdict, caller, what, now)
    return str(verdict.reason)


@given(st.lists(st.tuples(st.integers(0, 600), st.booleans()), max_size=30))
def test_whatever_the_clock_does_the_answer_is_that_of_now(moments: list[tuple[int, bool]]) -> None:
    verdicts, caller = Verdicts(), police()

    for now, compares in moments:
        what = COMPARE if compares else DETECT
        assert asked(verdicts, caller, what, now) == decide(caller, what, POLICY, now).reason


def test_a_verdict_is_kept_until_it_ceases_to_hold() -> None:
    verdicts, caller = Verdicts(), police()
    verdict = decide(caller, COMPARE, POLICY, 150)
    verdicts.put(verdict, caller, COMPARE, 150)

    assert verdicts.get(caller, COMPARE, 199.999) is verdict
    assert verdicts.get(caller, COMPARE, 200) is None
    assert verdicts.get(caller, COMPARE, 149.999) is None
    assert verdicts.get(caller, DETECT, 150) is None
    assert repr(verdicts) == "<Verdicts of 1 callers>"


def test_a_verdict_for_one_instant_is_not_kept() -> None:
    verdicts, caller = Verdicts(), police()
    verdicts.put(decide(caller, COMPARE, POLICY, 150)._replace(holds_until=150), caller, COMPARE, 150)

    assert verdicts.get(caller, COMPARE, 150) is None


def test_an_equal_caller_of_another_token_is_another() -> None:
    """One of them may end earlier, or have been revoked."""
    verdicts, first, second = Verdicts(), police(), police()
    verdicts.put(decide(first, COMPARE, POLICY, 150), first, COMPARE, 150)

    assert verdicts.get(second, COMPARE, 150) is None


def test_the_place_of_a_caller_that_has_gone_is_not_taken_for_it() -> None:
    verdicts, caller = Verdicts(), police()
    verdicts.put(decide(caller, COMPARE, POLICY, 150), caller, COMPARE, 150)
    known = id(caller)
    del caller
    gc.collect()

    assert all(id(police()) != known for _ in range(1000))


def test_it_does_not_grow_without_end() -> None:
    verdicts = Verdicts()
    for _ in range(remembered.MAX_CALLERS + 5):
        caller = police()
        verdicts.put(decide(caller, DETECT, POLICY, 150), caller, DETECT, 150)

    assert repr(verdicts) == "<Verdicts of 5 callers>"
