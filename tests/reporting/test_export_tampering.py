"""Whatever is done to an evidence bundle, the script in it says so, and names the line."""

import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from proxy.audit.chain import line_of
from proxy.audit.checkpoint import Signer
from tests.audit.logs import OTHER_PEM, PEM, lines
from tests.reporting.bundles import VERIFY, asked, export, log_of, part, rewrite

Lines = list[bytes]
KEY = Signer(PEM)
THIEF = Signer(OTHER_PEM)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle for `org-0`, one for `org-1` of the same log, and one of another log."""
    folder = tmp_path_factory.mktemp("made")
    log_of(folder)
    assert export(folder, "--org", "org-0")[0] == 0
    assert export(folder, "--org", "org-1", out="foreign")[0] == 0
    assert export(folder, "--org", "org-0", out="packed.zip")[0] == 0
    return folder


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "made")
    return tmp_path / "made" / "bundle"


def says(bundle: Path, *words: object) -> str:
    """What the script says of a bundle that is not as it was made."""
    code, said = asked(bundle, bundle, *words, script=VERIFY)
    assert (code, said.splitlines()[-1]) == (1, "FAIL")
    return said


def changed(line: bytes, **members: Any) -> bytes:
    return line_of({**json.loads(line), **members})


def test_untouched_it_passes(bundle: Path) -> None:
    assert asked(bundle)[0] == 0


@pytest.mark.parametrize(
    ("at", "old", "new"),
    [
        (0, b"upgrade-refused", b"token-expired.."),
        (4, b'"instance":"w1"', b'"instance":"w2"'),
        (7, b"{", b"{ "),
        (-1, b'"v":2', b'"v":3'),
    ],
)
def test_an_edited_record_is_found(bundle: Path, at: int, old: bytes, new: bytes) -> None:
    def edit(lines: Lines) -> None:
        assert old in lines[at]
        lines[at] = lines[at].replace(old, new, 1)

    rewrite(bundle, "records.jsonl", edit)

    assert "is not what the checkpoint was signed over" in says(bundle)


def test_swapped_records_are_found(bundle: Path) -> None:
    rewrite(bundle, "records.jsonl", lambda lines: [lines[1], lines[0], *lines[2:]])

    assert "records.jsonl:1: its proof is for another record" in says(bundle)


def test_records_that_are_swapped_with_their_proofs_are_found(bundle: Path) -> None:
    at = same_tree(bundle)
    for name in ("records.jsonl", "proofs.jsonl"):
        rewrite(bundle, name, lambda lines: [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]])

    assert f"records.jsonl:{at + 2}: stands out of its order, or is there twice" in says(bundle)


def same_tree(bundle: Path) -> int:
    """A record after which there is another one of its tree."""
    proofs = part(bundle, "proofs.jsonl")
    where = [(proof["chain"], proof["checkpoint"]) for proof in proofs]
    return next(at for at in range(len(where)) if where[at] == where[at + 1])


def test_a_record_that_is_there_twice_is_found(bundle: Path) -> None:
    for at in (0, 6):
        for name in ("records.jsonl", "proofs.jsonl"):
            rewrite(bundle, name, lambda lines, at=at: [*lines, lines[at]])  # type: ignore[misc]

    assert says(bundle).count("or is there twice") == 2


@pytest.mark.parametrize("at", [0, -1])
def test_a_record_without_its_proof_is_found(bundle: Path, at: int) -> None:
    def take_out(lines: Lines) -> None:
        del lines[at]

    rewrite(bundle, "proofs.jsonl", take_out)

    said = says(bundle)
    assert "has no proof" in said
    assert ("its proof is for another record" in said) is (at != -1)


@pytest.mark.parametrize("at", [0, -1])
def test_a_proof_without_its_record_is_found(bundle: Path, at: int) -> None:
    def take_out(lines: Lines) -> None:
        del lines[at]

    rewrite(bundle, "records.jsonl", take_out)

    assert "a proof without its record" in says(bundle)


@pytest.mark.parametrize("at", [0, -1])
def test_a_record_that_was_taken_out_with_its_proof_is_one_too_few(bundle: Path, at: int) -> None:
    def take_out(lines: Lines) -> None:
        del lines[at]

    rewrite(bundle, "proofs.jsonl", take_out)
    rewrite(bundle, "records.jsonl", take_out)

    assert "verification.json: says " in says(bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: {"path": proof["path"][1:]},
        lambda proof: {"path": [*proof["path"], proof["path"][0]]},
        lambda proof: {"path": ["0" * 64, *proof["path"][1:]]},
        lambda proof: {"path": [*proof["path"][:-1], "xyz"]},
        lambda _: {"path": None},
        lambda _: {"path": 7},
        lambda proof: {"checkpoint": proof["checkpoint"] + 1},
        lambda _: {"checkpoint": [1]},
        lambda proof: {"seq": proof["seq"] + 1},
        lambda _: {"chain": "0" * 16},
    ],
)
def test_a_proof_that_was_changed_is_found(
    bundle: Path, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    def edit(lines: Lines) -> None:
        lines[3] = changed(lines[3], **change(json.loads(lines[3])))

    rewrite(bundle, "proofs.jsonl", edit)

    assert "records.jsonl:4: " in says(bundle)


# ------------------------------------------------------------------ checkpoints


def test_a_checkpoint_that_was_changed_is_found(bundle: Path) -> None:
    trees = [number for number, line in enumerate(lines(bundle / "checkpoints.jsonl")) if b'"tree"' in line]
    tree = part(bundle, "checkpoints.jsonl")[trees[0]]["tree"]
    for members in ({"records": 7}, {"tree": tree | {"sha256": "0" * 64}}, {"seq": 99}, {"extra": 1}):
        rewrite(bundle, "checkpoints.jsonl", edit_at(trees[0], **members))
        said = says(bundle)
        assert f"checkpoints.jsonl:{trees[0] + 1}: the signature is not over this record" in said
        assert "no signed checkpoint stands over it" in said


def edit_at(at: int, **members: Any) -> Callable[[Lines], Sequence[bytes] | None]:
    def edit(lines: Lines) -> None:
        lines[at] = changed(lines[at], **members)

    return edit


def test_a_checkpoint_of_another_log_is_found(bundle: Path, tmp_path: Path) -> None:
    """It is signed by the same key, and over other records."""
    other = tmp_path / "other"
    other.mkdir()
    log_of(other)
    _, foreign = export(other, "--org", "org-0")
    shutil.copy(foreign / "checkpoints.jsonl", bundle)

    assert says(bundle).count("no signed checkpoint stands over it") > 10


def test_a_checkpoint_that_is_put_in_the_place_of_another_is_found(bundle: Path) -> None:
    """Of another time, of the same chain: it is signed as well, and no tree of these leaves."""
    checkpoints = [c for c in part(bundle, "checkpoints.jsonl") if "tree" in c]
    chain = checkpoints[0]["chain"]
    one, two = [c["seq"] for c in checkpoints if c["chain"] == chain][:2]

    def swap(lines: Lines) -> list[bytes]:
        proofs = []
        for line in lines:
            proof = json.loads(line)
            if proof["chain"] == chain and proof["checkpoint"] == one:
                proof["checkpoint"] = two
            proofs.append(line_of(proof))
        return proofs

    rewrite(bundle, "proofs.jsonl", swap)

    assert "is not what the checkpoint was signed over" in says(bundle)


def test_records_of_another_organisation_are_found(bundle: Path) -> None:
    """They are proved by the same log, and nobody asked for them."""
    for name in ("records.jsonl", "proofs.jsonl"):
        shutil.copy(bundle.parent / "foreign" / name, bundle)

    assert "is about no call of org-0" in says(bundle)


def test_a_bundle_that_is_signed_again_with_another_key_is_found(bundle: Path) -> None:
    def edit(lines: Lines) -> list[bytes]:
        made = []
        for line in lines:
            fields = {n: v for n, v in json.loads(line).items() if n != "signature"}
            made.append(THIEF.signed({**fields, "key": THIEF.public}))
        return made

    rewrite(bundle, "checkpoints.jsonl", edit)
    assert "signed by another key" in says(bundle)

    # With his key in it the bundle hangs together: that is what --key is for.
    (bundle / "audit-public.pem").write_bytes(THIEF.public_pem)
    assert asked(bundle)[0] == 0
    assert "signed by another key" in says(bundle, "--key", bundle.parent / "public.pem")


def test_a_checkpoint_that_names_the_key_and_is_signed_by_another_is_found(bundle: Path) -> None:
    def edit(lines: Lines) -> list[bytes]:
        fields = {n: v for n, v in json.loads(lines[1]).items() if n != "signature"}
        return [lines[0], THIEF.signed({**fields, "key": KEY.public}), *lines[2:]]

    rewrite(bundle, "checkpoints.jsonl", edit)

    assert "checkpoints.jsonl:2: the signature is not over this record" in says(bundle)


def test_a_signature_in_another_spelling_is_found(bundle: Path) -> None:
    """Base64url leaves four bits of the last letter open."""

    def edit(lines: Lines) -> None:
        text = json.loads(lines[1])["signature"]
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        lines[1] = changed(lines[1], signature=text[:-1] + letters[letters.index(text[-1]) ^ 1])

    rewrite(bundle, "checkpoints.jsonl", edit)

    assert "not signed, or not as it was written" in says(bundle)


def test_a_checkpoint_that_is_written_in_another_way_is_found(bundle: Path) -> None:
    rewrite(
        bundle, "checkpoints.jsonl", lambda lines: [lines[0], lines[1].replace(b"{", b"{ ", 1), *lines[2:]]
    )

    assert "checkpoints.jsonl:2: not signed, or not as it was written" in says(bundle)


def test_a_checkpoint_that_is_there_twice_is_found(bundle: Path) -> None:
    rewrite(bundle, "checkpoints.jsonl", lambda lines: [*lines, lines[1]])

    assert ": is there twice" in says(bundle)


@pytest.mark.parametrize("members", [{"size": 1}, {"first": 1}, {"size": 0}, {"size": -1}, {"sha256": "0"}])
def test_a_tree_that_is_no_tree_is_found_though_it_is_signed(bundle: Path, members: dict[str, Any]) -> None:
    def edit(lines: Lines) -> list[bytes]:
        fields = {name: value for name, value in json.loads(lines[1]).items() if name != "signature"}
        return [lines[0], KEY.signed({**fields, "tree": fields["tree"] | members}), *lines[2:]]

    rewrite(bundle, "checkpoints.jsonl", edit)

    said = says(bundle)
    assert "checkpoints.jsonl:2: " in said
    assert "the signature" not in said


@pytest.mark.parametrize("signature", [None, 5, "", "A" * 86, "é"])
def test_what_is_no_signature_is_found(bundle: Path, signature: object) -> None:
    rewrite(bundle, "checkpoints.jsonl", edit_at(1, signature=signature))

    assert "checkpoints.jsonl:2: " in says(bundle)


# ------------------------------------------------------------------ what is not proved


def test_a_record_that_is_shown_without_proof_has_to_be_theirs(bundle: Path) -> None:
    foreign = lines(bundle.parent / "foreign" / "records.jsonl")[0]
    rewrite(bundle, "unproved.jsonl", lambda lines: [foreign, *lines[1:]])

    assert "unproved.jsonl:1: is about no call of org-0" in says(bundle)


def test_the_end_of_a_call_that_is_not_here_is_found(bundle: Path) -> None:
    def edit(lines: Lines) -> None:
        copy = json.loads(lines[0])
        lines[0] = line_of(copy | {"call": copy["call"] | {"id": "strange"}})

    rewrite(bundle, "outcomes.jsonl", edit)

    assert "1 ends of calls that are not in this bundle" in says(bundle)


# ------------------------------------------------------------------ the files


@pytest.mark.parametrize(
    "name", ["records.jsonl", "proofs.jsonl", "checkpoints.jsonl", "unproved.jsonl", "outcomes.jsonl"]
)
def test_a_file_that_is_cut_short_is_found(bundle: Path, name: str) -> None:
    whole = (bundle / name).read_bytes()
    for cut in (whole[:-1], whole[: len(whole) // 2].rstrip(b"\n")):
        (bundle / name).write_bytes(cut)
        assert ": the line is cut short" in says(bundle)
    (bundle / name).write_bytes(whole[:-1].rpartition(b"\n")[0] + b"\n")
    says(bundle)


@pytest.mark.parametrize("name", ["verification.json", "audit-public.pem", "records.jsonl", "outcomes.jsonl"])
def test_a_file_that_is_not_there_is_found(bundle: Path, name: str) -> None:
    (bundle / name).unlink()

    assert f"{name}: is not there" in says(bundle)


@pytest.mark.parametrize("content", [b"", b"nothing", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_record_is_found(bundle: Path, content: bytes) -> None:
    rewrite(bundle, "records.jsonl", lambda lines: [content + b"\n", *lines[1:]])
    assert "records.jsonl:1: " in says(bundle)

    (bundle / "verification.json").write_bytes(content)
    assert "verification.json: " in says(bundle)


def test_a_zip_that_is_cut_short_or_spoilt_is_found(bundle: Path) -> None:
    packed = bundle.parent / "packed.zip"
    whole = packed.read_bytes()
    assert asked(bundle, packed)[0] == 0

    packed.write_bytes(whole[:-30])
    says(packed)
    with zipfile.ZipFile(bundle.parent / "packed.zip", "w") as archive:
        archive.writestr("README.txt", "nothing")
    says(packed)
    at = whole.index(b"records.jsonl") + 60
    packed.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    says(packed)


def test_what_is_no_key_is_an_error_of_use(bundle: Path) -> None:
    (bundle / "audit-public.pem").write_bytes(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    assert "no Ed25519 public key" in says(bundle)


def test_an_organisation_without_records_proves_nothing_and_says_so(bundle: Path) -> None:
    for name in ("records.jsonl", "proofs.jsonl"):
        (bundle / name).write_bytes(b"")

    assert "verification.json: says " in says(bundle)


def test_a_zip_with_two_files_of_one_name_is_found(bundle: Path) -> None:
    packed = bundle.parent / "packed.zip"
    with zipfile.ZipFile(packed, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("records.jsonl", (bundle / "records.jsonl").read_bytes())

    assert "a file is in it twice" in says(packed)


def test_what_nobody_checks_is_named(bundle: Path) -> None:
    (bundle / "summary.pdf").write_bytes(b"all was well")

    code, said = asked(bundle)

    assert code == 0
    assert "not looked at  summary.pdf" in said


@pytest.mark.parametrize("organisation", [None, 5, "x\n\x1b[2J\nPASS\n"])
def test_no_organisation_can_make_the_script_say_what_it_likes(bundle: Path, organisation: object) -> None:
    said = json.loads((bundle / "verification.json").read_bytes())
    (bundle / "verification.json").write_text(json.dumps(said | {"organisation": organisation}))

    lines = says(bundle).splitlines()

    assert "PASS" not in lines
    assert all(line.isprintable() for line in lines)
