#!/usr/bin/env python3
"""Checks an evidence bundle: python3 verify.py [FOLDER or ZIP] [--key audit-public.pem]

Needs Python 3.8 or newer and nothing else: no network, no database, no other package. Without --key it takes
the key in the bundle, which whoever made the bundle may have put there.
Exit: 0 all that is said to be proved is proved, 1 it is not, 2 this could not be asked.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import sys
import zipfile
import zlib
from collections import Counter
from hashlib import sha256, sha512
from typing import IO, Any, Iterator, NamedTuple, Tuple

SHOWN = 20
FILES = (
    "README.txt", "audit-public.pem", "checkpoints.jsonl", "outcomes.jsonl", "proofs.jsonl", "records.jsonl",
    "unproved.jsonl", "verification.json", "verify.py",
)  # fmt: skip

# ---------------------------------------------------------------- Ed25519 (RFC 8032 section 5.1)

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = Tuple[int, int, int, int]
"""X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z (section 5.1.4)."""
NEUTRAL: Point = (0, 1, 1, 0)


def _add(one: Point, other: Point) -> Point:
    """Section 5.1.4; it also doubles."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _double(one: Point) -> Point:
    """Section 5.1.4."""
    a = one[0] * one[0] % P
    b = one[1] * one[1] % P
    c = 2 * one[2] * one[2] % P
    h = a + b
    e = h - (one[0] + one[1]) ** 2 % P
    g = a - b
    f = c + g
    return e * f % P, g * h % P, f * g % P, e * h % P


def _decode(raw: bytes) -> Point | None:
    """Section 5.1.3; None for what is no point, or is written in another than its one way."""
    sign = raw[31] >> 7
    y = int.from_bytes(raw, "little") & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def _encode(point: Point) -> bytes:
    """Section 5.1.2."""
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = _decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little")) or NEUTRAL


def vouches(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this is the key's signature over the message: [S]B = R + [k]A (section 5.1.7)."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, s = _decode(public), int.from_bytes(signature[32:], "little")
    if key is None or _decode(signature[:32]) is None or s >= ORDER:
        return False
    k = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % ORDER
    minus = (P - key[0], key[1], 1, P - key[3])
    both, found = _add(BASE, minus), NEUTRAL
    for bit in reversed(range(ORDER.bit_length())):
        found = _double(found)
        in_s, in_k = s >> bit & 1, k >> bit & 1
        if in_s or in_k:
            found = _add(found, both if in_s and in_k else BASE if in_s else minus)
    return _encode(found) == signature[:32]


PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----")
BEFORE_A_KEY = bytes.fromhex("302a300506032b6570032100")
"""SubjectPublicKeyInfo of an Ed25519 key up to the key (RFC 8410 section 4)."""


def key_of(pem: bytes) -> bytes | None:
    match = PEM.search(pem)
    try:
        der = base64.b64decode(b"".join(match[1].split()), validate=True) if match else b""
    except ValueError:
        return None
    return der[12:] if len(der) == 44 and der.startswith(BEFORE_A_KEY) else None


def name_of(key: bytes) -> str:
    return sha256(key).hexdigest()[:16]


# ---------------------------------------------------------------- trees (RFC 9162 section 2.1.3.2)


def climb(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that a path leads to; None when no leaf with this number has such a path."""
    last, root = size - 1, leaf
    for digest in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            root = sha256(b"\x01" + digest + root).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            root = sha256(b"\x01" + root + digest).digest()
        index, last = index >> 1, last >> 1
    return root if last == 0 else None


# ---------------------------------------------------------------- the bundle


class Broken(Exception):
    """One thing that is not as it should be."""


class Bundle:
    """A folder, or a zip file that holds what such a folder holds."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.zip = None if os.path.isdir(path) else zipfile.ZipFile(path)
        if len(self.names()) != len(set(self.names())):
            raise Broken("a file is in it twice, and what another program shows may be the other one")

    def names(self) -> list[str]:
        if self.zip is not None:
            return sorted(self.zip.namelist())
        found = [os.path.join(at, name) for at, _, names in os.walk(self.path) for name in names]
        return sorted(os.path.relpath(name, self.path).replace(os.sep, "/") for name in found)

    def open(self, name: str) -> IO[bytes]:
        try:
            return self.zip.open(name) if self.zip is not None else open(os.path.join(self.path, name), "rb")
        except (KeyError, OSError):
            raise Broken(name + ": is not there") from None

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return file.read()

    def lines(self, name: str) -> Iterator[tuple[str, bytes]]:
        """Each with the place it stands at, without its newline."""
        with self.open(name) as file:
            for number, line in enumerate(file, 1):
                place = f"{name}:{number}"
                if not line.endswith(b"\n"):
                    raise Broken(place + ": the line is cut short")
                yield place, line[:-1]


def members_of(line: bytes, place: str) -> dict[str, Any]:
    try:
        fields = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Broken(place + ": no JSON") from None
    if not isinstance(fields, dict):
        raise Broken(place + ": no record")
    return fields


def plain(fields: dict[str, Any]) -> bytes:
    """Canonical JSON (RFC 8785) of what checkpoints hold: no fractions, and member names in ASCII."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def raw_of(text: object, place: str) -> bytes:
    if not isinstance(text, str) or not re.fullmatch("[0-9a-f]{64}", text):
        raise Broken(place + ": no digest")
    return bytes.fromhex(text)


# ---------------------------------------------------------------- what is signed


class Tree(NamedTuple):
    """What a checkpoint says of the lines before it."""

    first: int
    size: int
    root: bytes


Place = Tuple[str, int]
"""A chain and a number in it."""


def signed(line: bytes, place: str, key: bytes) -> dict[str, Any]:
    """A line of checkpoints.jsonl with a good signature. Raises `Broken`."""
    fields = members_of(line, place)
    try:
        if plain(fields) != line:
            raise ValueError
        text = fields["signature"]
        signature = base64.urlsafe_b64decode(text + "==")
        if base64.urlsafe_b64encode(signature).rstrip(b"=").decode() != text:
            raise ValueError
        named = base64.urlsafe_b64decode(fields["key"] + "=")
    except (ValueError, TypeError, KeyError):
        raise Broken(place + ": not signed, or not as it was written") from None
    if named != key:
        raise Broken(f"{place}: signed by another key, {name_of(named)}")
    if not vouches(key, plain({name: fields[name] for name in fields if name != "signature"}), signature):
        raise Broken(place + ": the signature is not over this record")
    return fields


def tree_of(fields: dict[str, Any], place: str) -> Tree:
    said = fields.get("tree")
    if not isinstance(said, dict) or not is_count(said.get("first")) or not is_count(said.get("size")):
        raise Broken(place + ": names no tree")
    tree = Tree(said["first"], said["size"], raw_of(said.get("sha256"), place))
    if not tree.size or tree.first + tree.size != fields["seq"]:
        raise Broken(place + ": its tree does not end at the record before it")
    return tree


def checkpoints_of(bundle: Bundle, key: bytes, broken: list[str]) -> dict[Place, Tree]:
    """The trees that are signed, by where their checkpoints stand."""
    trees: dict[Place, Tree] = {}
    for place, line in bundle.lines("checkpoints.jsonl"):
        try:
            fields = signed(line, place, key)
            at = place_of(fields, place)
            if at in trees:
                raise Broken(place + ": is there twice")
            if fields.get("kind") in ("checkpoint", "close"):
                trees[at] = tree_of(fields, place)
            elif fields.get("kind") != "open" or at[1] != 0:
                raise Broken(place + ": no checkpoint")
        except Broken as error:
            broken.append(str(error))
    return trees


def place_of(fields: dict[str, Any], place: str) -> Place:
    chain, seq = fields.get("chain"), fields.get("seq")
    if not isinstance(chain, str) or type(seq) is not int or seq < 0:
        raise Broken(place + ": stands in no chain")
    return chain, seq


# ---------------------------------------------------------------- what is proved


def names(fields: dict[str, Any], organisation: str) -> bool:
    """Whether a decision is about a call of this organisation, in any part that it had in the call."""
    parties = [fields, fields.get("on_behalf_of")]
    for several in ("org_path", "actors"):
        parties += listed(fields.get(several))
    return any(isinstance(party, dict) and party.get("org_id") == organisation for party in parties)


class Records:
    """The records one by one: each has to be the leaf that its proof makes of it."""

    def __init__(self, trees: dict[Place, Tree], organisation: str) -> None:
        self.trees = trees
        self.organisation = organisation
        self.count = 0
        self.chains: set[str] = set()
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.policies: set[str] = set()
        self.ids: set[str] = set()
        self.ended: set[str] = set()
        self.span: list[str] = []
        self._done: set[Place] = set()
        self._last: tuple[Place | None, int] = (None, -1)

    def take(self, line: bytes, proof: dict[str, Any], place: str) -> None:
        """One record and its proof. Raises `Broken`."""
        fields = members_of(line, place)
        chain, seq = place_of(fields, place)
        if (proof.get("chain"), proof.get("seq")) != (chain, seq):
            raise Broken(place + ": its proof is for another record")
        checkpoint = (chain, proof["checkpoint"] if is_count(proof.get("checkpoint")) else -1)
        tree = self.trees.get(checkpoint)
        if tree is None:
            raise Broken(place + ": no signed checkpoint stands over it")
        index = seq - tree.first
        path = [raw_of(text, place) for text in listed(proof.get("path"))]
        if not 0 <= index < tree.size or climb(sha256(line).digest(), index, tree.size, path) != tree.root:
            raise Broken(place + ": is not what the checkpoint was signed over")
        self._in_order(checkpoint, index, place)
        self.count += 1
        self.chains.add(chain)
        self.say(fields, place)

    def _in_order(self, checkpoint: Place, index: int, place: str) -> None:
        """Each once: those of one tree stand together, in their order."""
        last, before = self._last
        if checkpoint != last:
            if last is not None:
                self._done.add(last)
            before = -1
        if checkpoint in self._done or index <= before:
            raise Broken(place + ": stands out of its order, or is there twice")
        self._last = checkpoint, index

    def say(self, fields: dict[str, Any], place: str) -> None:
        """Count what a record says. Raises `Broken` for one that does not belong here."""
        if fields.get("kind") == "outcomes":
            self.ended.update(
                str(call.get("id")) for call in listed(fields.get("calls")) if isinstance(call, dict)
            )
            return
        if fields.get("kind") != "decision" or not names(fields, self.organisation):
            raise Broken(f"{place}: is about no call of {self.organisation}")
        self.ids.add(str(fields.get("id")))
        self.reasons[str(fields.get("decision")), str(fields.get("reason"))] += 1
        self.policies.add(str(fields.get("policy")))
        moment = str(fields.get("time"))
        self.span = [min([moment, *self.span]), max([moment, *self.span])]


def check_records(bundle: Bundle, records: Records, broken: list[str]) -> None:
    """All records against their proofs, in step."""
    proofs = bundle.lines("proofs.jsonl")
    for place, line in bundle.lines("records.jsonl"):
        try:
            at, proof = next(proofs, ("", b""))
            if not proof:
                raise Broken(place + ": has no proof")
            records.take(line, members_of(proof, at), place)
        except Broken as error:
            broken.append(str(error))
    for place, _ in proofs:
        broken.append(place + ": a proof without its record")
        break


def check_copies(bundle: Bundle, records: Records, broken: list[str]) -> tuple[Records, int]:
    """What is shown without proof: records after the last signature, and how many calls ended how."""
    unproved = Records({}, records.organisation)
    ends = 0
    try:
        for place, line in bundle.lines("unproved.jsonl"):
            unproved.say(members_of(line, place), place)
            unproved.count += 1
        for place, line in bundle.lines("outcomes.jsonl"):
            call = members_of(line, place).get("call")
            if not isinstance(call, dict):
                raise Broken(place + ": no end of a call")
            unproved.ended.add(str(call.get("id")))
            ends += 1
    except Broken as error:
        broken.append(str(error))
    strange = (records.ended | unproved.ended) - records.ids - unproved.ids
    if strange:
        broken.append(f"{len(strange)} ends of calls that are not in this bundle")
    return unproved, ends


def check_policies(bundle: Bundle, revisions: set[str], broken: list[str]) -> int:
    """A policy is what its revision is the digest of, and one by which a record was decided."""
    count = 0
    for name in bundle.names():
        if not name.startswith("policies/") or name.endswith("/"):
            continue
        count += 1
        revision = name[len("policies/") : -len(".json")]
        if sha256(bundle.read(name)).hexdigest() != revision:
            broken.append(name + ": is not the policy of this revision")
        elif revision not in revisions:
            broken.append(name + ": no record was decided by it")
    return count


def check_counts(said: dict[str, Any], found: dict[str, int], broken: list[str]) -> None:
    """What is missing altogether can only be seen by what the exporter says of it."""
    for what, count in sorted(found.items()):
        if said.get(what) != count:
            broken.append(f"verification.json: says {said.get(what)} {what}, and there are {count}")


# ---------------------------------------------------------------- asking


def check(bundle: Bundle, pinned: bytes | None, broken: list[str]) -> list[tuple[str, str]]:
    """What is in the bundle, as rows; `broken` gets what is wrong. Raises `Broken` if nothing can be said."""
    said = members_of(bundle.read("verification.json"), "verification.json")
    organisation = said.get("organisation")
    if not isinstance(organisation, str):
        raise Broken("verification.json: names no organisation")
    own = key_of(bundle.read("audit-public.pem"))
    key = own if pinned is None else pinned
    if key is None or own is None:
        raise Broken("audit-public.pem: no Ed25519 public key")
    records = Records(checkpoints_of(bundle, key, broken), organisation)
    check_records(bundle, records, broken)
    unproved, ends = check_copies(bundle, records, broken)
    policies = check_policies(bundle, records.policies | unproved.policies, broken)
    found = {"records": records.count, "unproved": unproved.count, "outcomes": ends}
    check_counts(said, found, broken)
    if not records.count:
        broken.append("no record in it is proved")
    others = [name for name in bundle.names() if name not in FILES and not name.startswith("policies/")]
    whose = "the one given" if pinned is not None else "the bundle's own: compare it, or give --key"
    rows = [
        ("organisation", organisation),
        ("key", f"{name_of(key)} ({whose})"),
        ("proved", f"{records.count} records of {len(records.chains)} chains"),
        ("decided", " to ".join(records.span) or "never"),
    ]
    rows += [(f"  {d}", f"{n} {reason}") for (d, reason), n in sorted(records.reasons.items())]
    rows += [
        ("not proved", f"{unproved.count} records without a signature over them, {ends} ends of calls"),
        ("policies", str(policies)),
        ("not looked at", ", ".join(others) or "nothing"),
        ("whole log", f"findings, as the exporter says: {said.get('findings') or 'none'}"),
    ]
    return rows


def show(name: str, value: str) -> None:
    """In ASCII and without control characters: what is printed may be what a forger wants to be read."""
    print(f"{name:<14} {value}".encode("unicode_escape").decode("ascii"))


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks an evidence bundle, without a network.")
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("bundle", nargs="?", default=here, help="folder or zip; default: where this file is")
    parser.add_argument("--key", help="PEM public key that was had from elsewhere; only it counts")
    args = parser.parse_args()
    pinned = None
    if args.key is not None:
        try:
            with open(args.key, "rb") as file:
                pinned = key_of(file.read())
        except OSError as error:
            parser.error(f"{args.key}: {error.strerror}")
        if pinned is None:
            parser.error(args.key + ": no Ed25519 public key")
    broken: list[str] = []
    rows: list[tuple[str, str]] = []
    try:
        rows = check(Bundle(args.bundle), pinned, broken)
    except (Broken, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        broken.append(str(error))
    for name, value in rows:
        show(name, value)
    for what in broken[:SHOWN]:
        show("wrong", what)
    if len(broken) > SHOWN:
        show("wrong", f"and {len(broken) - SHOWN} more")
    print("FAIL" if broken else "PASS")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
