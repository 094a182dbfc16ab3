"""What has to differ, and what must not: small books against small pages."""

import json
from collections.abc import Sequence
from typing import Any

from proxy.reporting.reconcile.book import Book
from proxy.reporting.reconcile.compare import Gap, Reconciliation
from proxy.reporting.reconcile.ids import ALLOWED, Ids
from proxy.reporting.reconcile.page import Labels, Page

CHAIN, PROCESS = "aaaaaaaaaaaaaaaa", "0123456789ab"
ALLOW: Labels = ("allowed", "not-bound", "press", "search", "enforce")
BLOCK: Labels = ("blocked", "moratorium", "police", "compare+search", "enforce")
FAIL: Labels = ("failed", "upstream-broken", "none", "none", "enforce")
LOST: Labels = ("failed", "audit-unwritable", "none", "none", "enforce")


def name(number: int) -> str:
    return f"{PROCESS}-{number:012x}"


def opened(chain: str = CHAIN, seq: int = 0) -> dict[str, Any]:
    return {"kind": "open", "chain": chain, "seq": seq}


def decided(number: int, series: Labels = ALLOW, chain: str = CHAIN, **more: Any) -> dict[str, Any]:
    decision, reason, org_type, operation, mode = series
    return {
        "kind": "decision", "chain": chain, "id": name(number), "request_id": None, "decision": decision,
        "reason": reason, "org_type": org_type, "mode": mode,
        "classes": None if operation == "none" else sorted(operation.split("+"), reverse=True), **more,
    }  # fmt: skip


def ended(*numbers: int, status: int | None = 200) -> dict[str, Any]:
    calls = [{"id": name(number), "status": status} for number in numbers]
    return {"kind": "outcomes", "chain": CHAIN, "calls": calls}


def reconciled(
    records: Sequence[dict[str, Any]], *series: tuple[Labels, int], made: int, failures: int = 0
) -> Reconciliation:
    """These records, and a page of one chain with these counts."""
    page = Page("page", dict(series), {CHAIN: made}, failures)
    book = Book(page.chains)
    for record in records:
        book.take(json.dumps(record).encode() + b"\n")
    found = Reconciliation(book, [page])
    found.compare()
    return found


def gaps(found: Reconciliation) -> list[Gap]:
    return [finding.gap for finding in found.findings]


def numbers(found: Reconciliation) -> list[int]:
    return [number for _, number in found.explained]


def test_a_series_is_found_whatever_the_order_of_classes() -> None:
    found = reconciled([opened(), decided(1, BLOCK), decided(2)], (BLOCK, 1), (ALLOW, 1), made=2)

    assert (found.findings, found.explained) == ([], [])


def test_a_second_record_of_a_call_is_a_decision_more() -> None:
    log = [opened(), decided(1), decided(2), decided(1, FAIL), decided(3, BLOCK)]

    assert gaps(reconciled(log, (ALLOW, 2), (FAIL, 1), made=3)) == []
    assert numbers(reconciled(log, (ALLOW, 2), (FAIL, 1), made=3)) == [1]
    assert numbers(reconciled(log, (ALLOW, 2), (FAIL, 1), (BLOCK, 1), made=4)) == []


def test_unrecorded_calls_are_counted_and_nothing_else_is_shifted_by_them() -> None:
    log = [opened(), decided(1), decided(4), decided(5, BLOCK), decided(6, BLOCK)]

    found = reconciled(log, (ALLOW, 2), (BLOCK, 1), (LOST, 2), made=3, failures=2)

    assert (gaps(found), numbers(found)) == ([], [2, 1])


def test_a_denial_for_want_of_a_record_may_have_one() -> None:
    log = [opened(), decided(1), decided(1, LOST), decided(2), decided(3, BLOCK)]

    found = reconciled(log, (ALLOW, 2), (LOST, 1), made=2, failures=1)

    assert (gaps(found), numbers(found)) == ([], [1])


def test_calls_that_went_on_unrecorded_are_no_more_than_the_failures() -> None:
    log = [opened(), decided(1), decided(4)]

    assert gaps(reconciled(log, (ALLOW, 4), made=4, failures=2)) == []
    assert gaps(reconciled(log, (ALLOW, 4), made=4, failures=1)) == [Gap.UNRECORDED]


def test_a_record_whose_last_byte_was_lost_is_whole() -> None:
    claim = {"kind": "checkpoint", "chain": CHAIN, "seq": 4, "records": 2, "failures": 1}
    log = [opened(), decided(1), decided(2), decided(3, BLOCK)]
    counts = ((ALLOW, 1), (BLOCK, 1), (LOST, 1))

    found = reconciled([*log, claim], *counts, made=2, failures=1)

    assert (gaps(found), numbers(found)) == ([], [1, 1, 1])
    # Without a chain that says so, it is a count that was left out.
    assert gaps(reconciled(log, *counts, made=2, failures=1)) == [Gap.UNRECORDED, Gap.UNCOUNTED]


def test_a_page_of_a_proxy_that_lets_calls_go_on_ends_too_late_by_each() -> None:
    log = [opened(), decided(1), decided(4), decided(5, BLOCK), decided(6, BLOCK)]

    found = reconciled(log, (ALLOW, 4), made=4, failures=2)

    assert (gaps(found), numbers(found)) == ([], [2])


def test_a_page_that_names_not_all_its_chains_is_not_compared() -> None:
    assert gaps(reconciled([opened(), decided(1)], (ALLOW, 2), made=1)) == [Gap.INCOMPLETE]


def test_a_chain_whose_beginning_was_removed_is_not_compared() -> None:
    removal = {"kind": "retired", "chain": CHAIN}

    found = reconciled([decided(7), removal], (ALLOW, 7), made=7)

    assert (gaps(found), numbers(found)) == ([], [1])
    assert gaps(reconciled([decided(7)], (ALLOW, 7), made=7)) == [Gap.UNRECORDED]


def test_a_chain_says_how_many_records_it_has() -> None:
    claim = {"kind": "checkpoint", "chain": CHAIN, "seq": 3, "records": 2, "failures": 0}

    assert gaps(reconciled([opened(), decided(1), decided(2), claim], (ALLOW, 2), made=2)) == []
    assert gaps(reconciled([opened(), decided(1), claim], (ALLOW, 1), made=1)) == [Gap.MISCOUNTED]


def test_other_chains_are_other_processes() -> None:
    found = reconciled([opened(), decided(1), decided(2, chain="bbbbbbbbbbbbbbbb")], (ALLOW, 1), made=1)

    assert (gaps(found), numbers(found)) == ([], [1])


def test_a_call_that_never_arrived_is_explained_unless_it_was_answered() -> None:
    found = reconciled([opened(), *map(decided, range(1, 5)), ended(1, 2), ended(3, status=None)],
                       (ALLOW, 4), made=4)  # fmt: skip

    found.hear_upstream([name(1).encode()])

    assert [(f.gap, f.what) for f in found.findings] == [(Gap.UNSEEN, name(2))]
    assert numbers(found) == [2]


def test_a_trusted_peers_id_may_be_seen_as_often_as_it_was_let_through() -> None:
    log = [
        opened(),
        decided(1, request_id="theirs"),
        decided(2, request_id="theirs"),
        decided(3, BLOCK, request_id="no"),
    ]
    found = reconciled(log, (ALLOW, 2), (BLOCK, 1), made=3)

    found.hear_upstream([b"theirs", b"theirs", b"theirs", b"no", name(1).encode()])

    assert [(f.gap, f.what) for f in found.findings] == [
        (Gap.WENT_ROUND, "theirs"), (Gap.WENT_ROUND, "no"), (Gap.WENT_ROUND, name(1)),
    ]  # fmt: skip


def test_an_answer_without_a_record_must_say_so() -> None:
    found = reconciled([opened(), decided(1), decided(1, FAIL)], (ALLOW, 1), (FAIL, 1), made=2)

    found.hear_answers(
        [
            (name(1).encode(), "upstream-broken"),
            (name(2).encode(), "audit-unwritable"),
            (name(3).encode(), ""),
        ]
    )

    assert [(f.gap, f.what) for f in found.findings] == [(Gap.NO_RECORD, name(3))]
    assert numbers(found) == [1]


def test_lines_that_are_no_records_are_counted() -> None:
    book = Book()
    for line in (b"\n", b"{\n", b"[]\n", b'{"kind":"decision","chain":"c"}\n', b'{"chain":1}\n'):
        book.take(line)

    assert book.unreadable == 4


def test_findings_are_counted_beyond_those_that_are_kept() -> None:
    found = reconciled([opened()], made=0)

    found.hear_upstream(f"id {number}".encode() for number in range(1000))

    assert (len(found.findings), found.counts[Gap.WENT_ROUND]) == (100, 1000)


def test_ids_take_a_byte_each_wherever_they_begin() -> None:
    ids = Ids()
    names = [f"{PROCESS}-{number:012x}".encode() for number in (0, 1, 4095, 4096, 2**48 - 1)]
    for each in (*names, b"of another form"):
        ids.set(each, ALLOWED)

    assert [ids.get(each) for each in (*names, b"of another form")] == [ALLOWED] * 6
    assert ids.get(b"0123456789ab-000000000002") == ids.get(b"no") == 0
    assert {found for found, _ in ids.states()} > {each.decode() for each in names}
