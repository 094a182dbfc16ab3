"""The published form of records: every record has it, and nothing else does."""

import functools
import gzip
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from proxy.audit.archive import Archive, Keeping
from proxy.audit.chain import Chain, line_of
from proxy.audit.checkpoint import Signer
from proxy.audit.journal import Journal, Terms
from proxy.audit.record import Template, fields_of
from proxy.audit.schema import KINDS, SCHEMA, as_json
from proxy.audit.sink import Sink
from proxy.authn.subject import SubjectKey
from proxy.errors import AuditUnwritable
from proxy.messages import Imprint, Trail, digest_of_body
from proxy.pipeline import refused
from proxy.policy.callers import Caller
from proxy.policy.engine import decide
from proxy.policy.model import Mode, Refusal, Verdict
from proxy.policy.reasons import MEANINGS, Reason
from proxy.reporting.columns import ALL
from proxy.testing import TokenMint
from tests.audit.logs import NOW, PEM
from tests.audit.test_journal import full_after
from tests.audit.valid import FILE, whole_records, wrong
from tests.policy.generate import policy_of, world
from tests.policy.generated_values import caller_of, operation_of, spent_of

KNOWN: Any = {"revision": "0" * 64, "mode": Mode.ENFORCE, "instance": "1" * 12, "backend": "generic"}
ID = "1" * 12 + "-" + "0" * 12
CHAIN = Chain("c" * 16, 7)
TRAIL = Trail(request_id=b"edge:1", trace_id=b"a" * 32)
IMPRINT: Imprint = (digest_of_body(b"POST /\n"), 5, digest_of_body(b"bytes"))
WORLDS = 12
SUBJECT = SubjectKey(bytes(32)).digest("https://issuer.test", "jane")


@functools.cache
def drawn(number: int) -> list[Verdict]:
    """What a policy that uses everything says of calls that say everything."""
    made = world(number, 6)
    policy = policy_of(made.setting)
    verdicts = []
    for question in made.questions:
        caller = as_read(caller_of(question.caller))
        asked, spent = operation_of(question.operation), spent_of(question.used_up)
        verdicts.append(decide(caller, asked, policy, question.now, spent))
    return verdicts


def as_read(caller: Caller) -> Caller:
    """With digests where the drawn one has words for them."""
    return caller._replace(
        issuer="https://issuer.test",
        subject_digest=SUBJECT,
        case_digest=caller.case_digest and sha256(caller.case_digest.encode()).hexdigest(),
        evidence=tuple(
            one._replace(digest=sha256(one.digest.encode()).hexdigest()) for one in caller.evidence
        ),
    )


def record(verdict: Verdict, **more: Any) -> dict[str, Any]:
    fields = fields_of(verdict, ID, NOW, chain=CHAIN, **KNOWN, **more)
    made: dict[str, Any] = json.loads(line_of(fields))
    return made


def test_the_file_is_the_schema() -> None:
    assert FILE.read_text("utf-8") == as_json()
    assert json.loads(as_json()) == json.loads(json.dumps(SCHEMA))


@pytest.mark.parametrize("reason", Reason)
def test_a_record_with_any_reason_has_the_form(reason: Reason) -> None:
    verdict = drawn(3)[0]
    for caller in (None, verdict.caller):
        assert wrong(record(refused(Refusal(reason), NOW, caller))) == []


@pytest.mark.parametrize("number", range(WORLDS))
def test_whatever_is_decided_has_the_form(number: int) -> None:
    for verdict in drawn(number):
        assert wrong(record(verdict, serial=7, trail=TRAIL, imprint=IMPRINT)) == []


def test_what_is_drawn_has_something_in_every_member() -> None:
    verdicts = [verdict for number in range(WORLDS) for verdict in drawn(number)]
    made = [record(verdict, serial=7, trail=TRAIL, imprint=IMPRINT) for verdict in verdicts]

    assert {name for one in made for name, value in one.items() if value is not None} == set(made[0])
    assert {one["decision"] for one in made} == {"allowed", "blocked", "rejected"}


# ------------------------------------------------------------------ every kind


async def test_every_kind_that_a_journal_writes_has_the_form(tmp_path: Path) -> None:
    for signer in (Signer(PEM), None):
        path = tmp_path / f"audit-{signer is None}.jsonl"
        found = await kinds_of(path, signer)
        assert [said for one in found for said in wrong(one)] == []
        assert {one["kind"] for one in found} == set(KINDS)
        assert any(one["tree"] for one in found if one["kind"] == "checkpoint")


async def kinds_of(path: Path, signer: Signer | None) -> list[dict[str, Any]]:
    """All records of an audit in which everything happens that is written down."""
    clock, found = [NOW], []
    for _ in range(2):  # the second chain names the first
        terms = Terms(signer, checkpoint_records=5, checkpoint_seconds=1e9, outcomes=True)
        journal = Journal(Sink(str(path)), instance="1" * 12, terms=terms)
        archive = Archive(journal, lambda: clock[0], Keeping(None, None, True, 100))
        archive.open(version="1.2.3.dev4", policy="0" * 64)
        template = Template(drawn(3)[0], chain=journal.chain.id, **KNOWN)
        for count in range(12):
            journal.write(template, b"%b-%012x" % (b"1" * 12, count), clock[0], TRAIL, IMPRINT)
            journal.outcome(b"%b-%012x" % (b"1" * 12, count), (200 if count else None, 1, 2, 0.5, True))
        journal.event("policy", clock[0], old="0" * 64, new="1" * 64)
        cut_short(journal, template, path, clock[0])
        found += whole_records(path)
        descriptor = journal.sink.descriptor
        assert descriptor is not None
        archive.cut(path, descriptor, clock[0])
        await archive.tidy()
        clock[0] += 1e10  # the segment is older than is kept by now
        await archive.tidy()
        archive.close()
    return found + whole_records(path)


def cut_short(journal: Journal, template: Template, path: Path, now: float) -> None:
    """A write of which the disk takes a part."""
    with full_after(path.stat().st_size + 40), pytest.raises(AuditUnwritable):
        journal.write(template, ID.encode(), now)
    journal.flush(now)


# ------------------------------------------------------------------ nothing else


@functools.cache
def good() -> dict[str, Any]:
    everything = [verdict for number in range(WORLDS) for verdict in drawn(number)]
    verdicts = [v for v in everything if v.caller and v.caller.evidence and v.window]
    made = record(verdicts[0], serial=7, trail=TRAIL, imprint=IMPRINT)
    assert wrong(made) == []
    return made


def test_a_record_with_a_member_more_or_less_has_not_the_form() -> None:
    whole = good()

    assert wrong(whole | {"subject": "jane"})
    assert wrong(whole | {"rule_window": {"start": None, "end": None, "why": "x"}})
    assert wrong(whole | {"v": 3})
    assert wrong(whole | {"kind": "decided"})
    for name in whole:
        assert wrong({key: value for key, value in whole.items() if key != name}), name


def test_a_decision_has_only_reasons_of_its_own() -> None:
    whole = good()
    for reason, meaning in MEANINGS.items():
        right = meaning.decision == "blocked"
        assert (wrong(whole | {"decision": "blocked", "reason": reason}) == []) is right


@pytest.mark.parametrize("member", sorted(good()))
def test_no_member_takes_a_token_or_a_text(member: str) -> None:
    whole, token = good(), TokenMint().token("police", sub="jane", name="Jane Roe", pad="x" * 200)
    for value in (token, f"Bearer {token}", [token], {"token": token}, {token: ["x"]}, "Jane\nRoe"):
        assert wrong(whole | {member: value}), (member, value)


@pytest.mark.parametrize("member", ["issued_by", "classes", "purposes", "sha256", "type"])
def test_no_member_of_evidence_takes_a_text(member: str) -> None:
    whole = good()
    whole["shown"][0][member] = "Warrant 17 of the county court, for Jane Roe"
    assert wrong(whole)


def test_every_member_is_a_column_of_the_tables_and_no_other_is() -> None:
    kinds = [SCHEMA["$defs"][kind]["properties"] for kind in KINDS]

    assert set(ALL) == {name for members in kinds for name in members}


def test_no_member_sorts_behind_the_one_that_shows_a_whole_line() -> None:
    assert {max(SCHEMA["$defs"][kind]["properties"]) for kind in KINDS} == {"v"}


def test_it_is_a_file_that_others_can_use() -> None:
    packed = gzip.compress(FILE.read_bytes())

    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert len(packed) < 20_000
