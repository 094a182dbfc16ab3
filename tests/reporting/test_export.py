"""An evidence bundle holds one organisation's records and nobody else's, and says what it cannot prove."""

import gzip
import json
import re
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from proxy.audit.checkpoint import Signer
from proxy.cli import main
from proxy.policy.document import build, parse
from tests.audit.logs import PEM, lines, records
from tests.reporting.bundles import VERIFY, Traffic, asked, caller, export, log_of, part, party

FILES = {
    "README.txt", "audit-public.pem", "checkpoints.jsonl", "outcomes.jsonl", "policies", "proofs.jsonl",
    "records.jsonl", "unproved.jsonl", "verification.json", "verify.py",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    log_of(tmp_path)
    return tmp_path


def test_a_bundle_is_checked_by_what_is_in_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, bundle = export(folder, "--org", "org-0")

    assert code == 0
    assert {path.name for path in bundle.iterdir()} == FILES
    assert "to check it" in capsys.readouterr().out
    code, said = asked(bundle)
    assert (code, said.splitlines()[-1]) == (0, "PASS")
    assert "org-0" in said
    assert f"{Signer(PEM).name} (the bundle's own" in said
    code, said = asked(bundle, "--key", folder / "public.pem")
    assert (code, said.splitlines()[-1]) == (0, "PASS")
    assert f"{Signer(PEM).name} (the one given)" in said


def test_every_record_of_the_organisation_is_there_as_it_was_written(folder: Path) -> None:
    _, bundle = export(folder, "--org", "org-0")

    log = [line for line in lines(folder / "logs" / "audit.jsonl") if b'"org_id":"org-0"' in line]
    given = lines(bundle / "records.jsonl") + lines(bundle / "unproved.jsonl")
    assert sorted(line for line in given if b'"kind":"decision"' in line) == sorted(log)
    signed = {r["chain"]: r["seq"] for r in records(folder / "logs" / "audit.jsonl") if "tree" in r}
    late = [r for r in map(json.loads, log) if r["seq"] > signed[r["chain"]]]
    assert part(bundle, "unproved.jsonl") == late != []
    assert len(part(bundle, "proofs.jsonl")) == len(part(bundle, "records.jsonl")) > 10


def test_nothing_of_others_is_in_it(folder: Path) -> None:
    _, bundle = export(folder, "--org", "org-0")

    ids = {r["id"] for r in records(folder / "logs" / "audit.jsonl") if r.get("org_id") in ("org-1", "org-2")}
    for path in bundle.iterdir():
        if path.is_file():
            text = path.read_text("utf-8")
            assert "org-1" not in text
            assert not any(name in text for name in ids)


def test_how_calls_ended_is_copied_and_the_line_is_shown_where_it_is_theirs_alone(folder: Path) -> None:
    _, bundle = export(folder, "--org", "org-0")

    log = records(folder / "logs" / "audit.jsonl")
    mine = {r["id"] for r in log if r.get("org_id") == "org-0"}
    ended = {call["id"]: call for r in log for call in r.get("calls", []) if call["id"] in mine}
    copies = part(bundle, "outcomes.jsonl")
    whole = [r for r in part(bundle, "records.jsonl") if r["kind"] == "outcomes"]
    given = [copy["call"] for copy in copies] + [call for record in whole for call in record["calls"]]
    alone = [r for r in log if r["kind"] == "outcomes" and {call["id"] for call in r["calls"]} <= mine]
    assert sorted(whole, key=str) == sorted(alone, key=str) != []
    assert len(copies) > 2
    assert sorted(call["id"] for call in given) == sorted(ended)
    assert all(ended[call["id"]] == call for call in given)
    places = {(r["chain"], r["seq"]) for r in log if r["kind"] == "outcomes"}
    assert {(copy["chain"], copy["seq"]) for copy in copies} < places


def test_programs_are_told_what_is_in_the_bundle(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, bundle = export(folder, "--org", "org-0", "-o", "json")

    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((bundle / "verification.json").read_bytes())
    assert (said["organisation"], said["findings"], said["log"]["chains"]) == ("org-0", {}, 2)
    assert said["records"] == len(lines(bundle / "records.jsonl"))


def test_a_zip_can_be_checked_as_it_is_and_unpacked(folder: Path) -> None:
    code, bundle = export(folder, "--org", "org-0", out="bundle.zip")

    assert code == 0
    assert asked(bundle, bundle, script=VERIFY)[0] == 0
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder / "unpacked")
    assert asked(folder / "unpacked")[0] == 0
    assert [path.name for path in folder.glob(".export-*")] == []


def test_files_are_read_from_the_oldest_on(folder: Path) -> None:
    """However they are called: the ends of calls are told after their decisions."""
    current = folder / "logs" / "audit.jsonl"
    log = lines(current)
    _, whole = export(folder, "--org", "org-0", out="whole")
    for cut in (7, 20, 33):
        (folder / "logs" / "audit.jsonl.9.gz").write_bytes(gzip.compress(b"".join(log[:cut])))
        current.write_bytes(b"".join(log[cut:]))
        _, bundle = export(folder, "--org", "org-0", out=f"cut-{cut}")
        for name in ("records.jsonl", "proofs.jsonl", "outcomes.jsonl", "unproved.jsonl"):
            assert (bundle / name).read_bytes() == (whole / name).read_bytes()
        assert asked(bundle)[0] == 0


def test_files_in_the_wrong_order_cost_proofs_and_prove_nothing_false(folder: Path) -> None:
    current = folder / "logs" / "audit.jsonl"
    log = lines(current)
    late = log[20].replace(b"2023-", b"1999-")
    (folder / "logs" / "audit.jsonl.9").write_bytes(b"".join(log[:20]))
    current.write_bytes(b"".join([late, *log[21:]]))

    code, bundle = export(folder, "--org", "org-0", "--despite-findings")

    assert code == 0
    assert asked(bundle)[0] == 0
    assert part(bundle, "unproved.jsonl") != []


# ------------------------------------------------------------------ whose, and of when


def test_an_organisation_has_other_parts_in_a_call_than_the_caller(tmp_path: Path) -> None:
    log_of(tmp_path)
    writer = Traffic(tmp_path / "logs" / "later.jsonl").begin()
    writer.call(caller("vendor", on_behalf_of=party("city")))
    writer.call(caller("desk", path=(party("city"), party("state"))))
    writer.call(caller("robot", actors=(party("city"),)))
    writer.call(caller("city"))
    writer.call(caller("other"))
    writer.close()

    _, every = export(tmp_path, "--org", "city", out="every")
    _, alone = export(tmp_path, "--org", "city", "--only-caller", out="alone")

    assert [r["org_id"] for r in part(every, "records.jsonl")] == ["vendor", "desk", "robot", "city"]
    assert json.loads((every / "verification.json").read_bytes())["parts"] == {
        "above": 1, "actor": 1, "caller": 1, "on-behalf-of": 1,
    }  # fmt: skip
    assert [r["org_id"] for r in part(alone, "records.jsonl")] == ["city"]
    assert asked(every)[0] == asked(alone)[0] == 0


def test_a_span_of_time_may_be_asked_for(folder: Path) -> None:
    times = sorted(r["time"] for r in records(folder / "logs" / "audit.jsonl") if r.get("org_id") == "org-0")
    since, until = times[3], times[9]

    _, bundle = export(folder, "--org", "org-0", "--from", since, "--to", until)

    given = {r["time"] for r in part(bundle, "records.jsonl") if r["kind"] == "decision"}
    assert given == {moment for moment in times if since <= moment < until}
    assert asked(bundle)[0] == 0


# ------------------------------------------------------------------ policies


def test_a_policy_goes_along_under_its_revision(folder: Path) -> None:
    file = folder / "policy.toml"
    text = (Path(__file__).parents[2] / "config" / "policies" / "us-boston.toml").read_text("utf-8")
    file.write_text(text, "utf-8")
    revision = build(parse(text, "policy.toml")).revision
    writer = Traffic(folder / "logs" / "later.jsonl").begin()
    writer.call(caller("org-0"), revision=revision)
    writer.close()

    code, bundle = export(folder, "--org", "org-0", "--policy", file)

    assert code == 0
    (kept,) = (bundle / "policies").iterdir()
    assert kept.name == f"{revision}.json"
    assert asked(bundle)[0] == 0
    kept.write_bytes(kept.read_bytes() + b" ")
    code, said = asked(bundle)
    assert code == 1
    assert "is not the policy of this revision" in said
    kept.rename(kept.with_name(f"{sha256(kept.read_bytes()).hexdigest()}.json"))
    code, said = asked(bundle)
    assert code == 1
    assert "no record was decided by it" in said


def test_a_policy_that_decided_nothing_is_not_packed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Path(__file__).parents[2] / "config" / "policies" / "us-boston.toml"

    code, bundle = export(folder, "--org", "org-0", "--policy", config)

    assert code == 2
    assert "no record was decided by revision" in capsys.readouterr().err
    assert not bundle.exists()


def test_a_policy_may_be_that_of_records_without_a_signature(folder: Path) -> None:
    file = Path(__file__).parents[2] / "config" / "policies" / "us-boston.toml"
    revision = build(parse(file.read_text("utf-8"), "policy.toml")).revision
    Traffic(folder / "logs" / "later.jsonl").begin().call(caller("org-0"), revision=revision)

    assert export(folder, "--org", "org-0", "--policy", file)[0] == 0
    assert asked(folder / "bundle")[0] == 0


# ------------------------------------------------------------------ what is refused


def test_records_that_nobody_has_signed_yet_can_wait(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Traffic(folder / "logs" / "late.jsonl").begin().call(caller("org-8"))

    assert export(folder, "--org", "org-8")[0] == 1
    assert "no signature by this key" in capsys.readouterr().err
    assert not (folder / "bundle").exists()


def test_a_log_that_is_not_whole_is_not_exported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    current = folder / "logs" / "audit.jsonl"
    log = lines(current)
    at = next(n for n, line in enumerate(log) if b'"org_id":"org-1"' in line)
    log[at] = log[at].replace(b"org-1", b"org-9")
    current.write_bytes(b"".join(log))

    code, bundle = export(folder, "--org", "org-0")

    assert code == 1
    assert "edited" in capsys.readouterr().err
    assert not bundle.exists()
    assert [path.name for path in folder.glob(".export-*")] == []
    code, bundle = export(folder, "--org", "org-0", "--despite-findings")
    assert code == 0
    code, said = asked(bundle)
    assert code == 0
    assert "{'edited': 1}" in said
    assert "found 1 times `edited`." in (bundle / "README.txt").read_text("utf-8")
    spoilt = [r["seq"] for r in part(bundle, "unproved.jsonl")]
    assert json.loads(log[at])["seq"] in range(min(spoilt) - 5, min(spoilt) + 5)


def test_an_edited_record_is_not_proved(folder: Path) -> None:
    current = folder / "logs" / "audit.jsonl"
    log = lines(current)
    at = next(n for n, line in enumerate(log) if b'"org_id":"org-1"' in line)
    log[at] = log[at].replace(b"org-1", b"org-0")
    current.write_bytes(b"".join(log))

    _, bundle = export(folder, "--org", "org-0", "--despite-findings")

    assert log[at] in lines(bundle / "unproved.jsonl")
    assert log[at] not in lines(bundle / "records.jsonl")
    assert asked(bundle)[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--org", "nobody"], "no record of nobody"),
        (["--org", "org-0", "--from", "yesterday"], "--from: 'yesterday' is not a date"),
        (["--org", "org-0", "--policy", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_what_cannot_be_given_is_said(
    folder: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, bundle = export(folder, *words)

    assert code > 0
    assert says in capsys.readouterr().err
    assert not bundle.exists()


def test_what_is_there_is_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bundle").mkdir()

    assert export(folder, "--org", "org-0")[0] == 2
    assert "is there already" in capsys.readouterr().err


def test_a_place_that_is_not_there_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(folder, "--org", "org-0", out="nowhere/bundle")[0] == 2
    assert "nowhere/bundle: No such file or directory" in capsys.readouterr().err


def test_nothing_is_proved_without_a_key(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["audit", "export", str(folder / "logs"), "--org", "org-0", "--out", str(folder / "out")]

    assert main(words) == 2
    assert "--key" in capsys.readouterr().err


def test_records_of_a_chain_without_a_key_are_shown_and_not_proved(folder: Path) -> None:
    unsigned = Traffic(folder / "logs" / "unsigned.jsonl", pem=None).begin()
    unsigned.call(caller("org-8"))
    unsigned.close()

    code, bundle = export(folder, "--org", "org-8", "--despite-findings")

    assert code == 0
    assert len(part(bundle, "unproved.jsonl")) == 1
    assert part(bundle, "records.jsonl") == part(bundle, "checkpoints.jsonl") == []
    code, said = asked(bundle)
    assert code == 1
    assert "no record in it is proved" in said


def test_where_the_files_lay_is_not_told(folder: Path) -> None:
    _, bundle = export(folder, "--org", "org-0")

    for path in bundle.iterdir():
        if path.is_file() and path.name != "verify.py":
            assert str(folder) not in path.read_text("utf-8")


def test_every_path_in_the_readme_is_a_file(folder: Path) -> None:
    _, bundle = export(folder, "--org", "org-0")

    text = (bundle / "README.txt").read_text("utf-8")
    listed = {name.rstrip("/") for name in re.findall(r"^(\S+)  +\S", text, re.MULTILINE)}
    assert listed | {"README.txt", "verify.py"} == FILES
    assert "{" not in text
    assert "found nothing wrong." in text
    assert ".." not in text
