"""What is said of a policy that is right and yet probably not meant: where, and what to do."""

from typing import Any

import pytest

from proxy.policy.document import Source, parse
from proxy.policy.operations import OperationClass, operation
from proxy.policy.warnings import Surroundings, Warned, warnings_of

NOW = 1_600_000_000.0  # 2020-09-13
HEAD = "schema = 1\ntimezone = 'UTC'\n[[moratorium]]\nid = 'ban'\n"
BAN = "binds.org_types = ['police']\ncovers.classes = ['compare']\n"
OPERATIONS = (
    operation("CompareFaces", OperationClass.COMPARE),
    operation("SearchFaces", OperationClass.SEARCH, OperationClass.TEMPLATE),
)


def warned(text: str, head: str = HEAD, **around: Any) -> list[Warned]:
    return warnings_of([parse(head + text, "p.toml")], NOW, around=Surroundings(**around))


def said(text: str, **around: Any) -> list[tuple[int | None, str]]:
    return [(found.line, found.what) for found in warned(text, **around)]


def exemption(text: str) -> str:
    return f"window = [{{ end = 2030-01-01 }}]\n[[moratorium.exemption]]\nid = 'e'\n{text}\n"


def test_nothing_is_said_of_a_policy_that_means_what_it_says() -> None:
    text = BAN + exemption("requires_case = true\nclasses = ['compare']")

    assert warned(text, backend="b", operations=OPERATIONS, asserted=frozenset({"police"})) == []


def test_a_warning_says_where_it_is_and_what_to_do() -> None:
    (found,) = warned(BAN + "[[moratorium.window]]\nend = 2020-01-01\n")

    assert str(found) == (
        "p.toml:7: moratorium[0].window[0]: can never apply again: over since 2020-01-01T00:00:00Z;"
        " keep it for replays of that time, or take it out"
    )


def test_a_gap_between_windows_stands_at_the_window_after_it() -> None:
    found = said(
        BAN + "[[moratorium.window]]\nend = 2019-01-01\n[[moratorium.window]]\nid = 'later'\n"
        "start = 2019-06-01\n[[moratorium.window]]\nid = 'within'\nstart = 2020-01-01\n"
    )

    assert found == [(9, "not in force from 2019-01-01T00:00:00Z until 2019-06-01T00:00:00Z, then again")]


@pytest.mark.parametrize(
    "windows",
    [
        "{ end = 2019-01-01 }, { start = 2019-01-01 }",
        "{ end = 2019-06-01 }, { start = 2019-01-01 }",
        "{ start = 2019-01-01, places = ['US-CA'] }, { end = 2018-01-01, places = ['US-NY'] }",
    ],
)
def test_windows_that_touch_overlap_or_are_of_other_places_leave_no_gap(windows: str) -> None:
    assert said(BAN + f"window = [{windows}]\n") == []


def test_a_gap_of_one_place_is_one() -> None:
    windows = "{ end = 2019-01-01, places = ['US-CA'] }, { start = 2020-01-01, places = ['US-CA', 'US-NY'] }"

    assert len(said(BAN + f"window = [{windows}]\n")) == 1


def test_exemptions_without_an_end_are_named_together_when_the_moratorium_has_none_either() -> None:
    text = (
        BAN + "[[moratorium.exemption]]\nid = 'a'\nrequires_case = true\nend = 2021-01-01\n"
        "[[moratorium.exemption]]\nid = 'b'\nrequires_case = true\n"
        "[[moratorium.exemption]]\nid = 'c'\nrequires_case = true\n"
    )

    assert said(text) == [(11, "no end of exemption b and c, nor of the moratorium")]
    assert said(text + "[[moratorium.window]]\nend = 2030-01-01\n") == []


def test_a_rule_whose_every_party_is_excepted_can_never_apply() -> None:
    text = "covers.classes = ['compare']\nbinds.org_types = ['police']\n"
    rest = "[[moratorium.binds.except]]\norg_types = ['police', 'press']\n"

    assert said(text + rest) == [(7, "can never apply: everybody bound is excepted")]
    assert said(text + "binds.also = [{ org_ids = ['x'] }]\n" + rest) == []


def test_a_rule_that_covers_no_operation_of_the_backend_can_never_apply() -> None:
    text = "binds.org_types = ['police']\ncovers.classes = ['liveness']\n"

    assert said(text, backend="deepface", operations=OPERATIONS) == [
        (6, "can never apply: covers no operation of deepface")
    ]
    assert said(text) == []


def test_a_native_name_that_the_backend_lacks_is_told_with_the_nearest() -> None:
    text = BAN + "covers.operations = [\n  'CompareFaces',\n  'SearchFace',\n  'X',\n]\n"

    assert said(text, operations=OPERATIONS) == [
        (9, "'SearchFace' is no operation of the backend; did you mean 'SearchFaces'?"),
        (10, "'X' is no operation of the backend"),
    ]


def test_an_exemption_outside_the_windows_of_its_moratorium_can_never_apply() -> None:
    where = "can never apply: its time lies outside the moratorium's windows"

    assert said(BAN + exemption("requires_case = true\nstart = 2030-01-01\nend = 2031-01-01")) == [
        (12, where)
    ]
    assert said(BAN + exemption("requires_case = true\nstart = 2030-01-01")) == [(11, where)]
    assert said(BAN + exemption("requires_case = true\nstart = 2029-01-01")) == []


def test_an_exemption_must_open_every_covered_class_of_some_operation() -> None:
    text = (
        "binds.org_types = ['police']\ncovers.classes = ['search', 'template']\n"
        + exemption("requires_case = true\nclasses = ['search']")
    )  # fmt: skip
    found = [(11, "can never apply: no operation is covered by these classes alone")]

    assert said(text, operations=OPERATIONS) == found
    assert said(text) == []
    assert said(BAN + exemption("requires_case = true\nclasses = ['search']")) == found
    assert said(text.replace("['search']\n", "['search', 'template']\n"), operations=OPERATIONS) == []
    native = "binds.org_types = ['police']\ncovers.operations = ['X']\n"
    assert said(native + exemption("requires_case = true\nclasses = ['search']")) == []


def test_an_exemption_for_types_that_are_not_bound_can_never_apply() -> None:
    text = BAN + exemption("org_types = ['press', 'school']")

    assert said(text) == [(10, "can never apply: the moratorium binds none of press or school")]
    assert said(BAN + exemption("org_types = ['press', 'police']")) == []
    assert said(BAN + exemption("org_ids = ['x']")) == []


def test_an_exemption_for_purposes_that_the_moratorium_is_not_about_can_never_apply() -> None:
    about = "purposes = { only = ['redaction', 'research'] }\nwhere.jurisdictions = ['US']\n"

    assert said(BAN + about + exemption("purposes = ['other']")) == [
        (12, "can never apply: the moratorium is about other purposes than other")
    ]
    assert said(BAN + about + exemption("purposes = ['other', 'research']")) == []


def test_names_that_no_issuer_may_assert_are_told_with_the_nearest() -> None:
    text = "binds.org_types = ['police', 'school']\ncovers.classes = ['compare']\n" + exemption(
        "org_types = ['police', 'school']"
    )
    found = warned(text, asserted=frozenset({"polis", "school"}))

    assert [(one.line, one.what) for one in found] == [
        (5, "no issuer may assert 'police', so nobody is bound by that name"),
        (10, "no issuer may assert 'police', so nobody is exempt by that name"),
    ]
    assert all("did you mean 'polis'?" in one.advice for one in found)
    (alone,) = said(BAN, asserted=frozenset({"press"}))
    assert alone[1] == "no issuer may assert 'police', so nobody is bound by it"


def test_what_is_recorded_in_the_future_counts_already() -> None:
    text = (
        BAN + "[[moratorium.window]]\nrecorded = 2020-09-14\n"
        "[[moratorium.window]]\nid = 'known'\nrecorded = 2020-09-12\n"
    )

    assert said(text) == [(8, "2020-09-14 is in the future, and it counts already")]


@pytest.mark.parametrize(
    ("head", "text", "warnings"),
    [
        ("", "window = [{ start = 2020-01-01 }]", 1),
        ("", "window = [{ start = 2020-01-01T10:00:00 }]", 1),
        ("", "window = [{ start = 2020-01-01T00:00:00Z }]", 0),
        ("", "window = [{ start = 2020-01-01T00:00:00-07:00 }]", 0),
        ("", "window = [{ start = 2020-01-01T00:00:00+07:00 }]", 0),
        ("", "window = [{ start = 2020-01-01, timezone = 'Europe/Rome' }]", 0),
        ("", "", 0),
        ("timezone = 'Europe/Rome'\n", "window = [{ start = 2020-01-01 }]", 0),
    ],
)
def test_dates_without_a_time_zone_are_told(head: str, text: str, warnings: int) -> None:
    found = warned(BAN + text + "\n", f"schema = 1\n{head}[[moratorium]]\nid = 'ban'\n")

    assert [(one.line, "midnights in UTC" in one.what) for one in found] == [(1, True)] * warnings


def test_the_shorthand_is_asked_for_no_time_zone() -> None:
    document = parse("schema = 1\n[[moratorium]]\nid = 'x'\nwindow = [{ start = 2020-01-01 }]\n" + BAN, "p")

    assert warnings_of([Source("MORATORIUM_*", document.document)], NOW) == []


def test_what_is_about_another_backend_is_not_looked_at() -> None:
    text = "backends = ['azure-face']\n" + BAN + "window = [{ end = 2020-01-01 }]\n"

    assert said(text, backend="deepface", operations=()) == []
    assert len(said(text)) == 1
