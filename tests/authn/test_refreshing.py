"""How soon keys are fetched again, and what an answer says besides its keys."""

import pytest

from proxy.authn.download import max_age_of
from proxy.authn.keys import LEAST_REFRESH, MOST_REFRESH, RemoteKeys
from proxy.authn.sources import REFRESH_SECONDS
from proxy.errors import KeysUnavailable
from tests.authn.issuers import KeyServer
from tests.authn.tokens import FixedClock


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        (None, REFRESH_SECONDS),
        ("public", REFRESH_SECONDS),
        ("max-age=abc", REFRESH_SECONDS),
        ("max-age=-5", REFRESH_SECONDS),
        ("max-age=600", 600.0),
        ('public, Max-Age="600", must-revalidate', 600.0),
        ("s-maxage=900, max-age=120", 120.0),
        ("max-age=1", LEAST_REFRESH),
        ("no-store", LEAST_REFRESH),
        ("max-age=900, no-cache", LEAST_REFRESH),
        ("max-age=999999999", MOST_REFRESH),
        ("max-age=9999999999999999999999", REFRESH_SECONDS),
    ],
)
async def test_keys_are_fetched_again_when_their_issuer_says_within_bounds(
    source: RemoteKeys, issuer: KeyServer, cache_control: str | None, seconds: float
) -> None:
    if cache_control is not None:
        issuer.headers["Cache-Control"] = cache_control
    await source.refresh()

    assert source.pause() == seconds


async def test_after_failures_it_is_tried_again_soon_and_then_less_often(
    source: RemoteKeys, issuer: KeyServer
) -> None:
    issuer.headers["Cache-Control"] = "max-age=600"
    await source.refresh()
    issuer.status = 500
    pauses = []
    for _ in range(8):
        with pytest.raises(KeysUnavailable):
            await source.refresh()
        pauses.append(source.pause())
    issuer.status = 200
    await source.refresh()

    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    assert source.pause() == 600
    assert (source.fetched, source.failed) == (2, 8)


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        ("Fri, 15 Jan 2027 08:00:00 GMT", 0.0),
        ("Fri, 15 Jan 2027 08:01:30 GMT", 90.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", -3600.0),
        ("yesterday", None),
        ("Fri, 15 Jan 2027 08:00:00", None),
        ("Fri, 99 Jan 2027 08:00:00 GMT", None),
    ],
)
async def test_how_far_the_issuers_clock_is_ahead_is_known(
    source: RemoteKeys, issuer: KeyServer, clock: FixedClock, date: str, skew: float | None
) -> None:
    assert (source.skew, clock.now) == (None, 1_800_000_000.0)
    issuer.headers["Date"] = date
    await source.refresh()

    assert source.skew == skew


def test_several_cache_control_fields_are_one() -> None:
    assert max_age_of("public,max-age=60") == 60.0
