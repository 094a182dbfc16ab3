"""What a log says of itself in a range: gaps, losses, policies, and who vouches for it."""

import random
from collections.abc import Iterable
from pathlib import Path

from proxy.reporting.report.chains import Chains
from proxy.reporting.report.gaps import Ended, breaks, joined
from proxy.reporting.report.model import GapKind, Range
from tests.audit.logs import NOW, Writer, digest, lines, records

WHOLE = Range(NOW - 1000, NOW + 1000)


def heard(*logs: Iterable[bytes], span: Range = WHOLE) -> Chains:
    chains = Chains(span)
    for log in logs:
        chains.feed(log)
    return chains


def test_files_in_any_order_say_the_same(tmp_path: Path) -> None:
    Writer(tmp_path / "a").begin().decide(17).close()
    log = lines(tmp_path / "a")

    one, other = heard(log), heard(log[9:], log[:9])

    assert one.spans() == other.spans()
    assert one.changes() == other.changes()
    assert one.lives() == other.lives()


def test_a_chain_is_told_by_its_records_in_the_range(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a").begin().decide(17)

    (span,) = heard(lines(tmp_path / "a"), span=Range(NOW + 4, NOW + 9)).spans()

    log = lines(tmp_path / "a")
    inside = [r for r in records(tmp_path / "a") if "22:13:24" <= r["time"][11:] < "22:13:29"]
    assert (span.chain, span.instance) == (writer.journal.chain.id, "w1")
    assert (span.first, span.last) == (inside[0]["seq"], inside[-1]["seq"])
    assert (span.first_sha256, span.last_sha256) == (digest(log[span.first]), digest(log[span.last]))


def test_the_earliest_checkpoint_behind_the_range_vouches_for_it(tmp_path: Path) -> None:
    Writer(tmp_path / "a").begin().decide(17).close()
    kinds = [record["kind"] for record in records(tmp_path / "a")]

    (span,) = heard(lines(tmp_path / "a"), span=Range(NOW, NOW + 3)).spans()

    assert span.signed_to == kinds.index("checkpoint") > span.last
    assert span.unsigned == 0


def test_what_no_checkpoint_follows_is_not_signed(tmp_path: Path) -> None:
    Writer(tmp_path / "a").begin().decide(7)
    kinds = [record["kind"] for record in records(tmp_path / "a")]

    (span,) = heard(lines(tmp_path / "a")).spans()

    assert span.signed_to == kinds.index("checkpoint")
    assert span.unsigned == len(kinds) - 1 - kinds.index("checkpoint") > 0


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    Writer(tmp_path / "a", pem=None).begin().decide(7).close()

    (span,) = heard(lines(tmp_path / "a")).spans()

    assert (span.signed_to, span.unsigned) == (None, 9)


def test_decisions_that_could_not_be_recorded_are_a_gap(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a", checkpoint_records=1000).begin().decide(3)
    writer.journal.failures = 2
    writer.journal.checkpoint(writer.now)
    writer.decide(3)
    writer.journal.failures = 7
    writer.close()

    (whole,) = heard(lines(tmp_path / "a")).gaps()
    (later,) = heard(lines(tmp_path / "a"), span=Range(NOW + 4, NOW + 9)).gaps()

    assert (whole.kind, whole.says[:2]) == (GapKind.UNRECORDED, "7 ")
    assert (later.kind, later.says[:2]) == (GapKind.UNRECORDED, "5 ")


def test_a_line_that_was_cut_short_is_a_gap(tmp_path: Path) -> None:
    Writer(tmp_path / "a").begin(torn=[b'{"actors":nu']).decide(1).close()

    (gap,) = heard(lines(tmp_path / "a")).gaps()

    assert (gap.kind, "12 bytes" in gap.says) == (GapKind.TORN, True)


def test_policies_hold_from_where_they_are_read_to_the_next(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a").begin().decide(3)
    writer.journal.event("policy", writer.now, old="p", new="q")
    writer.decide(3).close()

    held = heard(lines(tmp_path / "a")).policies()
    later = heard(lines(tmp_path / "a"), span=Range(NOW + 4, NOW + 9)).policies()

    assert {name: [(s[17:19], e[17:19]) for s, e in times] for name, times in held.items()} == {
        "p": [("20", "23")], "q": [("23", "26")],
    }  # fmt: skip
    assert {name: [(s[17:19], e[17:19]) for s, e in times] for name, times in later.items()} == {
        "q": [("24", "26")]
    }


def test_of_a_chain_without_its_beginning_as_much_as_can_be_is_said(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a").begin().decide(3)
    writer.journal.event("policy", writer.now, old="p", new="q")
    writer.decide(3).close()
    log = lines(tmp_path / "a")

    assert [*heard(log[2:]).policies()] == ["p", "q"]
    assert [*heard(log[-1:]).policies()] == []
    assert [span.first for span in heard(log[2:]).spans()] == [2]


def test_no_byte_that_is_changed_stops_it(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a").begin(torn=[b"x"]).decide(3)
    writer.journal.event("policy", writer.now, old="p", new="q")
    writer.decide(3).close()
    whole = (tmp_path / "a").read_bytes()
    drawn = random.Random(7)  # noqa: S311

    for _ in range(2000):
        at, by = drawn.randrange(len(whole)), drawn.randrange(1, 256)
        spoilt = whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :]
        chains = heard(spoilt.splitlines(keepends=True))
        assert chains.spans() or chains.lives() or not chains.changes()
        assert all(gap.kind in GapKind for gap in chains.gaps())
        assert len(chains.policies()) <= 4


def told(*chains: Ended) -> list[tuple[GapKind, str, str | None]]:
    span = Range(NOW, NOW + 60)  # 22:13:20 to 22:14:20
    return [(gap.kind, gap.start[-3:], gap.end and gap.end[-3:]) for gap in breaks(chains, span)]


def ended(name: str, start: int, end: int, *, closed: bool = True) -> Ended:
    return Ended(name, f"2023-11-14T22:13:{start}Z", f"2023-11-14T22:13:{end}Z", closed)


def test_between_processes_that_closed_there_is_a_stop() -> None:
    assert told(ended("a", 21, 25), ended("b", 30, 40)) == [(GapKind.STOPPED, "25Z", "30Z")]
    assert told(ended("a", 21, 25), ended("b", 24, 40)) == []


def test_a_process_that_did_not_close_broke_off() -> None:
    assert told(ended("a", 21, 25, closed=False), ended("b", 30, 40)) == [(GapKind.BROKEN_OFF, "25Z", "30Z")]
    assert told(ended("a", 21, 25, closed=False)) == [(GapKind.BROKEN_OFF, "25Z", None)]


def test_what_is_outside_the_range_is_no_gap_of_it() -> None:
    early = Ended("a", "2023-11-14T20:00:00Z", "2023-11-14T20:10:00Z", False)

    assert told(early, Ended("b", "2023-11-14T21:00:00Z", "2023-11-14T23:00:00Z", True)) == []


def test_periods_that_touch_are_one() -> None:
    assert joined([("c", "d"), ("a", "b"), ("b", "c"), ("e", "f")]) == (("a", "d"), ("e", "f"))
