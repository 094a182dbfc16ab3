"""What a schema cannot say: every mistake with its place, and what becomes of events, dates and records."""

import pytest

from proxy.errors import PolicyError
from proxy.policy.callers import ALWAYS, FOREVER, Relation
from proxy.policy.document import build, parse
from proxy.policy.model import Limit, Policy, Window
from proxy.policy.operations import Medium, OperationClass, Trait

HEAD = """
schema = 1
timezone = "America/Havana"
vocabulary.circumstances.camera = ["officer", "fixed"]
"""
BAN = """
[[moratorium]]
id = "ban"
binds.org_types = ["police"]
covers.classes = ["compare"]
"""
JANUARY = 1704085200.0  # 2024-01-01 in Havana


def load(more: str, head: str = HEAD, ban: str = BAN, known_at: float = FOREVER) -> Policy:
    return build(parse(head + ban + more, "p.toml"), known_at=known_at)


def problems(more: str = "", head: str = HEAD, ban: str = BAN) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load(more, head, ban)
    return caught.value.problems


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("window = [{ start = 2024-01-01, end = 2024-01-01 }]", "window[0]: start must be before end"),
        (
            "window = [{ end = 2024-01-01, ends = 'later' }]",
            "window[0]: `ends` (earlier or later) says which",
        ),
        ("window = [{ end_event = 'e' }]", "window[0].end_event: 'e' is not the id of an event"),
        ("window = [{ timezone = 'Mars/Base' }]", "window[0].timezone: 'Mars/Base' is not an IANA time zone"),
        ("window = [{ id = 'a' }, { id = 'a' }]", "window[1]: the window 'a' is there twice"),
        ("window = [{ replaces = ['b'] }]", "window[0]: replaces 'b', which is no window further up"),
        (
            "window = [{ start = '0001-01-01T00:00:00+10:00' }]",
            "window[0].start: '0001-01-01T00:00:00+10:00' is",
        ),
        ("recorded = 'once'", "recorded: 'once' is not a date"),
        (
            "circumstances.kamera.is = ['officer']",
            "circumstances.kamera: the circumstance 'kamera' is not in",
        ),
        (
            "circumstances.camera.is = ['oficer']",
            "'oficer' is not in the vocabulary; did you mean 'officer'?",
        ),
        ("exemption = [{ id = 'x' }]", "exemption[0]: states no condition"),
        ("exemption = [{ id = 'x', requires_case = false }]", "exemption[0]: states no condition"),
        ("exemption = [{ id = 'x', evidence = [] }]", "exemption[0]: states no condition"),
        ("exemption = [{ id = 'x', circumstances = {} }]", "exemption[0]: states no condition"),
        (
            "exemption = [{ id = 'x', org_ids = ['a'], start = 2024-01-02, end = 2024-01-01 }]",
            "exemption[0]: start must be before end",
        ),
        (
            "exemption = [{ id = 'x', org_ids = ['a'], limit = { uses = 1 } }]",
            "exemption[0].limit: counts by evidence, and the exemption asks for none",
        ),
        ("binds.also = [{ relations = ['self'] }]", "binds.also[0]: describes nobody"),
        ("binds.except = [{ contractors = true }]", "binds.except[0]: describes nobody"),
        ("binds.everyone = true", "binds: everyone, and a narrower description besides"),
        ("binds.org_subtypes = ['sherif']", "'sherif' is not in the vocabulary; did you mean 'sheriff'?"),
        ("purposes.only = ['redact']", "purposes.only: 'redact' is not in the vocabulary"),
    ],
)
def test_a_mistake_is_named_with_its_place(more: str, expected: str) -> None:
    found = problems(more)

    assert any(expected in problem for problem in found), found


def test_a_moratorium_that_binds_nobody_or_covers_nothing_is_a_mistake() -> None:
    nobody = problems(ban=BAN.replace('binds.org_types = ["police"]', "binds.relations = ['self']"))
    nothing = problems(ban=BAN.replace('covers.classes = ["compare"]', 'covers.traits = ["age"]'))

    assert any("binds: binds nobody" in problem for problem in nobody), nobody
    assert any("covers: covers nothing" in problem for problem in nothing), nothing


def test_an_event_that_is_there_twice_is_a_mistake() -> None:
    found = problems(head=HEAD + "event = [{ id = 'e' }, { id = 'e' }]\n")

    assert found == ["p.toml:5: event[1].id: 'e' is used twice"]


@pytest.mark.parametrize("name", ['id = "ban\\n"', 'authority.url = "https://law.example/\\n"'])
def test_a_line_break_at_the_end_of_a_name_is_refused(name: str) -> None:
    """Names go into header fields of answers."""
    ban = BAN.replace('id = "ban"', name if name.startswith("id") else f'id = "ban"\n{name}')

    assert any("does not have the form" in problem for problem in problems(ban=ban))


@pytest.mark.parametrize(
    ("event", "window", "end"),
    [
        ("", "end_event = 'e'", FOREVER),
        ("happened = 2024-01-01", "end_event = 'e'", JANUARY),
        ("happened = 2024-01-01", "end_event = 'e', end = 2025-01-01, ends = 'earlier'", JANUARY),
        ("happened = 2024-01-01", "end_event = 'e', end = 2025-01-01, ends = 'later'", JANUARY + 366 * 86400),
        ("", "end_event = 'e', end = 2024-01-01, ends = 'earlier'", JANUARY),
        ("", "end_event = 'e', end = 2024-01-01, ends = 'later'", FOREVER),
        ("happened = 2024-11-03", "end_event = 'e'", 1730610000.0),  # the second of two midnights
    ],
)
def test_a_window_ends_by_date_by_event_or_by_the_earlier_or_later_of_both(
    event: str, window: str, end: float
) -> None:
    events = f"event = [{{ id = 'e'{', ' if event else ''}{event} }}]\n"

    assert load(f"window = [{{ {window} }}]", HEAD + events).moratoria[0].windows == (Window(ALWAYS, end),)


def test_an_event_counts_from_when_it_is_known() -> None:
    events = "event = [{ id = 'e', happened = 2024-01-01, recorded = 2024-02-01 }]\n"
    window = "window = [{ end_event = 'e' }]"

    before = load(window, HEAD + events, known_at=JANUARY + 30 * 86400)
    after = load(window, HEAD + events, known_at=JANUARY + 31 * 86400)

    assert before.moratoria[0].windows == (Window(ALWAYS, FOREVER),)
    assert after.moratoria[0].windows == (Window(ALWAYS, JANUARY),)


def test_a_moratorium_or_an_exemption_counts_from_when_it_is_known() -> None:
    text = "recorded = 2024-01-01\nexemption = [{ id = 'x', org_ids = ['a'], recorded = 2024-02-01 }]"

    assert load(text, known_at=JANUARY - 1).moratoria == ()
    assert load(text, known_at=JANUARY).moratoria[0].exemptions == ()
    assert len(load(text, known_at=JANUARY + 31 * 86400).moratoria[0].exemptions) == 1


def test_a_moratorium_without_a_window_left_is_none() -> None:
    events = "event = [{ id = 'e', happened = 2023-01-01 }]\n"

    assert load("window = [{ start = 2024-01-01, end_event = 'e' }]", HEAD + events).moratoria == ()


def test_a_window_may_have_a_time_zone_of_its_own() -> None:
    found = load("window = [{ start = 2024-01-01, timezone = 'Asia/Kathmandu' }]").moratoria[0].windows

    assert found[0].start == JANUARY - (5 + 5.75) * 3600


def test_words_that_are_in_no_vocabulary_at_all_are_refused_too() -> None:
    assert problems("circumstances.camera.is = ['x']", head="schema = 1\n") == [
        "p.toml:7: moratorium[0].circumstances.camera: the circumstance 'camera' is not in the vocabulary"
    ]


def test_a_date_that_no_clock_can_tell_is_refused_in_words() -> None:
    found = problems("window = [{ start = '0001-01-01' }]", HEAD.replace("America/Havana", "Asia/Kathmandu"))

    assert found == ["p.toml:10: moratorium[0].window[0].start: '0001-01-01' is too far away"]


def test_parties_have_their_relations_and_exceptions_their_contractors() -> None:
    binds = load(
        "binds.relations = ['self']\nbinds.also = [{ org_ids = ['x'] }]\n"
        "binds.except = [{ levels = ['federal'], contractors = true }]"
    ).moratoria[0].binds  # fmt: skip

    assert [party.relations for party in binds.parties] == [{Relation.SELF}, set(Relation)]
    assert binds.exceptions[0].contractors
    assert binds.exceptions[0].levels == {"federal"}


def test_a_limit_has_its_span_and_what_it_is_counted_by() -> None:
    text = (
        "exemption = [{ id = 'x', evidence = [{ types = ['warrant'] }], limit = { uses = 2 } },"
        " { id = 'y', org_ids = ['a'], limit = { uses = 3, per = '30d', by = 'organisation' } }]"
    )

    assert [exemption.limit for exemption in load(text).moratoria[0].exemptions] == [
        Limit(2, FOREVER, "evidence"),
        Limit(3, 30 * 86400, "organisation"),
    ]


def test_a_route_has_a_name_of_its_own_or_its_path() -> None:
    route = '[[route]]\nmethods = ["GET"]\npath = "/a"\nclasses = ["analyze"]\n'
    text = route + 'traits = ["age"]\nmedia = ["image"]\n' + route + 'name = "b"\n'

    one, other = load("\n" + text).routes

    assert (one.operation.name, other.operation.name) == ("/a", "b")
    assert one.operation.traits == {Trait.AGE}
    assert one.operation.media == {Medium.IMAGE}
    assert other.operation.classes == {OperationClass.ANALYZE}


def test_moratoria_about_other_backends_are_left_out() -> None:
    source = parse(HEAD + BAN + 'backends = ["azure-face"]\n', "p.toml")

    assert len(build(source).moratoria) == 1
    assert len(build(source, backend="azure-face").moratoria) == 1
    assert build(source, backend="deepface").moratoria == ()


def test_an_end_at_a_midnight_that_comes_twice_is_the_second() -> None:
    found = load("window = [{ start = 2024-11-03, end = 2025-01-01 }, { end = 2024-11-03 }]").moratoria[0]

    assert found.windows[1].end - found.windows[0].start == 3600
