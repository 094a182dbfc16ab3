"""Following an address: what is taken, what is refused and why, what is kept, and how it is told."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.distribution.address import Address, context_of
from proxy.distribution.bundle import MAX_BYTES, Bundle
from proxy.distribution.store import Store
from proxy.distribution.subscription import Subscription
from proxy.errors import PolicyError, SettingsError
from tests.distribution.publishing import SCHOOLS, Publisher, Site, site
from tests.harness.proxy import FixedClock
from tests.tls.parts import STRANGER, ca_file, issue, server

PUBLISHER = Publisher()


class Follower:
    """A subscription with whoever decides by it; `objects`: what he has against the next one."""

    def __init__(
        self, url: str, folder: Path | None = None, *, context: ssl.SSLContext | None = None
    ) -> None:
        self.clock = FixedClock(1000.0)
        self.taken: list[int] = []
        self.objects: list[str] = []
        self.file = folder / "bundle.json" if folder is not None else None
        self.subscription = Subscription(
            Address(url, context, timeout=0.3),
            PUBLISHER.keys(),
            Store(self.file) if self.file is not None else None,
            self.clock,
            max_age=300,
        )

    async def take(self, bundle: Bundle) -> None:
        if self.objects:
            raise PolicyError(self.objects)
        self.taken.append(bundle.serial)

    async def poll(self) -> str:
        """Ask once; the result in one word."""
        before = dict(self.subscription.counts())
        await self.subscription.poll(self.take)
        (result,) = [name for name, count in self.subscription.counts().items() if count != before[name]]
        return result

    @property
    def serial(self) -> int:
        return self.subscription.bundle.serial if self.subscription.bundle is not None else 0

    @property
    def why(self) -> str:
        return self.subscription._why


@asynccontextmanager
async def following(folder: Path | None = None) -> AsyncIterator[tuple[Site, Follower]]:
    """A site with serial 5, which has been taken."""
    async with site() as there:
        there.publish(PUBLISHER.bundle(5))
        follower = Follower(there.url, folder)
        assert await follower.poll() == "new"
        yield there, follower


# ------------------------------------------------------------ asking


async def test_what_has_not_changed_is_not_sent_again() -> None:
    async with following() as (there, follower):
        assert [await follower.poll(), await follower.poll()] == ["unchanged", "unchanged"]

        assert there.asked == [None, '"5"', '"5"']
        assert follower.taken == [5]


async def test_a_newer_bundle_is_taken_and_asked_for_by_its_own_tag() -> None:
    async with following() as (there, follower):
        there.publish(PUBLISHER.bundle(6, SCHOOLS))
        assert [await follower.poll(), await follower.poll()] == ["new", "unchanged"]

        assert there.asked == [None, '"5"', '"6"']
        assert follower.taken == [5, 6]


async def test_a_server_without_tags_is_asked_plainly_and_the_same_bundle_is_taken_once() -> None:
    async with site() as there:
        there.publish(PUBLISHER.bundle(5))
        there.tag = None
        follower = Follower(there.url)

        assert [await follower.poll(), await follower.poll()] == ["new", "unchanged"]
        assert (there.asked, follower.taken) == ([None, None], [5])


async def test_the_same_content_signed_anew_is_the_same_bundle() -> None:
    signer = Publisher("ES256")
    async with site() as there:
        follower = Follower(there.url)
        follower.subscription.renew(Address(there.url), signer.keys())
        there.publish(signer.bundle(5))
        assert await follower.poll() == "new"
        there.publish(signer.bundle(5))
        there.tag = '"other"'

        assert await follower.poll() == "unchanged"
        assert follower.taken == [5]


async def test_a_304_that_nobody_asked_for_is_no_answer() -> None:
    async with site() as there:
        there.status = 304
        follower = Follower(there.url)

        assert await follower.poll() == "unavailable"
        assert "status 304" in follower.why


# ------------------------------------------------------------ refusing


def wrong_key(there: Site) -> None:
    there.publish(Publisher().bundle(6, SCHOOLS))


def altered(there: Site) -> None:
    there.publish(PUBLISHER.bundle(6, SCHOOLS))
    there.content = there.content.replace(b'"payload": "ey', b'"payload": "ez')


def rolled_back(there: Site) -> None:
    there.publish(PUBLISHER.bundle(4, SCHOOLS))


def same_serial(there: Site) -> None:
    there.publish(PUBLISHER.bundle(5, SCHOOLS))
    there.tag = '"new"'


def failing(there: Site) -> None:
    there.publish(PUBLISHER.bundle(6, SCHOOLS))
    there.status = 500


def redirecting(there: Site) -> None:
    there.publish(PUBLISHER.bundle(6, SCHOOLS))
    there.status, there.headers = 302, {"Location": "/elsewhere"}


def slow(there: Site) -> None:
    there.publish(PUBLISHER.bundle(6, SCHOOLS))
    there.pause = 0.6


def huge(there: Site) -> None:
    there.publish(PUBLISHER.bundle(6, SCHOOLS))
    there.content += b" " * MAX_BYTES


def page(there: Site) -> None:
    there.content, there.tag = b"<html>please log in</html>", '"page"'


def packed(there: Site) -> None:
    there.publish(PUBLISHER.bundle(6, SCHOOLS))
    there.headers = {"Content-Encoding": "gzip"}
    there.content = b"\x1f\x8b" + b"\x00" * 64


@pytest.mark.parametrize(
    ("badly", "result", "says", "refused"),
    [
        (wrong_key, "unverified", "of none of the keys", True),
        (altered, "unverified", "", True),
        (rolled_back, "rolled-back", "serial 4 after 5", True),
        (same_serial, "rolled-back", "serial 5 was known with other content", True),
        (page, "unverified", "not a JSON object", True),
        (packed, "unverified", "not a JSON object", True),
        (failing, "unavailable", "status 500 instead of 200", False),
        (redirecting, "unavailable", "status 302 instead of 200", False),
        (slow, "unavailable", "Timeout", False),
        (huge, "unavailable", f"larger than {MAX_BYTES} bytes", False),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
async def test_what_is_not_right_leaves_what_is_in_force_and_is_told(
    badly: Callable[[Site], None], result: str, says: str, refused: bool, tmp_path: Path
) -> None:
    async with following(tmp_path) as (there, follower):
        badly(there)
        follower.clock.now += 100
        asked = len(there.asked)

        assert await follower.poll() == result
        assert says in follower.why
        assert len(there.asked) == asked + 1, "a redirect is not followed"
        assert (follower.serial, follower.taken) == (5, [5])
        assert follower.subscription.refused is refused
        assert follower.subscription.last_success == 1000.0
        assert follower.file is not None
        assert follower.file.read_bytes() == PUBLISHER.bundle(5).content, "what is kept is still the good one"

        there.publish(PUBLISHER.bundle(7))
        there.pause, there.headers = 0.0, {}
        assert await follower.poll() == "new"
        assert (follower.serial, follower.subscription.refused) == (7, False)


async def test_a_policy_that_does_not_hold_here_is_refused_and_may_be_mended_under_its_serial() -> None:
    async with following() as (there, follower):
        there.publish(PUBLISHER.bundle(6, "schema = 2\n"))
        follower.objects = ["policy.toml:1: schema: wrong"]
        assert await follower.poll() == "invalid"
        assert "serial 6: policy.toml:1" in follower.why
        assert (follower.serial, follower.subscription.refused) == (5, True)

        follower.objects = []
        there.publish(PUBLISHER.bundle(6, SCHOOLS))
        assert await follower.poll() == "new"


async def test_nobody_there_is_unavailable_and_the_query_is_told_nobody() -> None:
    follower = Follower("http://127.0.0.1:9/policy.json?key=secret")

    assert await follower.poll() == "unavailable"
    assert "http://127.0.0.1:9/policy.json: " in follower.why
    assert "secret" not in follower.why + repr(follower.subscription)


async def test_a_withdrawn_key_does_not_count_from_the_next_asking_on() -> None:
    successor = Publisher()
    async with following() as (there, follower):
        follower.subscription.renew(Address(there.url), successor.keys())

        assert await follower.poll() == "unverified"
        assert (there.asked[-1], follower.serial) == (None, 5)


# ------------------------------------------------------------ TLS


async def test_the_address_is_known_by_its_certificate(tmp_path: Path) -> None:
    ca, strange = tmp_path / "ca", tmp_path / "strange"
    for folder in (ca, strange):
        folder.mkdir()
    trusted, strangers = context_of(Path(ca_file(ca))), context_of(Path(ca_file(strange, STRANGER)))
    async with site(server(issue("127.0.0.1"))) as there, site(server(issue("other.test"))) as misnamed:
        for place in (there, misnamed):
            place.publish(PUBLISHER.bundle(5))

        assert there.url.startswith("https:")
        ours = Follower(there.url, context=trusted)
        assert await ours.poll() == "new", ours.why
        assert await Follower(there.url, context=strangers).poll() == "unavailable"
        assert await Follower(there.url, context=context_of(None)).poll() == "unavailable"
        assert await Follower(misnamed.url, context=trusted).poll() == "unavailable"


def test_authorities_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")

    for name in ("ca.pem", "none.pem"):
        with pytest.raises(SettingsError, match=f"MORATORIUM_POLICY_CA_FILE: .*{name}"):
            context_of(tmp_path / name)


# ------------------------------------------------------------ keeping


async def test_a_cold_start_goes_on_with_what_was_kept(tmp_path: Path) -> None:
    async with following(tmp_path) as (there, first):
        first.clock.now += 50
        await first.poll()
    second = Follower("http://127.0.0.1:9/", tmp_path)
    second.clock.now = 1200.0

    await second.subscription.begin(second.take)

    assert (second.serial, second.taken) == (5, [5])
    assert second.subscription.last_success == 1050.0, "confirmed by the first one"
    assert second.subscription.fault() is None
    assert there.url


async def test_the_serial_that_was_kept_is_not_gone_back_behind(tmp_path: Path) -> None:
    async with following(tmp_path) as (there, _):
        there.publish(PUBLISHER.bundle(4))
        second = Follower(there.url, tmp_path)
        await second.subscription.restore(second.take)
        assert await second.poll() == "rolled-back"

        third = Follower(there.url, tmp_path)
        third.objects = ["no policy under these settings"]
        await third.subscription.restore(third.take)
        third.objects = []

        assert await third.poll() == "rolled-back"
        assert third.serial == 0


@pytest.mark.parametrize("how", ["altered", "wrong key", "cut", "unreadable"])
async def test_a_tampered_store_is_refused_and_replaced_by_the_next_good_one(
    how: str, tmp_path: Path
) -> None:
    file = tmp_path / "bundle.json"
    content = PUBLISHER.bundle(5).content
    match how:
        case "altered":
            file.write_bytes(content.replace(b'"payload": "ey', b'"payload": "ez'))
        case "wrong key":
            file.write_bytes(Publisher().bundle(99).content)
        case "cut":
            file.write_bytes(content[:100])
        case "unreadable":
            file.mkdir()
    async with site() as there:
        there.status = 500
        follower = Follower(there.url, tmp_path)
        await follower.subscription.begin(follower.take)
        assert (follower.serial, follower.taken, follower.subscription.refused) == (0, [], True)
        assert "no policy yet" in (follower.subscription.fault() or "")

        there.publish(PUBLISHER.bundle(5))
        assert await follower.poll() == "new"
        assert not follower.subscription.refused
        assert how == "unreadable" or file.read_bytes() == there.content


async def test_a_disk_that_is_full_keeps_no_policy_from_being_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "later"
    async with site() as there:
        there.publish(PUBLISHER.bundle(5))
        follower = Follower(there.url, folder)
        assert await follower.poll() == "new"
        assert "policy not stored" in caplog.messages

        folder.mkdir()
        assert await follower.poll() == "unchanged"
        assert (folder / "bundle.json").read_bytes() == there.content


async def test_what_is_kept_is_kept_again_when_somebody_has_taken_it_away(tmp_path: Path) -> None:
    async with following(tmp_path) as (there, follower):
        assert follower.file is not None
        follower.file.unlink()
        await follower.poll()
        await follower.poll()

        assert follower.file.read_bytes() == there.content


# ------------------------------------------------------------ age and pauses


async def test_a_policy_that_nobody_confirms_gets_too_old_and_young_again() -> None:
    async with following() as (there, follower):
        subscription = follower.subscription
        there.status, there.tag = 503, '"5"'
        follower.clock.now += 299.9
        assert subscription.fault() is None
        await follower.poll()
        follower.clock.now += 0.1
        assert "serial 5 was last confirmed 300 s ago" in (subscription.fault() or "")
        assert "status 503" in (subscription.fault() or "")

        there.status = 200
        await follower.poll()
        assert subscription.fault() is None
        follower.clock.now -= 1
        assert subscription.fault() is not None, "a clock that steps back proves nothing"


async def test_without_a_highest_age_a_policy_never_gets_too_old() -> None:
    async with following() as (_, follower):
        follower.subscription._max_age = 0
        follower.clock.now += 1e9

        assert follower.subscription.fault() is None


async def test_pauses_differ_and_grow_after_failures_up_to_the_usual_one() -> None:
    async with following() as (there, follower):
        subscription = follower.subscription
        usual = {subscription.pause() for _ in range(50)}
        assert len(usual) > 40
        assert all(48 <= pause <= 60 for pause in usual)

        there.status = 500
        for longest in (2, 4, 8, 16, 32, 60, 60):
            await follower.poll()
            assert all(longest / 2 <= subscription.pause() <= longest for _ in range(20))
        there.status = 200
        await follower.poll()
        assert subscription.pause() >= 48
