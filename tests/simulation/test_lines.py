"""Lines are taken apart by where their members stand, and mean what they mean when parsed."""

import json

import pytest

from proxy.audit.chain import line_of
from proxy.audit.record import fields_of
from proxy.messages import NO_IMPRINT, NO_TRAIL, Imprint, Trail
from proxy.policy.callers import FOREVER, Caller
from proxy.policy.engine import decide
from proxy.policy.model import Mode, Policy
from proxy.policy.operations import OperationClass, operation
from proxy.simulation.lines import LAST, Cutter, id_of, instant_of, time_of
from tests.policy.making import ban

NOW = 1_600_000_000.25
POLICY = Policy((ban(),), frozenset({"police"}), frozenset())
POLICE = Caller("https://issuer.test", ("police",), "cedar-sheriff")


def line(
    name: str = "w1-1",
    now: float = NOW,
    caller: Caller = POLICE,
    instance: str = "w1",
    trail: Trail = NO_TRAIL,
    imprint: Imprint = NO_IMPRINT,
) -> bytes:
    verdict = decide(caller, operation("CompareFaces", OperationClass.COMPARE), POLICY, now)
    fields = fields_of(
        verdict, name, now, revision="r", mode=Mode.ENFORCE, instance=instance, backend="generic",
        trail=trail, imprint=imprint,
    )  # fmt: skip
    return line_of(fields)


def test_lines_of_one_question_differ_in_nothing_that_is_kept() -> None:
    cutter = Cutter()
    trail = Trail(request_id=b'a "quoted" id', trace_id=b"0af7651916cd43dd8448eb211c80319c")

    cuts = [
        cutter.cut(line()),
        cutter.cut(line("another-id", NOW + 7, instance="w2")),
        cutter.cut(line(trail=trail)),
        cutter.cut(line(imprint=(b'"%b"' % (b"a" * 64), 12, b'"%b"' % (b"b" * 64)))),
        cutter.cut(line(caller=POLICE._replace(subject_digest="c" * 64))),
    ]

    assert len({cut[0] for cut in cuts if cut}) == 1
    assert [cut[1] for cut in cuts if cut] == [
        b"2020-09-13T12:26:40.250000Z", b"2020-09-13T12:26:47.250000Z", *[b"2020-09-13T12:26:40.250000Z"] * 3,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [POLICE._replace(org_id="cedar-sherifg"), POLICE._replace(org_id=None), POLICE._replace(case_digest="c")],
)
def test_lines_of_other_questions_do(other: Caller) -> None:
    cutter = Cutter()

    one, two = cutter.cut(line()), cutter.cut(line(caller=other))

    assert one
    assert two
    assert one[0] != two[0]


def test_lines_of_equal_length_need_not_have_their_members_in_the_same_places() -> None:
    """What is remembered of one must not be believed of the other."""
    longer, shorter = POLICE._replace(org_id="abc"), POLICE._replace(org_id="a")
    one, other = line("id-1", caller=longer), line("id-123", caller=shorter)
    assert len(one) == len(other)
    fresh = [Cutter().cut(one), Cutter().cut(other)]
    cutter = Cutter()

    assert [cutter.cut(one), cutter.cut(other), cutter.cut(one)] == [*fresh, fresh[0]]


def test_a_line_that_another_program_wrote_anew_is_one_question_too() -> None:
    cutter = Cutter()
    spaced = [json.dumps(json.loads(text)).encode() for text in (line("one"), line("two", NOW + 1))]

    cuts = [cutter.cut(text) for text in spaced]

    assert cuts[0]
    assert cuts[1]
    assert cuts[0][0] == cuts[1][0]
    assert cuts[1][1] == b"2020-09-13T12:26:41.250000Z"
    assert id_of(spaced[1]) == "two"


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"{}", b"[]", b"null", b'{"id":1,"time":2}', line()[:-40], b"\xff"]
)
def test_what_is_no_object_with_an_id_and_a_time_is_not_cut(text: bytes) -> None:
    cutter = Cutter()
    cutter.cut(line())

    assert cutter.cut(text) is None


@pytest.mark.parametrize("instant", [0.0, NOW, NOW + 0.000001, 1_719_792_000.0, 253_402_300_798.5])
def test_a_time_and_its_instant_are_the_same(instant: float) -> None:
    assert instant_of(time_of(instant)) == pytest.approx(instant, abs=1e-6)


def test_times_sort_as_their_instants() -> None:
    instants = [-1.5, 0.0, NOW, NOW + 0.000002, NOW + 1, 1e10]

    times = [time_of(instant) for instant in instants]

    assert times == sorted(times)
    assert max(times) < time_of(FOREVER) == time_of(1e18) == LAST


@pytest.mark.parametrize(
    "text", [b"", b"2020-06-10", b"2020-06-10T00:00:00.000000+", b"2020-06-10T25:00:00.000000Z"]
)
def test_a_time_of_another_form_is_none(text: bytes) -> None:
    assert instant_of(text) is None
