"""A log of nine weeks as an operator in Massachusetts could have it, written by what writes real ones.

`./run python -m tests.reporting.sample FOLDER` writes it with its keys; docs/transparency-report.md shows
what the report over it looks like.
"""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.audit.checkpoint import Signer
from proxy.audit.journal import Journal, Terms
from proxy.audit.record import Template
from proxy.audit.segments import look_into
from proxy.audit.sink import Sink
from proxy.pipeline import refused
from proxy.policy.callers import Caller, Evidence, EvidenceType, Instant
from proxy.policy.document import build, parse
from proxy.policy.engine import decide
from proxy.policy.model import Mode, Policy, Refusal, Verdict
from proxy.policy.operations import Operation, OperationClass, operation
from proxy.policy.reasons import Reason

ROOT = Path(__file__).parents[2]
POLICIES = (("us-ma",), ("us-ma", "us-boston"), ("us-ma", "us-boston", "us-ny-schools"))
DAY = 86400.0
START = datetime(2026, 9, 3, tzinfo=UTC).timestamp()
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
"""For this log alone, and the same each time, so that its bytes are the same."""
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

_COMPARE = operation("CompareFaces", OperationClass.COMPARE)
_SEARCH = operation("SearchFacesByImage", OperationClass.SEARCH)
_DETECT = operation("DetectFaces", OperationClass.DETECT)
_INDEX = operation("IndexFaces", OperationClass.DETECT, OperationClass.ENROLL)
_GALLERY = operation("ListFaces", OperationClass.GALLERY)


class Habit(NamedTuple):
    """What some callers do, and about how often in a week."""

    org_type: str
    jurisdiction: str
    purpose: str | None
    operation: Operation
    often: float
    evidence: EvidenceType | None = None
    level: str | None = None
    reason: Reason | None = None
    """Refused before any moratorium is asked."""


HABITS = (
    Habit("commercial", "US-MA", "access-control", _COMPARE, 900),
    Habit("commercial", "US-CA", "identity-verification", _DETECT, 620),
    Habit("research", "US-MA", "research", _DETECT, 210),
    Habit("government", "US-MA-BOS", "identity-verification", _COMPARE, 90, level="city"),
    Habit("police", "US-MA-WOR", "criminal-investigation", _SEARCH, 160, level="city"),
    Habit("police", "US-MA-WOR", "criminal-investigation", _SEARCH, 26, EvidenceType.COURT_ORDER, "city"),
    Habit("police", "US-MA-WOR", "missing-persons", _SEARCH, 3, EvidenceType.EXIGENCY, "city"),
    Habit("police", "US-MA-WOR", "criminal-investigation", _INDEX, 9, level="city"),
    Habit("police", "US-MA-BOS", "criminal-investigation", _GALLERY, 14, level="city"),
    Habit("police", "US-NH", "victim-identification", _COMPARE, 40, level="state"),
    Habit("school", "US-NY", "access-control", _COMPARE, 70),
    Habit("child-safety", "US-MA", "missing-persons", _SEARCH, 34),
    Habit("press", "US-MA", "research", _DETECT, 0.3),
    Habit("individual", "US-MA", "other", _COMPARE, 55, reason=Reason.TOKEN_EXPIRED),
    Habit("individual", "US-MA", None, _COMPARE, 21, reason=Reason.TOKEN_MISSING),
    Habit("commercial", "US-MA", None, _COMPARE, 4, reason=Reason.OPERATION_UNKNOWN),
)  # fmt: skip


class Call(NamedTuple):
    """One call: when, and whose habit it is."""

    time: Instant
    habit: Habit


def policies() -> list[Policy]:
    """Each with one more file than the one before."""
    folder = ROOT / "config" / "policies"
    return [
        build(*(parse((folder / f"{n}.toml").read_text("utf-8"), n) for n in names), timezone="UTC")
        for names in POLICIES
    ]


def calls(weeks: float, random: Random, share: float = 1.0) -> list[Call]:
    """In the order of time; nights and weekends are quiet."""
    found = []
    for habit in HABITS:
        for _ in range(round(habit.often * share * weeks * random.uniform(0.8, 1.2) + random.random() - 0.5)):
            day = random.choices(range(7), (10, 10, 10, 10, 9, 3, 2))[0]
            week = random.uniform(0, 1) * weeks // 1
            moment = START + (week * 7 + (day - 3) % 7) * DAY + random.triangular(0, DAY, 0.6 * DAY)
            found.append(Call(moment, habit))
    return sorted(call for call in found if call.time < START + weeks * 7 * DAY)


def verdict(call: Call, policy: Policy) -> Verdict:
    """What the engine says."""
    habit, now = call.habit, call.time
    if habit.reason is not None and habit.reason is not Reason.OPERATION_UNKNOWN:
        return refused(Refusal(habit.reason), now)
    evidence = (Evidence(habit.evidence, "e" * 64, now - 3600),) if habit.evidence else ()
    case = "c" * 64 if habit.evidence else None
    caller = Caller(
        "https://issuer.example", (habit.org_type,), f"{habit.org_type}-{habit.jurisdiction}".lower(),
        habit.purpose, case, level=habit.level, jurisdiction=habit.jurisdiction, evidence=evidence,
    )  # fmt: skip
    if habit.reason is not None:
        return refused(Refusal(habit.reason), now, caller)
    return decide(caller, habit.operation, policy, now)


class Run(NamedTuple):
    """One process: from the moment to the next; ended by `close`, or not."""

    start: Instant
    end: Instant
    closed: bool
    changes: tuple[tuple[Instant, int], ...] = ()
    """When it read its configuration again, and the policy it found."""


RUNS = (
    Run(START, START + 19.4 * DAY, True, ((START + 12.375 * DAY, 1),)),
    Run(START + 19.41 * DAY, START + 33.6 * DAY, False),
    Run(START + 34.35 * DAY, START + 63 * DAY, True, ((START + 41.3 * DAY, 2),)),
)


def write(path: Path, weeks: float = 9.0, seed: int = 1, share: float = 1.0) -> None:
    """The log: three processes, the second of which was killed. `share`: of all callers."""
    random, known = Random(seed), policies()  # noqa: S311  (not for secrets)
    waiting, policy, number = calls(weeks, random, share), 0, 0
    for place, run in enumerate(RUNS):
        found = look_into(path) if path.exists() else None
        terms = Terms(Signer(PEM), checkpoint_records=1000, checkpoint_seconds=3600, outcomes=True)
        journal = Journal(Sink(str(path)), instance=f"{place:012x}", terms=terms)
        journal.chain.id = f"{place:016x}"
        journal.sink.open()
        journal.begin(
            run.start, version="0.1.0", policy=known[policy].revision,
            after=found.after if found else None, torn=found.torn if found else (),
        )  # fmt: skip
        changes = [*run.changes]
        for call in waiting:
            if not run.start <= call.time < run.end:
                continue
            while changes and changes[0][0] <= call.time:
                moment, new = changes.pop(0)
                journal.event("policy", moment, old=known[policy].revision, new=known[new].revision)
                policy = new
            journal.look(call.time)
            number += 1
            _decide(journal, call, known[policy], b"%012x-%012x" % (place, number), random)
        if run.closed:
            journal.close(run.end)
        else:
            journal.sink.close()


def _decide(journal: Journal, call: Call, policy: Policy, name: bytes, random: Random) -> None:
    """One call in 180 that is let through fails at the face API."""
    said = verdict(call, policy)
    journal.write(_template(said, policy, journal), name, call.time)
    if said.decision == "allowed":
        if random.random() < 1 / 180:
            failed = refused(Refusal(Reason.UPSTREAM_TIMEOUT), call.time + 30, said.caller)
            journal.write(_template(failed, policy, journal), name, call.time + 0.5)
        else:
            journal.outcome(name, (200, 61_000, 900, 0.2, True))


def _template(said: Verdict, policy: Policy, journal: Journal) -> Template:
    return Template(
        said, revision=policy.revision, mode=Mode.ENFORCE, instance="", backend="aws-rekognition",
        chain=journal.chain.id,
    )  # fmt: skip


def main(words: Sequence[str]) -> Iterator[Path]:
    """Write log and keys into a folder; gives their paths."""
    folder = Path(words[0])
    (folder / "log").mkdir(parents=True, exist_ok=True)
    log = folder / "log" / "audit.jsonl"
    log.unlink(missing_ok=True)
    write(log)
    yield log
    for name, content in (("audit-key.pem", PEM), ("audit-public.pem", Signer(PEM).public_pem)):
        (folder / name).write_bytes(content)
        yield folder / name


if __name__ == "__main__":
    for path in main(sys.argv[1:]):
        print(path)  # noqa: T201
