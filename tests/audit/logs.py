"""Audit logs to read and to attack: written by the parts that write real ones."""

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.audit.chain import Chain, line_of
from proxy.audit.checkpoint import Signer, Verifier
from proxy.audit.findings import Finding, Flaw
from proxy.audit.journal import Journal, Terms
from proxy.audit.record import Template
from proxy.audit.sink import Sink
from proxy.audit.stitch import Witnessed
from proxy.audit.tree import Tree
from proxy.audit.verify import Verification
from proxy.pipeline import refused
from proxy.policy.model import Mode, Refusal
from proxy.policy.reasons import Reason

NOW = 1_700_000_000.0
EVERY = 5
PEM = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
OTHER_PEM = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
KEY = Verifier.of_pem(Signer(PEM).public_pem)


class Writer:
    """One process with a journal. `now` moves on by a second with each decision."""

    def __init__(self, path: Path, pem: bytes | None = PEM, **terms: Any) -> None:
        self.now = NOW
        signer = Signer(pem) if pem is not None else None
        kept = {"checkpoint_records": EVERY, "checkpoint_seconds": 1e9} if signer is not None else {}
        self.journal = Journal(Sink(str(path)), instance="w1", terms=Terms(signer, **{**kept, **terms}))
        self.count = 0

    def begin(self, **found: Any) -> Self:
        self.journal.sink.open()
        self.journal.begin(self.now, version="1", policy="p", **found)
        return self

    def decide(self, times: int = 1) -> Self:
        for _ in range(times):
            self.count += 1
            self.now += 1
            self.journal.write(self.template(), b"w1-%04x" % self.count, self.now)
        return self

    def template(self) -> Template:
        verdict = refused(Refusal(Reason.TOKEN_EXPIRED), NOW)
        known: Any = {"revision": "r", "mode": Mode.ENFORCE, "instance": "w1", "backend": "generic"}
        return Template(verdict, chain=self.journal.chain.id, **known)

    def close(self) -> Self:
        self.journal.close(self.now)
        return self


def lines(*paths: Path) -> list[bytes]:
    return [line for path in paths for line in path.read_bytes().splitlines(keepends=True)]


def records(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(*paths)]


def verified(
    *files: Path | Sequence[bytes], key: Verifier | None = KEY, witness: Sequence[bytes] = ()
) -> Verification:
    """What `verify` finds in these files, or in these lines as files."""
    witnessed = Witnessed()
    assert all([witnessed.hear(line) for line in witness])
    verification = Verification(key, witnessed)
    for number, file in enumerate(files):
        reading = verification.read(file.name if isinstance(file, Path) else f"file{number}")
        reading.feed(lines(file) if isinstance(file, Path) else file)
        reading.end()
    verification.finish()
    return verification


def found(*files: Path | Sequence[bytes], **how: Any) -> list[tuple[Flaw, int, int | None]]:
    """Flaw, line and record of each finding."""
    return [short(finding) for finding in verified(*files, **how).findings]


def short(finding: Finding) -> tuple[Flaw, int, int | None]:
    return finding.flaw, finding.place.line, finding.seq


def chained(old: Sequence[bytes], change: Callable[[dict[str, Any]], Any], pem: bytes | None) -> list[bytes]:
    """What a forger makes of a chain: records changed, digests made anew, signed with his key or not."""
    chain, made = Chain("", 0), []
    tree = Tree(0)
    signer = Signer(pem) if pem is not None else None
    for line in old:
        fields = json.loads(line)
        if fields.get("tree") is not None:
            fields["tree"] = tree.members()
        if change(fields) is False:
            continue
        fields |= {"seq": chain.seq, "prev": chain.head.decode()}
        if fields.get("tree") is not None:
            tree = Tree(chain.seq)
        if "signature" in fields and signer is not None:
            del fields["signature"]
            new = signer.signed({**fields, "key": signer.public})
        else:
            new = line_of(fields)
        chain.take(new)
        tree.add(chain.head)
        made.append(new)
    return made


def digest(line: bytes) -> str:
    return sha256(line[:-1]).hexdigest()
