"""What must hold of every policy, shown on drawn ones; and that a second evaluator says the same.

POLICY_TIMES multiplies the number of cases; more than one draws others each time.
"""

import math
import os
import random
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.policy.callers import FOREVER, Caller
from proxy.policy.engine import decide, decide_at, judge
from proxy.policy.model import Policy, Verdict
from proxy.policy.operations import Operation
from proxy.policy.reasons import Decision
from proxy.policy.schema import SCHEMA
from proxy.policy.scope import bound_by
from tests.policy import naive
from tests.policy.agree import QUESTIONS, agree
from tests.policy.generate import World, policy_of, world
from tests.policy.generated_calls import Question
from tests.policy.generated_values import caller_of, operation_of, spent_of

TIMES = int(os.environ.get("POLICY_TIMES", "1"))
WORLDS = 80

few = settings(max_examples=20 * TIMES, deadline=None, derandomize=TIMES == 1, database=None)
a_world = st.integers(0, 2**32).map(lambda number: world(number, 6))


def asked(question: Question) -> tuple[Caller, Operation]:
    return caller_of(question.caller), operation_of(question.operation)


def verdict_of(policy: Policy, question: Question, now: float | None = None) -> Verdict:
    return decide(*asked(question), policy, question.now if now is None else now, spent_of(question.used_up))


def allowed(verdict: Verdict) -> bool:
    return verdict.decision is Decision.ALLOWED


def said(verdict: Verdict) -> tuple[object, ...]:
    """All of a verdict that a caller, a record or a metric can tell."""
    rule = verdict.rule.id if verdict.rule else None
    return verdict._replace(rule=None, holds_until=0), rule


# ---------------------------------------------------------------- the second evaluator


def test_the_second_evaluator_agrees_on_every_drawn_case() -> None:
    first = 0 if TIMES == 1 else random.SystemRandom().randrange(2**40)

    reasons: Counter[str] = Counter()
    for number in range(first, first + WORLDS * TIMES):
        reasons += agree(world(number, QUESTIONS))

    assert set(reasons) == set(naive.DECISIONS)
    assert min(reasons.values()) >= WORLDS * QUESTIONS // 200, reasons


def test_the_drawn_policies_use_everything_that_the_schema_knows() -> None:
    used: set[str] = set()
    for number in range(300):
        for document in world(number, 0).setting.documents:
            used |= set(features(document, SCHEMA))

    assert set(known_features(SCHEMA)) - used == set()


NOT_DRAWN = {"methods", "kind", "types"}
"""Enumerations of which a few members stand for all: nothing depends on which one it is."""


def known_features(schema: Any, at: str = "") -> Iterator[str]:
    """Every key, and every value of a closed set, that a policy file may hold."""
    for branch in schema.get("anyOf", [schema]):
        for key, inner in branch.get("properties", {}).items():
            yield f"{at}.{key}"
            yield from known_features(inner, f"{at}.{key}")
        if isinstance(branch.get("additionalProperties"), dict):
            yield from known_features(branch["additionalProperties"], f"{at}.*")
        if "items" in branch:
            yield from known_features(branch["items"], at)
        leaf = at.rpartition(".")[2]
        if leaf not in NOT_DRAWN and leaf != "classes":
            for value in branch.get("enum", ()):
                yield f"{at}={value}"


def features(value: Any, schema: Any, at: str = "") -> Iterator[str]:
    """Those of them that a document does hold."""
    if isinstance(value, dict):
        for branch in schema.get("anyOf", [schema]):
            known = branch.get("properties", {})
            for key, inner in value.items():
                here = f"{at}.{key}" if key in known else f"{at}.*"
                yield here
                yield from features(inner, known.get(key, branch.get("additionalProperties")), here)
    elif isinstance(value, list):
        for item in value:
            for branch in schema.get("anyOf", [schema]):
                if "items" in branch:
                    yield from features(item, branch["items"], at)
    else:
        yield f"{at}={value}"


# ---------------------------------------------------------------- time


@few
@given(a_world, st.randoms(use_true_random=False))
def test_a_verdict_stays_the_same_until_the_instant_it_names(drawn: World, rng: random.Random) -> None:
    policy = policy_of(drawn.setting)
    for question in drawn.questions:
        verdict = verdict_of(policy, question)
        for moment in moments(question.now, verdict.holds_until, rng):
            assert said(verdict_of(policy, question, moment)) == said(verdict)


def moments(now: float, until: float, rng: random.Random) -> Iterator[float]:
    """Instants in `[now, until)`: the last one, some near both ends, and some anywhere between."""
    last = min(until, now + 86400 * 800)
    if now < last:
        yield math.nextafter(last, now)
        yield from (moment for moment in (now + 0.001, last - 0.001, last - 1) if now <= moment < last)
        yield from (min(rng.uniform(now, last), math.nextafter(last, now)) for _ in range(6))


@few
@given(a_world)
def test_a_verdict_that_names_an_instant_names_a_real_edge_after_now(drawn: World) -> None:
    """It may be asked again for nothing, but not without end: from edge to edge it gets somewhere."""
    policy = policy_of(drawn.setting)
    for question in drawn.questions:
        question.caller.pop("valid_until", None)
        now, steps = question.now, 0
        while (until := verdict_of(policy, question, now).holds_until) < FOREVER:
            steps += 1
            if until == now and any(exemption.get("limit") for _, exemption in exemptions_of(drawn)):
                break  # one use is one call
            assert until > now
            assert steps < 200
            now = until


@few
@given(a_world)
def test_no_verdict_outlives_the_token(drawn: World) -> None:
    policy = policy_of(drawn.setting)
    for question in drawn.questions:
        caller, operation = asked(question)

        assert decide(caller, operation, policy, question.now).holds_until <= caller.valid_until


@few
@given(a_world, st.lists(st.floats(-86400 * 90, 86400 * 90), min_size=1, max_size=4))
def test_of_several_instants_the_strictest_counts(drawn: World, away: list[float]) -> None:
    policy = policy_of(drawn.setting)
    for question in drawn.questions:
        instants = (question.now, *(question.now + seconds for seconds in away))
        each = [verdict_of(policy, question, instant) for instant in instants]

        of_all = decide_at(instants, *asked(question), policy, spent_of(question.used_up))

        assert allowed(of_all) == all(map(allowed, each))
        assert of_all.holds_until <= question.now
        if not allowed(of_all):
            assert said(of_all) in [said(one) for one in each if not allowed(one)]


# ---------------------------------------------------------------- more never allows more


def never_allows_more(before: World, after: World) -> None:
    """Whatever was not allowed is not allowed by a policy that is meant to be stricter."""
    old, new = policy_of(before.setting), policy_of(after.setting)
    for question in before.questions:
        if not allowed(verdict_of(old, question)):
            assert not allowed(verdict_of(new, question)), question


def changed(drawn: World) -> World:
    """A copy whose documents may be written to."""
    return drawn._replace(setting=drawn.setting._replace(documents=deepcopy(drawn.setting.documents)))


def exemptions_of(drawn: World) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each with its moratorium."""
    return [
        (moratorium, exemption)
        for document in drawn.setting.documents
        for moratorium in document["moratorium"]
        for exemption in moratorium.get("exemption", [])
    ]


@few
@given(a_world, st.integers(0, 2**32))
def test_one_more_moratorium_never_allows_more(drawn: World, other: int) -> None:
    more = changed(drawn)
    added = deepcopy(world(other, 0).setting.documents[0])
    for moratorium in added["moratorium"]:
        moratorium["id"] = f"more-{moratorium['id']}"
    more = more._replace(setting=more.setting._replace(documents=(*more.setting.documents, added)))

    never_allows_more(drawn, more)


@few
@given(a_world)
def test_one_exemption_less_never_allows_more(drawn: World) -> None:
    for index in range(len(exemptions_of(drawn))):
        fewer = changed(drawn)
        moratorium, exemption = exemptions_of(fewer)[index]
        moratorium["exemption"].remove(exemption)

        never_allows_more(drawn, fewer)


NARROWINGS: tuple[dict[str, Any], ...] = (
    {"end": "2024-04-26"},
    {"start": "2024-08-01"},
    {"classes": ["compare"]},
    {"media": ["image"]},
    {"purposes": ["missing-persons"]},
    {"except_purposes": ["redaction"]},
    {"requires_case": True},
    {"org_types": ["police"]},
    {"org_ids": ["a"]},
    {"levels": ["city"]},
    {"jurisdictions": ["US-MA"]},
    {"circumstances": {"camera": ["officer"]}},
    {"evidence": [{"types": ["warrant"], "max_age": "24h", "named": True}]},
)


@few
@given(a_world, st.sampled_from(NARROWINGS))
def test_a_narrower_exemption_never_allows_more(drawn: World, narrowing: dict[str, Any]) -> None:
    for index, (_, before) in enumerate(exemptions_of(drawn)):
        if set(narrowing) & set(before) or ({"start", "end"} & {*narrowing} and {"start", "end"} & {*before}):
            continue
        narrower = changed(drawn)
        exemptions_of(narrower)[index][1].update(deepcopy(narrowing))

        never_allows_more(drawn, narrower)


@few
@given(a_world, st.integers(0, 2**32))
def test_an_exemption_changes_only_what_its_own_moratorium_says(drawn: World, other: int) -> None:
    added = next((exemption for _, exemption in exemptions_of(world(other, 0))), None)
    policy = policy_of(drawn.setting)
    for index, moratorium in enumerate(policy.moratoria):
        if added is None:
            break
        wider = changed(drawn)
        for document in wider.setting.documents:
            for table in document["moratorium"]:
                if table["id"] == moratorium.id:
                    table.setdefault("exemption", []).append({**deepcopy(added), "id": "added"})
        after = policy_of(wider.setting)
        for question in drawn.questions:
            for place, (old, new) in enumerate(zip(policy.moratoria, after.moratoria, strict=True)):
                assert place == index or finding(policy, old, question) == finding(after, new, question)


def finding(policy: Policy, moratorium: Any, question: Question) -> object:
    caller, operation = asked(question)
    bound = bound_by(moratorium.binds, caller.principals())
    found = judge(moratorium, caller, bound, operation, policy.mode, question.now)
    return found._replace(moratorium=None)


@few
@given(a_world)
def test_used_up_limits_never_allow_more(drawn: World) -> None:
    policy = policy_of(drawn.setting)
    for question in drawn.questions:
        fresh = verdict_of(policy, question._replace(used_up=()))
        some = verdict_of(policy, question)

        assert allowed(fresh) or not allowed(some)


# ---------------------------------------------------------------- what is not said


SILENCES = (
    "purpose", "case", "evidence", "circumstances", "jurisdiction", "subject_jurisdiction",
    "place_jurisdiction",
)  # fmt: skip


@few
@given(a_world, st.sampled_from(SILENCES))
def test_saying_less_never_allows_more_where_silence_binds(drawn: World, silence: str) -> None:
    """With `missing` left at its default a caller gains nothing by leaving something out of the call."""
    strict = changed(drawn)
    for document in strict.setting.documents:
        for moratorium in document["moratorium"]:
            for table in (
                moratorium.get("where", {}),
                moratorium.get("purposes", {}),
                *moratorium.get("circumstances", {}).values(),
            ):
                table.pop("missing", None)
    policy = policy_of(strict.setting)
    for question in (question._replace(used_up=()) for question in drawn.questions):
        if silence == "place_jurisdiction" and "jurisdiction" in question.caller:
            continue  # the caller's own place stands for it then
        silent = question._replace(caller={k: v for k, v in question.caller.items() if k != silence})
        if not allowed(verdict_of(policy, question)):
            assert not allowed(verdict_of(policy, silent)), question


@few
@given(a_world)
def test_an_operation_that_nobody_knows_is_never_allowed_where_a_moratorium_in_force_binds(
    drawn: World,
) -> None:
    """Unless the place takes it out, or all of it is a shadow."""
    policy = policy_of(drawn.setting)
    for question in drawn.questions:
        caller = caller_of(question.caller)
        unknown = question._replace(operation={"name": "unknown", "classes": ["unknown"]})
        for known in ({"name": "n", "classes": ["compare"]}, {"name": "n", "classes": ["search"]}):
            verdict = verdict_of(policy, question._replace(operation=known, used_up=()))
            if not allowed(verdict):
                assert not allowed(verdict_of(policy, unknown)), caller


@few
@given(a_world, st.sampled_from(["actors", "path"]))
def test_one_more_organisation_behind_a_call_never_allows_more(drawn: World, where: str) -> None:
    """An actor, or an organisation above the caller, can add a binding and never takes one away."""
    policy = policy_of(drawn.setting)
    others = [question.caller for question in drawn.questions]
    for question, other in zip(drawn.questions, others[1:] + others[:1], strict=True):
        principal = {k: v for k, v in other.items() if k.startswith("org_") or k in ("level", "jurisdiction")}
        more = {**question.caller, where: [*question.caller.get(where, []), principal]}
        if not allowed(verdict_of(policy, question)):
            assert not allowed(verdict_of(policy, question._replace(caller=more))), question


def test_more_operations_than_are_remembered_are_decided_alike() -> None:
    """What the engine works out of an operation it keeps for so many and no more."""
    drawn = world(7, 1)
    policy = policy_of(drawn.setting)
    caller, operation = asked(drawn.questions[0])

    every = [
        decide(caller, operation._replace(name=f"name-{n}"), policy, drawn.questions[0].now).reason
        for n in range(1100)
    ]

    assert len(set(every)) == 1
    assert len(policy.covering) == 1000


@few
@given(a_world)
def test_a_verdict_is_the_strongest_of_what_each_moratorium_says_alone(drawn: World) -> None:
    policy = policy_of(drawn.setting)
    for question in drawn.questions:
        caller, operation = asked(question)
        if operation.name == "unknown":
            continue
        each = [
            judge(
                moratorium,
                caller,
                bound_by(moratorium.binds, caller.principals()),
                operation,
                policy.mode,
                question.now,
                spent_of(question.used_up),
            )
            for moratorium in policy.moratoria
        ]
        strongest = max(each, key=lambda found: naive.WEAKEST_FIRST.index(found.reason), default=None)
        verdict = decide(caller, operation, policy, question.now, spent_of(question.used_up))

        assert verdict.caller is caller
        assert verdict.operation is operation
        assert verdict.detail == ""
        assert all(found.moratorium is one for found, one in zip(each, policy.moratoria, strict=True))
        assert verdict.reason == (strongest.reason if strongest else "not-bound")
