"""How many unknown key ids an issuer is asked for."""

from proxy.authn.sought import MAX_SOUGHT, UNKNOWN_IDS_AT_ONCE, Sought

COOLDOWN = 30.0


def test_an_id_is_settled_for_the_cooldown_and_no_longer() -> None:
    sought = Sought(COOLDOWN)
    assert not sought.settled("a", 100.0)
    assert sought.take("a", 100.0)

    assert [sought.settled("a", at) for at in (99.9, 100.0, 129.9, 130.0)] == [False, True, True, False]
    assert not sought.settled("b", 100.0)


def test_a_few_may_be_asked_for_at_once_and_then_one_now_and_then() -> None:
    sought = Sought(COOLDOWN)
    taken = [sought.take(str(n), 100.0) for n in range(UNKNOWN_IDS_AT_ONCE + 3)]
    assert taken == [True] * UNKNOWN_IDS_AT_ONCE + [False] * 3

    step = COOLDOWN / UNKNOWN_IDS_AT_ONCE
    assert not sought.take("early", 100.0 + step - 0.1)
    assert sought.take("later", 100.0 + step)
    assert not sought.take("more", 100.0 + step)
    assert not sought.settled("more", 100.0 + step)


def test_a_clock_that_steps_back_does_not_keep_anybody_waiting() -> None:
    sought = Sought(COOLDOWN)
    for n in range(UNKNOWN_IDS_AT_ONCE):
        sought.take(str(n), 1e6)

    assert sought.take("x", 100.0)


def test_only_so_many_ids_are_remembered() -> None:
    sought = Sought(COOLDOWN)
    for n in range(MAX_SOUGHT + 5):
        assert sought.take(str(n), COOLDOWN * n)

    assert len(sought._at) == MAX_SOUGHT
