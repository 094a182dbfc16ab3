"""`moratorium audit`: what it says and how it ends."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.audit.checkpoint import Signer
from proxy.audit.witness import Witness
from proxy.cli import main
from tests.audit.logs import OTHER_PEM, PEM, Writer, lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log in two files, one of them packed, beside the keys and the witness."""
    logs = tmp_path / "logs"
    logs.mkdir()
    Writer(logs / "audit.jsonl", witness=Witness(str(tmp_path / "heads"))).begin().decide(9).close()
    log = lines(logs / "audit.jsonl")
    (logs / "audit.jsonl.1.gz").write_bytes(gzip.compress(b"".join(log[:6])))
    (logs / "audit.jsonl").write_bytes(b"".join(log[6:]))
    (tmp_path / "private.pem").write_bytes(PEM)
    (tmp_path / "public.pem").write_bytes(Signer(PEM).public_pem)
    (tmp_path / "other.pem").write_bytes(Signer(OTHER_PEM).public_pem)
    return tmp_path


def verify(capsys: pytest.CaptureFixture[str], folder: Path, *words: object) -> tuple[int, dict[str, Any]]:
    code = main(["audit", "verify", str(folder / "logs"), *map(str, words), "-o", "json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_log_that_is_whole_ends_with_zero(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = verify(capsys, folder, "--key", folder / "public.pem", "--witness", folder / "heads")

    assert (code, report["findings"]) == (0, [])
    assert (report["files"], report["decisions"], report["chains"], report["closed"]) == (2, 9, 1, 1)
    assert report["signed_by"] == [Signer(PEM).name]
    assert report["after_the_last_signature"] == 0


def test_a_file_that_is_missing_ends_with_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "logs" / "audit.jsonl.1.gz").unlink()

    code, report = verify(capsys, folder, "--key", folder / "public.pem")

    assert code == 1
    (first, *_) = report["findings"]
    assert (first["flaw"], first["seq"]) == ("missing", 6)
    assert first["place"].endswith("logs/audit.jsonl:1")


def test_the_table_names_the_first_record_that_does_not_fit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "logs" / "audit.jsonl.1.gz").unlink()

    assert main(["audit", "verify", str(folder / "logs")]) == 1

    out = capsys.readouterr().out
    assert "vouched for by nobody" in out
    assert "audit.jsonl:1" in out


def test_another_key_ends_with_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = verify(capsys, folder, "--key", folder / "other.pem")

    assert code == 1
    assert {finding["flaw"] for finding in report["findings"]} == {"other-key", "unsigned"}


@pytest.mark.parametrize("left", [-20, 0])
def test_a_packed_file_that_is_cut_short_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], left: int
) -> None:
    packed = folder / "logs" / "audit.jsonl.1.gz"
    packed.write_bytes(packed.read_bytes()[:left])

    code, report = verify(capsys, folder)

    assert code == 1
    assert {finding["flaw"] for finding in report["findings"]} >= {"damaged"}


def test_a_last_line_that_is_cut_short_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "logs" / "audit.jsonl"
    file.write_bytes(file.read_bytes()[:-30])

    code, report = verify(capsys, folder)

    assert (code, len(report["torn_at_the_end"])) == (0, 1)


def test_the_public_key_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "key", "--key", str(folder / "private.pem")]) == 0

    assert capsys.readouterr().out.encode() == (folder / "public.pem").read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        ["verify", "no-such-file"],
        ["verify", "{}/logs", "--key", "{}/private.pem"],
        ["verify", "{}/logs", "--witness", "{}/public.pem"],
        ["key", "--key", "{}/public.pem"],
    ],
)
def test_what_cannot_be_read_is_named(
    folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", *(word.format(folder) for word in words)]) == 2

    assert "problem" in capsys.readouterr().err
