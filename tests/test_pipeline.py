"""When a body is asked for: never where it cannot matter, and wherever it can."""

import dataclasses
import os
from collections.abc import Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.backends.base import Sketch
from proxy.backends.generic import Generic
from proxy.messages import RequestHead
from proxy.pipeline import NeedBody, Rules, check
from proxy.policy.callers import Caller, Instant
from proxy.policy.engine import decide
from proxy.policy.model import Policy, Refusal, Verdict
from proxy.policy.operations import Operation, OperationClass, Trait, operation
from tests.policy.generate import World, policy_of, world
from tests.policy.generated_values import caller_of, operation_of, spent_of

TIMES = int(os.environ.get("POLICY_TIMES", "1"))
HEAD = RequestHead(b"POST", b"/", b"1.1", ((b"authorization", b"Bearer t"),), 1)
CLASSES = [c for c in OperationClass if c is not OperationClass.UNKNOWN]


class Sketched(Generic):
    """A backend that has one call; the body says what it is."""

    def __init__(self, sketch: Sketch, said: Operation | Refusal) -> None:
        super().__init__()
        self.sketch = sketch
        self.said = said
        self.read_bodies: list[bytes] = []

    def classify(self, _head: RequestHead) -> Operation | Refusal | Sketch:
        return self.sketch

    def read(self, _head: RequestHead, body: bytes) -> Operation | Refusal:
        self.read_bodies.append(body)
        return self.said


def rules_of(backend: Generic, policy: Policy, caller: Caller, now: Instant) -> Rules:
    """The token `t` has been verified, and stands for this caller."""
    rules = Rules(backend, policy, {})
    rules.tokens.put(b"t", caller, now)
    return rules


def outcome(verdict: Verdict) -> Verdict:
    return verdict._replace(operation=None, holds_until=0.0)


def between(rng: Random, drawn: Operation) -> tuple[Sketch, Operation]:
    """A sketch with this operation's classes at least, and something that a body could make of it."""
    more = rng.sample(CLASSES, rng.randint(1, 3))
    some = [c for c in more if rng.random() < 0.5]
    traits = rng.sample([*Trait], 2)
    analyzes = OperationClass.ANALYZE in drawn.classes
    least = frozenset(traits[:1] if analyzes else ())

    def made(classes: Sequence[OperationClass], traits: frozenset[Trait]) -> Operation:
        return operation(
            drawn.name, *drawn.classes, *classes, traits=traits, media=drawn.media, is_result=drawn.is_result
        )

    said = least | frozenset(rng.sample(traits, rng.randint(1, 2)))
    return Sketch(made([], least), made(more, frozenset(traits))), made(some, said)


@settings(max_examples=12 * TIMES, deadline=None, derandomize=TIMES == 1, database=None)
@given(st.integers(0, 2**32).map(lambda number: world(number, 8)))
def test_a_body_that_is_not_asked_for_would_have_changed_nothing(drawn: World) -> None:
    policy, rng = policy_of(drawn.setting), Random(drawn.number)  # noqa: S311  (seeded, no secret)
    for question in drawn.questions:
        now, spent = question.now, spent_of(question.used_up)
        caller = caller_of(question.caller)._replace(valid_until=now + 1e9)
        asked = operation_of(question.operation)
        if OperationClass.UNKNOWN in asked.classes:
            continue
        sketch, said = between(rng, asked)
        backend = Sketched(sketch, said)
        rules = rules_of(backend, policy, caller, now)

        verdict = check(HEAD, rules, {}, now, spent=spent)
        truth = decide(caller, said, policy, now, spent)

        least, most = (decide(caller, one, policy, now, spent) for one in sketch[:2])
        assert isinstance(verdict, NeedBody) is (outcome(least) != outcome(most))
        if isinstance(verdict, Verdict):
            assert outcome(verdict) == outcome(truth)
            assert verdict.holds_until == min(least.holds_until, most.holds_until)
        assert backend.read_bodies == []
        with_body = check(HEAD, rules, {}, now, spent=spent, body=b"x")
        assert with_body == truth._replace(holds_until=now)


def test_the_worlds_need_bodies_and_do_not() -> None:
    """Or the property above would say nothing."""
    found = {True: 0, False: 0}
    for number in range(16):
        drawn = world(number, 8)
        policy, rng = policy_of(drawn.setting), Random(number)  # noqa: S311  (seeded, no secret)
        for question in drawn.questions:
            caller = caller_of(question.caller)._replace(valid_until=question.now + 1e9)
            sketch, said = between(rng, operation_of(question.operation))
            rules = rules_of(Sketched(sketch, said), policy, caller, question.now)
            found[isinstance(check(HEAD, rules, {}, question.now), NeedBody)] += 1

    assert min(found.values()) > 10


def test_when_the_instant_is_in_doubt_the_body_is_asked_for_if_it_matters_at_any() -> None:
    for number in range(20):
        drawn = world(number, 4)
        policy, rng = policy_of(drawn.setting), Random(number)  # noqa: S311  (seeded, no secret)
        for question in drawn.questions:
            now = question.now
            caller = caller_of(question.caller)._replace(valid_until=now + 1e9)
            sketch, said = between(rng, operation_of(question.operation))
            rules = rules_of(Sketched(sketch, said), policy, caller, now)
            doubted = check(HEAD, rules, {}, now, doubts=(now - 86400, now + 86400))
            if isinstance(doubted, Verdict):
                assert doubted.holds_until == now
                read = check(HEAD, rules, {}, now, doubts=(now - 86400, now + 86400), body=b"x")
                assert isinstance(read, Verdict)
                assert outcome(read) == outcome(doubted)


def test_without_a_policy_or_a_caller_nobody_is_asked_for_a_body() -> None:
    sketch = Sketch(operation("o", OperationClass.DETECT), operation("o", OperationClass.SEARCH))
    policy = policy_of(world(1, 1).setting)
    nobody = Rules(Sketched(sketch, sketch.most), policy, {})
    unknown = dataclasses.replace(nobody, policy=dataclasses.replace(policy, known=False))

    for rules, reason in ((nobody, "token-malformed"), (unknown, "policy-unavailable")):
        verdict = check(HEAD, rules, {}, 0.0)
        assert isinstance(verdict, Verdict)
        assert verdict.reason == reason
