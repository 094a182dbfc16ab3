"""Asks the engine and the second evaluator the same drawn questions.

python -m tests.policy.agree [CASES] [FIRST_WORLD]: as many as you like, with a line that says how far it is.
"""

import random
import sys
from collections import Counter

from proxy.policy.engine import decide
from tests.policy import naive
from tests.policy.generate import World, policy_of, world
from tests.policy.generated_values import caller_of, operation_of, spent_of

QUESTIONS = 25
"""Asked of each world: making one takes much longer than asking."""


def agree(drawn: World) -> Counter[str]:
    """Ask both everything; the reasons that were given. Raises `AssertionError` where they differ."""
    reasons: Counter[str] = Counter()
    policy = policy_of(drawn.setting)
    for question in drawn.questions:
        verdict = decide(
            caller_of(question.caller),
            operation_of(question.operation),
            policy,
            question.now,
            spent_of(question.used_up),
        )
        rule = verdict.rule.id if verdict.rule else None
        got = (verdict.decision, verdict.reason, rule, verdict.exemption)
        expected = tuple(naive.answer(drawn.setting, *question))
        assert got == expected, f"world({drawn.number}): {got} but {expected} expected of {question}"
        reasons[verdict.reason] += 1
    return reasons


def main(cases: int = 100_000, first: int | None = None) -> int:
    """Status 1 where they differ."""
    if first is None:
        first = random.SystemRandom().randrange(2**40)
    worlds = -(-cases // QUESTIONS)
    reasons: Counter[str] = Counter()
    for done, number in enumerate(range(first, first + worlds), 1):
        try:
            reasons += agree(world(number, QUESTIONS))
        except AssertionError as difference:
            say(f"\n{difference}\n")
            return 1
        if done % 40 == 0 or done == worlds:
            end = "\r" if sys.stdout.isatty() and done < worlds else "\n"
            say(f"{reasons.total():,} of {worlds * QUESTIONS:,} cases agree, worlds from {first}{end}")
    say(", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common()) + "\n")
    return 0


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
