"""Keys in a file: read at start, and again when it has changed."""

import os
from pathlib import Path, PosixPath

import pytest

from proxy.authn.keyset import EMPTY, parse_keys
from proxy.authn.sources import FileKeys
from proxy.errors import KeysUnavailable
from tests.authn.issuers import at_hand
from tests.authn.tokens import ISSUER, KEYS, FixedClock, jwk, jwks, mint, pem

FIRST, SECOND = jwks(jwk()), jwks(jwk(kid="dev-2"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_bytes(FIRST)
    return path


@pytest.fixture
def source(file: Path, clock: FixedClock) -> FileKeys:
    return FileKeys(ISSUER, file, clock)


def write_over(file: Path, content: bytes, changed_at: int | None = None) -> None:
    """The same file with other content; its time of change is given, or stays."""
    moment = file.stat().st_mtime_ns if changed_at is None else changed_at
    file.write_bytes(content)
    os.utime(file, ns=(moment, moment))


def remove(file: Path) -> None:
    file.unlink()


def replace(file: Path, content: bytes) -> None:
    """As editors and Kubernetes do it: another file under the same name."""
    fresh = file.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(file)


async def test_a_file_is_read_when_it_is_asked_to_be(source: FileKeys, clock: FixedClock) -> None:
    assert (source.held.keys, source.last_success) == (EMPTY, 0)
    await source.refresh()

    assert (KEYS, clock.now) == (at_hand(source), source.last_success)


async def test_a_pem_file_will_do(source: FileKeys, file: Path) -> None:
    replace(file, pem(mint().key.public_key()))
    await source.refresh()

    assert [KEYS.keys[0].public] == [key.public for key in at_hand(source).keys]


async def test_seeking_reads_a_file_that_was_never_read(source: FileKeys) -> None:
    await source.seek()

    assert at_hand(source) == KEYS


async def test_seeking_notices_another_file_under_the_name(source: FileKeys, file: Path) -> None:
    await source.refresh()
    replace(file, SECOND)
    await source.seek()

    assert parse_keys(SECOND) == at_hand(source)


async def test_seeking_notices_a_file_that_was_written_over(source: FileKeys, file: Path) -> None:
    await source.refresh()
    write_over(file, SECOND, changed_at=1)
    await source.seek()

    assert parse_keys(SECOND) == at_hand(source)


async def test_seeking_notices_a_link_that_leads_elsewhere(tmp_path: Path, clock: FixedClock) -> None:
    for name, content in (("one", FIRST), ("two", SECOND)):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "keys").symlink_to("one")
    source = FileKeys(ISSUER, tmp_path / "keys", clock)
    await source.refresh()
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").replace(tmp_path / "keys")
    await source.seek()

    assert parse_keys(SECOND) == at_hand(source)


async def test_seeking_leaves_an_unchanged_file_alone(source: FileKeys, file: Path) -> None:
    await source.refresh()
    write_over(file, SECOND)
    await source.seek()

    assert at_hand(source) == KEYS


class SwappedWhileRead(PosixPath):
    """A file that is replaced just after its content was read."""

    def read_bytes(self) -> bytes:
        content = super().read_bytes()
        if content == FIRST:
            replace(Path(self), SECOND)
        return content


async def test_a_file_that_changes_while_it_is_read_is_noticed_by_the_next_seek(
    file: Path, clock: FixedClock
) -> None:
    source = FileKeys(ISSUER, SwappedWhileRead(file), clock)
    await source.refresh()
    await source.seek()

    assert parse_keys(SECOND) == at_hand(source)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "neither PEM nor JSON", id="empty"),
        pytest.param(b"{}", "not a JWK set: an object with a list named keys is expected", id="no set"),
        pytest.param(
            mint().private_pem(), "a private key does not belong here: give the public key", id="private"
        ),
    ],
)
async def test_a_file_that_holds_no_keys_leaves_the_old_ones(
    source: FileKeys, file: Path, content: bytes, why: str
) -> None:
    await source.refresh()
    replace(file, content)
    for attempt in (source.refresh, source.seek):
        with pytest.raises(KeysUnavailable) as caught:
            await attempt()

        assert (ISSUER, f"{file}: {why}") == (caught.value.issuer, caught.value.why)
    assert at_hand(source) == KEYS


async def test_a_file_that_is_gone_leaves_the_old_keys(source: FileKeys, file: Path) -> None:
    await source.refresh()
    remove(file)
    for attempt in (source.refresh, source.seek):
        with pytest.raises(KeysUnavailable, match="No such file or directory"):
            await attempt()

    assert at_hand(source) == KEYS


async def test_a_folder_is_no_key_file(tmp_path: Path, clock: FixedClock) -> None:
    for attempt in (FileKeys(ISSUER, tmp_path, clock).refresh, FileKeys(ISSUER, tmp_path, clock).seek):
        with pytest.raises(KeysUnavailable, match="Is a directory"):
            await attempt()


async def test_what_was_read_along_with_the_configuration_counts_first(file: Path, clock: FixedClock) -> None:
    source = FileKeys(ISSUER, file, clock, SECOND)
    await source.refresh()
    assert parse_keys(SECOND) == at_hand(source)

    await source.refresh()
    assert at_hand(source) == KEYS


async def test_a_broken_file_is_not_read_again_for_every_unknown_key(source: FileKeys, file: Path) -> None:
    await source.refresh()
    replace(file, b"{}")
    for _ in range(5):
        with pytest.raises(KeysUnavailable, match="not a JWK set"):
            await source.seek("made-up")

    assert source.failed == 1
