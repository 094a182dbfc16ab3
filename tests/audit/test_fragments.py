"""Lines that are no records are many in a log that somebody has spoiled: they are counted, not all kept."""

from hashlib import sha256

from proxy.audit.findings import Flaw, Place
from proxy.audit.stitch import MAX_FRAGMENTS, Fragments


def test_as_many_as_are_kept_are_each_found() -> None:
    fragments = Fragments()
    for number in range(MAX_FRAGMENTS):
        fragments.found(b"%d" % number, Place("a", number))

    assert len(fragments.findings()) == MAX_FRAGMENTS


def test_the_rest_is_one_finding_with_their_number() -> None:
    fragments = Fragments()
    for number in range(MAX_FRAGMENTS + 7):
        fragments.found(b"the same", Place("a", number))
    fragments.told(sha256(b"the same").hexdigest())

    (finding,) = fragments.findings()

    assert fragments.torn == MAX_FRAGMENTS
    assert (finding.flaw, finding.place) == (Flaw.UNREADABLE, Place("a", MAX_FRAGMENTS))
    assert "7 more lines" in finding.says


def test_records_that_tell_of_them_are_not_kept_without_end_either() -> None:
    fragments = Fragments()
    for number in range(MAX_FRAGMENTS + 2):
        fragments.told(str(number))

    (finding,) = fragments.findings()

    assert "2 more records" in finding.says
