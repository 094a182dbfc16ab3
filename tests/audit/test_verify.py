"""Every way to change a log is found, and the first record that does not fit is named."""

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from proxy.audit.chain import line_of
from proxy.audit.findings import Flaw
from proxy.audit.record import Template
from proxy.audit.segments import look_into
from proxy.audit.witness import Witness
from proxy.pipeline import refused
from proxy.policy.callers import Caller
from proxy.policy.model import Mode, Refusal
from proxy.policy.reasons import Reason
from tests.audit.logs import (
    NOW,
    OTHER_PEM,
    PEM,
    Writer,
    chained,
    digest,
    found,
    lines,
    verified,
)


@pytest.fixture
def log(tmp_path: Path) -> list[bytes]:
    """One chain, opened and closed, with twelve decisions and checkpoints after every five records."""
    path = tmp_path / "audit"
    Writer(path).begin().decide(12).close()
    return lines(path)


def kinds(log: list[bytes]) -> list[str]:
    return [json.loads(line)["kind"] for line in log]


def test_a_log_is_as_it_should_be(log: list[bytes]) -> None:
    whole = verified(log)

    assert whole.findings == []
    assert (whole.records, whole.decisions) == (len(log), 12)
    assert kinds(log)[0] == "open"
    assert kinds(log)[-1] == "close"
    assert kinds(log).count("checkpoint") == 2
    assert whole.seals.signed_to == {json.loads(log[0])["chain"]: len(log) - 1}


def test_each_record_names_the_one_before_it(log: list[bytes]) -> None:
    for number, line in enumerate(log[1:], 1):
        record = json.loads(line)
        assert (record["seq"], record["prev"]) == (number, digest(log[number - 1]))


def test_a_record_that_was_edited_is_named(log: list[bytes]) -> None:
    log[4] = log[4].replace(b"token-expired", b"token-missing")

    assert found(log) == [(Flaw.EDITED, 5, 4)]


def test_a_record_that_was_taken_out_is_named(log: list[bytes]) -> None:
    del log[4]

    assert found(log) == [(Flaw.MISSING, 5, 5)]


def test_records_in_another_order_are_named(log: list[bytes]) -> None:
    log[4], log[5] = log[5], log[4]

    assert found(log) == [(Flaw.REORDERED, 6, 4)]


def test_a_record_that_is_there_twice_is_named(log: list[bytes]) -> None:
    assert found([*log[:5], log[4], *log[5:]]) == [(Flaw.DUPLICATE, 6, 4)]
    assert (Flaw.DUPLICATE, 7, 4) in found([*log[:6], log[4], *log[6:]])


def test_a_record_that_was_put_in_is_named(log: list[bytes]) -> None:
    strange = log[4].replace(b"token-expired", b"token-missing")

    assert found([*log[:5], strange, *log[5:]])[0] == (Flaw.REORDERED, 6, 4)


def test_a_record_that_was_edited_and_chained_again_breaks_the_signature(log: list[bytes]) -> None:
    def lie(record: dict[str, Any]) -> None:
        if record["seq"] == 3:
            record["reason"] = "moratorium"

    forged = chained(log, lie, None)
    signed = [number for number, kind in enumerate(kinds(log)) if kind in ("checkpoint", "close")]

    assert found(forged)[:-1] == [(Flaw.FORGED, number + 1, number) for number in signed]
    assert found(forged)[-1] == (Flaw.UNSIGNED, len(log), len(log) - 1)
    assert found(forged, key=None) == found(forged)


def test_a_log_that_was_signed_again_with_another_key_is_named(log: list[bytes]) -> None:
    forged = chained(log, lambda _: None, OTHER_PEM)

    assert found(forged)[0] == (Flaw.OTHER_KEY, 1, 0)
    assert verified(forged, key=None).findings == []
    assert verified(forged, key=None).seals.keys != verified(log).seals.keys


def test_a_chain_that_goes_on_under_another_key_is_found_without_a_key(log: list[bytes]) -> None:
    forged = chained(log, lambda _: None, OTHER_PEM)
    pasted = [*log[:1], *chained([log[0], *log[1:]], lambda _: None, OTHER_PEM)[1:]]

    assert found(pasted, key=None)[0] == (Flaw.EDITED, 1, 0)
    assert any(flaw is Flaw.OTHER_KEY for flaw, *_ in found(pasted, key=None))
    assert forged


def test_a_log_without_its_checkpoints_is_not_signed(log: list[bytes]) -> None:
    forged = chained(log, lambda record: record["kind"] not in ("checkpoint", "close"), None)
    long = forged + forged

    assert found(forged) == [(Flaw.UNSIGNED, len(forged), len(forged) - 1)]
    assert found([line for line in long if b'"kind":"decision"' in line]) != []


def test_a_log_without_any_signature_is_not_signed(log: list[bytes]) -> None:
    def strip(record: dict[str, Any]) -> None:
        if "signature" in record:
            record |= {"signature": None, "key": None}

    forged = chained(log, strip, None)

    assert found(forged)[0] == (Flaw.UNSIGNED, 1, 0)
    assert found(forged, key=None) == []


def test_a_chain_that_goes_on_after_its_end_is_named(log: list[bytes], tmp_path: Path) -> None:
    last = json.loads(log[-1])
    more = json.loads(log[1]) | {"seq": last["seq"] + 1, "prev": digest(log[-1])}
    from_another = json.dumps(more, separators=(",", ":"), sort_keys=True).encode() + b"\n"

    assert (Flaw.JOINED, len(log) + 1, last["seq"] + 1) in found([*log, from_another])


def test_two_chains_made_into_one_are_named(log: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "other"
    Writer(path).begin().decide(4).close()
    name, base = json.loads(log[0])["chain"], len(log) - 1
    joined = [*log[:-1]]
    for line in lines(path):
        record = json.loads(line)
        record |= {"chain": name, "seq": record["seq"] + base}
        joined.append(json.dumps(record, separators=(",", ":"), sort_keys=True).encode() + b"\n")

    flaws = found(joined)

    assert flaws[0] == (Flaw.EDITED, base, base - 1)
    assert (Flaw.JOINED, base + 1, base) in flaws
    assert (Flaw.FORGED, base + 1, base) in flaws


def test_a_chain_has_one_beginning(log: list[bytes]) -> None:
    second = chained(log[1:], lambda _: None, PEM)

    assert found(second)[0] == (Flaw.JOINED, 1, 0)


def test_a_checkpoint_for_another_place_is_forged(log: list[bytes]) -> None:
    at = kinds(log).index("checkpoint")
    moved = json.loads(log[at]) | {"time": "2020-01-01T00:00:00.000000Z"}
    log[at] = json.dumps(moved, separators=(",", ":"), sort_keys=True).encode() + b"\n"

    assert found(log)[0] in [(Flaw.FORGED, at + 1, at), (Flaw.EDITED, at + 1, at)]
    assert {flaw for flaw, *_ in found(log)} == {Flaw.FORGED, Flaw.EDITED}


# ------------------------------------------------------------------ trees


def trees(log: list[bytes]) -> list[dict[str, Any]]:
    return [record["tree"] for record in map(json.loads, log) if "tree" in record]


def told(log: list[bytes], pem: bytes = PEM, **members: Any) -> list[bytes]:
    """The same log, whose last checkpoint but one says this of its tree."""
    at = [number for number, kind in enumerate(kinds(log)) if kind == "checkpoint"][-1]

    def lie(record: dict[str, Any]) -> None:
        if record["seq"] == at:
            record["tree"] |= members

    return chained(log, lie, pem)


def test_every_checkpoint_names_the_tree_since_the_last_one(log: list[bytes]) -> None:
    signed = [number for number, kind in enumerate(kinds(log)) if kind in ("checkpoint", "close")]

    assert [(tree["first"], tree["first"] + tree["size"]) for tree in trees(log)] == [*pairwise([0, *signed])]
    assert verified(log).trees == len(signed) == 3
    assert verified(log).trees_apart == 0


@pytest.mark.parametrize(
    "members", [{"sha256": "0" * 64}, {"first": 0, "size": 10}, {"size": 2}, {"more": 1}]
)
def test_a_tree_over_something_else_is_named_though_it_is_signed(
    log: list[bytes], members: dict[str, Any]
) -> None:
    lying = told(log, **members)
    at = [number for number, kind in enumerate(kinds(log)) if kind == "checkpoint"][-1]

    assert found(lying) == [(Flaw.TREE, at + 1, at)]


def test_a_tree_that_nobody_signed_is_not_judged(log: list[bytes]) -> None:
    at = kinds(log).index("checkpoint")
    record = json.loads(log[at])
    log[at] = line_of(record | {"tree": record["tree"] | {"sha256": "0" * 64}})

    assert {flaw for flaw, *_ in found(log)} == {Flaw.FORGED, Flaw.EDITED}


def test_a_tree_goes_on_over_a_file_that_was_left_with_a_checkpoint(log: list[bytes]) -> None:
    after = kinds(log).index("checkpoint") + 1

    whole = verified(log[:after], log[after:])

    assert (whole.findings, whole.trees, whole.trees_apart) == ([], 3, 0)
    lying = told(log, sha256="0" * 64)
    assert [flaw for flaw, *_ in found(lying[:after], lying[after:])] == [Flaw.TREE]


def test_a_tree_whose_leaves_are_in_two_pieces_is_counted(log: list[bytes]) -> None:
    whole = verified(log[:3], log[3:])

    assert (whole.findings, whole.trees, whole.trees_apart) == ([], 3, 1)


# ------------------------------------------------------------------ files


def test_files_are_read_in_any_order(log: list[bytes]) -> None:
    pieces = [log[:3], log[3:9], log[9:]]

    for order in range(6):
        random.Random(order).shuffle(pieces)  # noqa: S311
        assert found(*pieces) == []


def test_a_segment_that_is_not_there_is_named_by_what_is_missing(log: list[bytes]) -> None:
    (finding,) = verified(log[:3], log[9:]).findings

    assert finding[:4] == (Flaw.MISSING, ("file1", 1), json.loads(log[0])["chain"], 9)
    assert "records 3 to 8 are missing" in finding.says


def test_a_segment_that_is_there_twice_is_named(log: list[bytes]) -> None:
    assert found(log[:9], log[3:9], log[9:]) == [(Flaw.DUPLICATE, 1, 3)]


def test_chains_of_many_instances_may_be_mixed(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    writers = [Writer(path).begin() for _ in range(3)]
    for number in range(40):
        writers[number * 7 % 3].decide()
    for writer in writers:
        writer.close()

    whole = verified(path)

    assert whole.findings == []
    assert len({stretch.chain for stretch in whole.stretches}) == 3
    assert whole.decisions == 40


def test_a_record_lacking_from_one_of_many_chains_is_named(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    writers = [Writer(path).begin() for _ in range(3)]
    for number in range(30):
        writers[number % 3].decide()
    log = lines(path)
    gone = json.loads(log.pop(13))

    (finding,) = verified(log).findings

    assert (finding.flaw, finding.chain, finding.seq) == (Flaw.MISSING, gone["chain"], gone["seq"] + 1)


# ------------------------------------------------------------------ the end of a chain


def test_the_end_that_was_cut_off_is_known_to_the_chain_after_it(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    Writer(path).begin().decide(7).close()
    before = len(lines(path))
    Writer(path).begin(after=look_into(path).after).decide(2).close()
    log = lines(path)

    assert found(log) == []
    assert found(log[: before - 2] + log[before:]) == [(Flaw.CUT_OFF, before - 1, before - 1)]
    assert found(log[before:]) == [(Flaw.MISSING, 1, before - 1)]


def test_the_end_that_was_cut_off_is_known_to_the_witness(log: list[bytes], tmp_path: Path) -> None:
    path, heard = tmp_path / "heard", tmp_path / "witness"
    Writer(path, witness=Witness(str(heard))).begin().decide(12).close()
    whole, witness = lines(path), lines(heard)

    assert found(whole, witness=witness) == []
    assert found(whole[:8], witness=()) == []
    assert [flaw for flaw, *_ in found(whole[:8], witness=witness)] == [Flaw.CUT_OFF] * (len(witness) - 1)
    assert [flaw for flaw, *_ in found(log, witness=witness)] == [Flaw.CUT_OFF] * len(witness)


def test_a_line_that_a_crash_cut_short_is_told_and_is_no_finding(log: list[bytes]) -> None:
    whole = verified([*log[:6], log[6][:100]])

    assert whole.findings == []
    assert [str(place) for place in whole.fragments.last_lines] == ["file0:7"]


def test_a_line_that_is_no_record_is_named(log: list[bytes]) -> None:
    assert found([*log[:4], b"nothing\n", *log[4:]]) == [(Flaw.UNREADABLE, 5, None)]


def test_lines_of_one_length_may_have_their_kinds_in_different_places(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "audit").begin()
    known: Any = {"revision": "r", "mode": Mode.ENFORCE, "instance": "w1", "backend": "generic"}
    for number, (place, name) in enumerate([("US", "abcd"), ("US-MA", "a"), ("US", "efgh")]):
        caller = Caller("https://issuer.example", ("police",), name, jurisdiction=place)
        verdict = refused(Refusal(Reason.OPERATION_UNKNOWN), NOW, caller)
        template = Template(verdict, chain=writer.journal.chain.id, **known)
        writer.journal.write(template, b"w1-%04x" % number, NOW)
    decisions = [line for line in lines(tmp_path / "audit") if b'"kind":"decision"' in line]
    assert len({len(line) for line in decisions}) == 1 < len({line.index(b'"kind"') for line in decisions})

    verification = verified(tmp_path / "audit")

    assert (verification.findings, verification.decisions) == ([], 3)


# ------------------------------------------------------------------ any byte


def test_any_byte_that_is_changed_is_found(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    writer = Writer(path, outcomes=True).begin().decide(3)
    writer.journal.outcome(b"w1-0002", (200, 10, 20, 0.5, True))
    writer.journal.look(NOW)
    writer.decide(4)
    writer.journal.event("policy", NOW, old="r", new="s")
    writer.decide(3).close()
    whole = path.read_bytes()
    assert found(whole.splitlines(keepends=True)) == []
    drawn = random.Random(7)  # noqa: S311

    missed = []
    for _ in range(1500):
        at, by = drawn.randrange(len(whole) - 1), drawn.randrange(1, 256)
        spoilt = whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :]
        if not found(_split(spoilt)):
            missed.append((at, by, whole[at - 20 : at + 20]))

    assert missed == []


def _split(content: bytes) -> list[bytes]:
    """As files are read: at line feeds alone."""
    parts = content.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
