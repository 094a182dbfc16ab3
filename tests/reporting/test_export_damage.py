"""Whatever a log has gone through, an export of it proves what can be proved and nothing else."""

import random
from pathlib import Path

import pytest

from proxy.audit.checkpoint import Verifier
from proxy.reporting.bundle import MAX_CHAINS, Collector, Part, Wanted
from proxy.reporting.offline.verify import Bundle, check, key_of
from tests.audit.logs import KEY, lines
from tests.reporting.bundles import Traffic, asked, caller, export, log_of

WANTED = Wanted("org-0")


def collected(log: list[bytes], key: Verifier = KEY) -> tuple[Collector, list[tuple[Part, bytes]]]:
    given: list[tuple[Part, bytes]] = []
    collector = Collector(WANTED, key, lambda name, line: given.append((name, line)))
    collector.feed(log)
    collector.finish()
    return collector, given


def test_spoilt_bytes_cost_proofs_and_never_the_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_of(tmp_path)
    file = tmp_path / "logs" / "audit.jsonl"
    whole, true = file.read_bytes(), set(lines(file))
    pinned = key_of((tmp_path / "public.pem").read_bytes())
    drawn = random.Random(11)  # noqa: S311
    lost = 0
    for number in range(25):
        spoilt = bytearray(whole)
        for _ in range(drawn.randrange(1, 4)):
            spoilt[drawn.randrange(len(spoilt))] ^= 1 << drawn.randrange(8)
        file.write_bytes(spoilt)

        code, bundle = export(tmp_path, "--org", "org-0", "--despite-findings", out=f"bundle-{number}")

        broken: list[str] = []
        check(Bundle(str(bundle)), pinned, broken)
        assert (code, broken) == (0, [])
        assert set(lines(bundle / "records.jsonl")) <= true
        lost += len((bundle / "unproved.jsonl").read_bytes().splitlines())
    capsys.readouterr()
    assert lost > 25


def test_a_log_that_is_given_twice_is_proved_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_of(tmp_path)
    file = tmp_path / "logs" / "audit.jsonl"
    (tmp_path / "logs" / "again.jsonl").write_bytes(file.read_bytes())

    assert export(tmp_path, "--org", "org-0")[0] == 1
    assert "duplicate" in capsys.readouterr().err
    code, bundle = export(tmp_path, "--org", "org-0", "--despite-findings")

    assert code == 0
    assert asked(bundle)[0] == 0
    proved = lines(bundle / "records.jsonl")
    assert len(proved) == len(set(proved)) > 10


def test_chains_that_end_without_saying_so_are_not_followed_for_ever(tmp_path: Path) -> None:
    log = []
    for _ in range(MAX_CHAINS + 40):
        path = tmp_path / "audit"
        Traffic(path).begin().call(caller("org-0"))
        log += lines(path)
        path.unlink()

    collector, given = collected(log)

    assert collector.counts[Part.UNPROVED] == MAX_CHAINS + 40
    assert {name for name, _ in given} == {Part.UNPROVED}
    collector.feed(log)
    assert len(collector._strands) == MAX_CHAINS


def test_a_chain_that_goes_on_is_followed_past_all_that_end(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    living = Traffic(path).begin()
    for _ in range(MAX_CHAINS + 40):
        living.call(caller("org-0"))
        Traffic(path).begin().call(caller("org-1"))
    living.close()

    collector, _ = collected(lines(path))

    decisions = collector.roles["caller"]
    assert (decisions, collector.counts[Part.UNPROVED]) == (MAX_CHAINS + 40, 0)


def test_a_piece_of_a_log_proves_what_stands_between_its_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    writer = Traffic(path).begin()
    for _ in range(12):
        writer.call(caller("org-0"))
    writer.close()
    log = lines(path)

    middle, given = collected(log[8:])

    names = [name for name, _ in given]
    assert names.count(Part.RECORDS) < 12 - 4
    assert middle.counts[Part.RECORDS] + middle.counts[Part.UNPROVED] == sum(
        b'"kind":"decision"' in line for line in log[8:]
    )
    assert middle.counts[Part.UNPROVED] > 0


def test_a_checkpoint_by_another_key_proves_nothing(tmp_path: Path) -> None:
    log_of(tmp_path)
    log = lines(tmp_path / "logs" / "audit.jsonl")
    other = Verifier.of_pem((tmp_path / "other.pem").read_bytes())

    collector, _ = collected(log, other)

    assert collector.counts[Part.RECORDS] == collector.counts[Part.CHECKPOINTS] == 0
    assert collector.counts[Part.UNPROVED] > 10
    assert collected(log)[0].counts[Part.RECORDS] > 10


def test_nothing_is_kept_of_a_chain_that_will_not_be_signed(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    writer = Traffic(path, pem=None).begin()
    for _ in range(50):
        writer.call(caller("org-0"))
    given: list[tuple[Part, bytes]] = []
    collector = Collector(WANTED, KEY, lambda name, line: given.append((name, line)))
    collector.feed(lines(path))

    (strand,) = collector._strands.values()
    assert len(given) == 50
    assert not strand.leaves
    assert not strand.waiting
