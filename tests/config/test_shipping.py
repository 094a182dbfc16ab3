"""config/shipping: YAML that names the files which the proxy makes, and takes its largest record whole."""

import asyncio
import fnmatch
import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.audit.journal import MAX_ENDED
from proxy.audit.segments import closed, pack
from tests.audit.logs import lines
from tests.shipping.collectors import AUDIT, CONFIGS, KINDS, Kind
from tests.shipping.origin import Origin

NAMES = sorted(path.name for path in CONFIGS.iterdir())
UNITS = {"k": 10**3, "M": 10**6, "KiB": 1 << 10, "MiB": 1 << 20, "": 1}

EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def document(kind: Kind) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CONFIGS / kind.config).read_text("utf-8"))
    return loaded


def source(kind: Kind) -> dict[str, Any]:
    """The part that reads files."""
    loaded = document(kind)
    match kind.program:
        case "fluent-bit":
            (tail,) = loaded["pipeline"]["inputs"]
        case "vector":
            (tail,) = loaded["sources"].values()
        case _:
            tail = loaded["receivers"]["filelog"]
    assert isinstance(tail, dict)
    return tail


def patterns(kind: Kind) -> tuple[list[str], list[str]]:
    """What it reads, and what it leaves out."""
    tail = source(kind)
    if kind.program == "fluent-bit":
        return tail["path"].split(","), tail["exclude_path"].split(",")
    return tail["include"], tail["exclude"]


def in_bytes(size: Any) -> int:
    number = str(size).rstrip("KkMiB")
    return int(number) * UNITS[str(size).removeprefix(number)]


def read(kind: Kind, folder: Path) -> Iterator[str]:
    """The names of the files in a folder that it reads."""
    included, excluded = patterns(kind)
    for pattern in included:
        for path in glob.glob(pattern.replace(AUDIT, str(folder))):
            if not any(fnmatch.fnmatch(path, one.replace(AUDIT, str(folder))) for one in excluded):
                yield Path(path).name


def test_each_file_is_that_of_a_collector() -> None:
    assert sorted(kind.config for kind in KINDS) == NAMES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a proxy makes it: one file written to, eleven closed in one second, one packed, one being packed."""
    folder = tmp_path_factory.mktemp("audit")
    origin = Origin(folder, compress=True)
    for _ in range(11):
        origin.decide()
        origin.now -= 2  # `cut` and `decide` move it on
        origin.cut()
    assert pack(closed(origin.path)[0])
    assert not pack(closed(origin.path)[1], lambda: True)  # stopped after its first piece
    origin.decide().close()
    assert sorted(path.suffix for path in folder.iterdir() if path.suffix in {".gz", ".part"}) == [
        ".gz",
        ".part",
    ]
    return folder


@EVERY_KIND
def test_every_file_is_read_that_is_not_packed(kind: Kind, folder: Path) -> None:
    plain = sorted(path.name for path in folder.iterdir() if path.suffix not in {".gz", ".part"})

    assert len(plain) == 11
    assert sorted(read(kind, folder)) == plain


@EVERY_KIND
def test_a_packed_file_is_left_out_even_by_a_wider_pattern(kind: Kind, folder: Path) -> None:
    _, excluded = patterns(kind)
    packed = [path for path in folder.iterdir() if path.suffix in {".gz", ".part"}]

    assert len(packed) == 2
    for path in packed:
        assert any(fnmatch.fnmatch(str(path), one.replace(AUDIT, str(folder))) for one in excluded)


@pytest.fixture(scope="module")
def largest(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Bytes of the largest record there is."""
    origin = Origin(tmp_path_factory.mktemp("largest"), compress=False)
    origin.ends_of_calls(MAX_ENDED)
    return max(map(len, lines(origin.path)))


@EVERY_KIND
def test_the_largest_record_is_taken_whole(kind: Kind, largest: int) -> None:
    tail = source(kind)
    limit = tail.get("buffer_max_size") or tail.get("max_line_bytes") or tail.get("max_log_size")

    assert 10_000 < largest < 100_000
    assert in_bytes(limit) > 10 * largest


@EVERY_KIND
def test_new_files_are_read_from_their_beginning(kind: Kind) -> None:
    tail = source(kind)

    assert tail.get("read_from_head") is True or "beginning" in {tail.get("read_from"), tail.get("start_at")}


@EVERY_KIND
def test_what_it_remembers_is_in_its_folder(kind: Kind) -> None:
    loaded, tail = document(kind), source(kind)
    match kind.program:
        case "fluent-bit":
            kept = [tail["db"], loaded["service"]["storage.path"]]
        case "vector":
            kept = [loaded["data_dir"]]
        case _:
            kept = [loaded["extensions"][tail["storage"]]["directory"]]

    assert all(path.startswith(kind.state) for path in kept)


@EVERY_KIND
def test_nothing_takes_a_line_apart(kind: Kind) -> None:
    tail = source(kind)

    assert not tail.keys() & {"parser", "multiline", "multiline.parser", "header", "docker_mode"}
    assert not tail.get("operators")


@EVERY_KIND
def test_nothing_is_given_up(kind: Kind) -> None:
    loaded = document(kind)
    match kind.program:
        case "fluent-bit":
            assert [out["retry_limit"] for out in loaded["pipeline"]["outputs"]] == ["no_limits"]
            assert source(kind)["skip_long_lines"] is False
        case "vector":
            assert all(sink["acknowledgements"]["enabled"] for sink in loaded["sinks"].values())
            assert all(sink["buffer"]["when_full"] == "block" for sink in loaded["sinks"].values())
        case _:
            tries = [part.get("retry_on_failure") for part in loaded["exporters"].values()]
            assert all(
                how["enabled"] and how["max_elapsed_time"] == "0s"
                for how in [source(kind)["retry_on_failure"], *filter(None, tries)]
            )
            assert not loaded["service"]["pipelines"]["logs"]["processors"]


def test_a_renamed_file_is_not_forgotten_by_fluent_bit() -> None:
    for kind in KINDS:
        if kind.program == "fluent-bit":
            assert source(kind)["rotate_wait"] >= 365 * 24 * 3600


def test_two_files_of_one_chain_differ_within_what_the_collector_knows_them_by(tmp_path: Path) -> None:
    origin = Origin(tmp_path, compress=False)
    origin.decide(2)
    origin.cut()
    origin.decide(2)
    origin.cut()
    asyncio.run(origin.archive.tidy())
    first, second = closed(origin.path)
    (size,) = {
        in_bytes(source(kind)["fingerprint_size"]) for kind in KINDS if kind.program == "otelcol-contrib"
    }

    assert first.read_bytes()[:size] != second.read_bytes()[:size]
    assert size >= 16 << 10
