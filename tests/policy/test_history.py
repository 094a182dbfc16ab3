"""Windows as they were enacted, extended and repealed, by what was known when."""

import pytest

from proxy.policy.callers import ALWAYS, FOREVER
from proxy.policy.history import History
from proxy.policy.model import Window

FIRST, SECOND, THIRD = Window(0, 10), Window(0, 20), Window(30, FOREVER)


def extended_and_revived() -> History:
    history = History()
    history.add("first", "enacted", FIRST, ALWAYS, ())
    history.add("second", "extended", SECOND, 5, ("first",))
    history.add("third", "revived", THIRD, 25, ())
    return history


@pytest.mark.parametrize(
    ("known_at", "expected"),
    [
        (4.999, (FIRST,)),
        (5, (SECOND,)),
        (24, (SECOND,)),
        (25, (SECOND, THIRD)),
        (FOREVER, (SECOND, THIRD)),
        (ALWAYS, (FIRST,)),
    ],
)
def test_a_window_counts_until_another_that_replaces_it_is_known(
    known_at: float, expected: tuple[Window, ...]
) -> None:
    assert extended_and_revived().in_effect(known_at) == expected


def test_a_window_that_was_replaced_by_a_replaced_one_does_not_come_back() -> None:
    history = extended_and_revived()
    history.add("fourth", "amended", Window(0, 15), 40, ("second",))

    assert history.in_effect(FOREVER) == (THIRD, Window(0, 15))


def test_a_window_without_length_is_none() -> None:
    history = History()
    history.add("only", "repealed", Window(10, 10), ALWAYS, ())

    assert history.in_effect(FOREVER) == ()


def test_a_name_that_is_there_twice_is_refused_and_the_first_stays() -> None:
    history = History()
    history.add("first", "enacted", FIRST, ALWAYS, ())

    assert history.add("first", "amended", SECOND, ALWAYS, ()) == "the window 'first' is there twice"
    assert history.in_effect(FOREVER) == (FIRST,)


def test_only_windows_further_up_can_be_replaced() -> None:
    history = History()

    problem = history.add("first", "enacted", FIRST, ALWAYS, ("first", "second"))

    assert problem == "replaces 'first', which is no window further up"
    assert history.chapters() == ()


def test_the_chapters_tell_all_of_it_and_what_replaced_each() -> None:
    told = [(c.id, c.reason, c.recorded, c.replaced_by) for c in extended_and_revived().chapters()]

    assert told == [
        ("first", "enacted", ALWAYS, "second"),
        ("second", "extended", 5, None),
        ("third", "revived", 25, None),
    ]
