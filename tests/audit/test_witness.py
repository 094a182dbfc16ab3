"""A witness hears of each checkpoint, and costs nobody a call when it cannot."""

import logging
from pathlib import Path

import pytest

from proxy.audit.findings import Flaw
from proxy.audit.witness import LOG, Witness
from proxy.logs import JsonFormatter
from tests.audit.logs import Writer, found, lines


def test_a_file_gets_the_checkpoints_themselves(tmp_path: Path) -> None:
    Writer(tmp_path / "audit", witness=Witness(str(tmp_path / "heads"))).begin().decide(12).close()

    heads = lines(tmp_path / "heads")
    assert len(heads) == 3
    assert [line for line in lines(tmp_path / "audit") if line in heads] == heads


def test_lines_of_the_log_are_a_witness_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "moratorium.audit"):
        Writer(tmp_path / "audit", witness=Witness(LOG)).begin().decide(12).close()
    heard = [JsonFormatter().format(record).encode() + b"\n" for record in caplog.records]
    log = lines(tmp_path / "audit")

    assert len(heard) == 3
    assert found(log, witness=heard) == []
    assert [flaw for flaw, *_ in found(log[:-1], witness=heard)] == [Flaw.CUT_OFF]


def test_checkpoints_without_a_key_are_for_the_witness(tmp_path: Path) -> None:
    heads = tmp_path / "heads"
    writer = Writer(tmp_path / "audit", pem=None, witness=Witness(str(heads)), checkpoint_records=5)
    writer.begin().decide(12).close()

    log = lines(tmp_path / "audit")
    assert found(log, key=None, witness=lines(heads)) == []
    assert len(found(log[:6], key=None, witness=lines(heads))) == 2


def test_a_witness_that_cannot_be_reached_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    witness = Witness(str(tmp_path / "no" / "heads"))

    writer = Writer(tmp_path / "audit", witness=witness).begin().decide(12).close()

    assert (witness.failures, writer.journal.failures) == (3, 0)
    assert [record.message for record in caplog.records] == ["audit witness not told"]
    assert found(tmp_path / "audit") == []
