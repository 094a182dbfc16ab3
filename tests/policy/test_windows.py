"""Half-open windows, and when what they say next changes."""

import pytest

from proxy.policy.callers import ALWAYS, FOREVER
from proxy.policy.model import Window
from proxy.policy.windows import end_of_force, in_force, next_edge


@pytest.mark.parametrize(("now", "holds"), [(9.999, False), (10, True), (19.999, True), (20, False)])
def test_a_window_holds_from_its_start_up_to_but_not_at_its_end(now: float, holds: bool) -> None:
    assert Window(10, 20).holds(now) is holds


def test_a_window_without_ends_always_holds() -> None:
    assert Window(ALWAYS, FOREVER).holds(0)


def test_of_overlapping_windows_the_one_that_ends_last_is_named() -> None:
    windows = (Window(0, 20), Window(10, 30), Window(5, 15))

    assert in_force(windows, 12) == Window(10, 30)


@pytest.mark.parametrize(("now", "edge"), [(0, 10), (10, 20), (15, 20), (20, 30), (30, 40), (40, FOREVER)])
def test_the_next_edge_is_the_first_start_or_end_after_now(now: float, edge: float) -> None:
    assert next_edge((Window(10, 20), Window(30, 40)), now) == edge


def test_windows_that_touch_are_one_stretch() -> None:
    windows = (Window(10, 20), Window(20, 30), Window(28, 40), Window(50, 60))

    assert end_of_force(windows, 15) == 40


def test_nothing_in_force_ends_now() -> None:
    assert end_of_force((Window(10, 20),), 25) == 25


def test_an_open_window_ends_never() -> None:
    assert end_of_force((Window(10, 20), Window(20, FOREVER)), 12) == FOREVER
