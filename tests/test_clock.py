"""A clock that is wrong is noticed, told, and ends no moratorium."""

from collections.abc import Sequence

import pytest

from proxy.authn.keys import RemoteKeys
from proxy.clock import STEADY, TOLERANCE, Clock, parse_date
from proxy.hearsay import Hearsay
from tests.authn.issuers import key_server
from tests.harness.proxy import FixedClock, Proxy, running_proxy
from tests.harness.upstream import Message, RecordingUpstream, Step, reply

DAY = 86400.0
NOW = 1_600_000_000.0


class Hands:
    """Two clocks that are set by hand."""

    def __init__(self, wall: float = NOW) -> None:
        self.wall = wall
        self.steady = 5000.0
        self.clock = Clock(lambda: self.wall, lambda: self.steady)

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    @property
    def doubts(self) -> tuple[float, ...]:
        return self.clock.doubts(self.clock())


def test_a_clock_that_goes_on_is_believed() -> None:
    hands = Hands()
    hands.passes(400 * DAY)

    assert hands.doubts == ()
    assert repr(hands.clock) == "<Clock believed>"


@pytest.mark.parametrize("step", [-2000 * DAY, -TOLERANCE - 1, TOLERANCE + 1, 2000 * DAY])
def test_after_a_step_the_instant_that_was_due_is_considered_too(step: float) -> None:
    hands = Hands()
    hands.wall += step

    assert hands.doubts == (NOW,)
    assert hands.clock.offsets()[STEADY] == -step
    assert repr(hands.clock) == "<Clock in doubt>"


def test_small_corrections_are_nobodys_concern() -> None:
    hands = Hands()
    hands.wall += TOLERANCE

    assert hands.doubts == ()


def test_somebody_who_agrees_after_a_step_confirms_it() -> None:
    hands = Hands()
    hands.wall += 30 * DAY
    hands.clock.hear("issuer", hands.wall + 1)

    assert hands.doubts == ()


def test_somebody_who_disagrees_is_considered_until_he_agrees() -> None:
    hands = Hands()
    hands.clock.hear("issuer", NOW - 30 * DAY)
    hands.clock.hear("upstream", NOW + 2)

    assert hands.doubts == (NOW - 30 * DAY,)

    hands.clock.hear("issuer", NOW)
    assert not hands.doubts


@pytest.mark.parametrize(
    "said", [b"", b"yesterday", b"Sun, 06 Nov 1994", b"\xff", b"Sun, 99 Nov 1994 08:49:37 GMT"]
)
def test_what_is_no_date_says_nothing(said: bytes) -> None:
    assert parse_date(said) is None


def test_an_http_date_is_read() -> None:
    assert parse_date(b"Sun, 06 Nov 1994 08:49:37 GMT") == 784111777.0


# ---------------------------------------------------------------- through the whole proxy


def doubting(proxy: Proxy) -> Hands:
    """The proxy's clock, with a steady one beside it."""
    hands = Hands(proxy.clock.now)
    hands.clock = Clock(proxy.clock, lambda: hands.steady)
    proxy.application._clock = proxy.application._hear._clock = hands.clock
    proxy.application.enforcer.doubts = hands.clock.doubts
    return hands


async def status(proxy: Proxy) -> int:
    return (await proxy.call("POST", "/v1/search", b"{}", caller="police")).status


@pytest.mark.parametrize("stepped_to", ["2019-01-01T00:00:00Z", "2035-01-01T00:00:00Z"])
async def test_no_step_of_the_clock_ends_a_moratorium(stepped_to: str) -> None:
    async with running_proxy() as proxy:
        doubting(proxy)
        assert await status(proxy) == 451

        proxy.clock.set(stepped_to)

        assert await status(proxy) == 451
        assert "moratorium_clock_doubted_decisions_total 1.0" in await proxy.metrics()


async def test_a_step_that_is_confirmed_counts() -> None:
    async with running_proxy() as proxy:
        hands = doubting(proxy)
        proxy.clock.set("2035-01-01T00:00:00Z")
        hands.clock.hear("issuer", proxy.clock.now)

        assert await status(proxy) == 200


def dated(_message: Message) -> Sequence[Step]:
    return reply(headers=[b"Date: Wed, 01 Jul 2020 12:00:00 GMT"])


async def test_the_face_apis_date_speaks_against_a_clock_that_was_wrong_from_the_start() -> None:
    """Started with a clock in 2035, when the moratorium would be over; the first answer tells."""
    async with running_proxy(upstream=RecordingUpstream(dated), at="2035-01-01T00:00:00Z") as proxy:
        doubting(proxy)
        assert (await proxy.call("POST", "/v1/detect", b"{}")).status == 200

        assert await status(proxy) == 451
        offset = FixedClock.at("2020-07-01T12:00:00Z").now - proxy.clock.now
        assert proxy.application._clock.offsets()["upstream"] == offset  # type: ignore[attr-defined]


async def test_an_issuers_date_is_heard_when_its_keys_come() -> None:
    """The key server says that it is 2020; the proxy's clock says 2035."""
    hands = Hands(FixedClock.at("2035-01-01T00:00:00Z").now)
    async with key_server() as server:
        server.headers["Date"] = "Wed, 01 Jul 2020 12:00:00 GMT"
        keys = RemoteKeys("https://issuer", server.url, hands.clock, hear=Hearsay(hands.clock).issuer)
        await keys.refresh()

    then = FixedClock.at("2020-07-01T12:00:00Z").now
    assert hands.doubts == (then,)
    assert hands.clock.offsets()["https://issuer"] == then - hands.wall
