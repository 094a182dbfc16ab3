"""The shipped policies and the cases beside them, and how one question is put to them."""

from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from proxy.authn.claims import ClaimPaths, caller_of
from proxy.backends.registry import make_backend
from proxy.policy.callers import FOREVER, Caller, Instant
from proxy.policy.cases import Case, cases_of, parse_cases, policies_of
from proxy.policy.document import build, parse, zone_of
from proxy.policy.engine import decide
from proxy.policy.instants import parse_instant
from proxy.policy.model import Moratorium, Policy, Refusal, Verdict
from proxy.policy.operations import Operation, operation

POLICIES = Path(__file__).parents[2] / "config" / "policies"
OPERATIONS = {known.name: known for known in make_backend("aws-rekognition").operations()}
IDS = sorted(path.stem for path in POLICIES.glob("*.toml") if ".cases" not in path.suffixes)


@cache
def text_of(file: str) -> str:
    return (POLICIES / file).read_text("utf-8")


@cache
def policy_of(*names: str, known_at: Instant = FOREVER) -> Policy:
    """Shipped files by their names, as one policy."""
    return build(*(parse(text_of(f"{name}.toml"), f"{name}.toml") for name in names), known_at=known_at)


def edited(name: str, old: str, new: str) -> Policy:
    """A shipped file with one change, as an operator makes it."""
    text = text_of(f"{name}.toml")
    assert old in text
    return build(parse(text.replace(old, new), name))


def moratorium_of(policy: Policy, name: str) -> Moratorium:
    return next(moratorium for moratorium in policy.moratoria if moratorium.id == name)


@cache
def cases_beside(name: str) -> tuple[Case, ...]:
    source = parse_cases(text_of(f"{name}.cases.toml"), f"{name}.cases.toml")
    assert policies_of(source) == (f"{name}.toml",)
    zone = zone_of(parse(text_of(f"{name}.toml"), name), "UTC")
    return tuple(cases_of(source, zone.key))


def verdict_of(name: str, case: Case) -> Verdict:
    """What a shipped file says of one of its cases."""
    return verdict_by(policy_of(name, known_at=case.known_at), case)


def verdict_by(policy: Policy, case: Case) -> Verdict:
    """What a policy says of a case."""
    made = operation("made up", *case.classes, traits=case.traits, media=case.media)
    asked = OPERATIONS[case.operation] if case.operation else made
    return decide(caller(case.claims, policy), asked, policy, case.at)


def caller(claims: dict[str, Any], policy: Policy) -> Caller:
    """Read claims as the proxy does."""
    found = caller_of(claims, ClaimPaths(), policy, "https://id.example", FOREVER)
    assert not isinstance(found, Refusal), found
    return found


def ask(
    policy: Policy, when: str | Instant, what: str | Operation = "CompareFaces", /, **claims: Any
) -> Verdict:
    """One decision, for claims as a token carries them."""
    asked = OPERATIONS[what] if isinstance(what, str) else what
    return decide(caller(claims, policy), asked, policy, at(when) if isinstance(when, str) else when)


def at(text: str) -> Instant:
    return parse_instant(text, ZoneInfo("UTC"))
