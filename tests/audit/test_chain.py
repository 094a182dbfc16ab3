"""Records are canonical JSON by the letter of RFC 8785, and a chain is what its records say."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.audit.chain import BEGINNING, Chain, digest_of, line_of
from proxy.audit.checkpoint import Signer, Verifier
from proxy.audit.record import Template, fields_of
from proxy.messages import NO_TRAIL, Trail
from tests.audit.logs import OTHER_PEM, PEM, Writer, lines
from tests.audit.test_record import KNOWN, NOW, verdicts


def canonical(value: Any) -> str:
    """RFC 8785 sections 3.2.2 and 3.2.3, for what records may hold."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return '"' + "".join(map(escaped, value)) + '"'
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    return "[" + ",".join(map(canonical, value)) + "]"


def escaped(char: str) -> str:
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
    return short.get(char) or (f"\\u{ord(char):04x}" if ord(char) < 0x20 else char)


def number(value: float) -> str:
    """ECMAScript's `Number::toString` for what has at most 17 digits and needs no exponent."""
    assert value == 0 or 1e-6 <= abs(value) < 1e21
    if value == int(value):
        return str(int(value))
    return repr(value)


@pytest.mark.parametrize("name", verdicts())
def test_a_record_is_canonical(name: str) -> None:
    chain, trail = Chain("c", 7, b"f" * 64), Trail(request_id='ä"\x01'.encode(), trace_id=b"t")

    for verdict in (verdicts()[name], verdicts()[name]._replace(org_type="\U0001f600\ue000\x7f\\")):
        for said in (NO_TRAIL, trail):
            line = line_of(fields_of(verdict, "id", NOW, chain=chain, trail=said, **KNOWN))
            assert line == (canonical(json.loads(line)) + "\n").encode()


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
)


@given(st.dictionaries(st.text(st.characters(codec="ascii")), VALUES))
def test_whatever_records_may_hold_is_written_canonically(fields: dict[str, Any]) -> None:
    assert line_of(fields) == (canonical(fields) + "\n").encode()


@pytest.mark.parametrize("instant", [1.0, 1.5, 1e9, NOW, 253402300799.123, 0.000001, 0.0])
def test_instants_of_evidence_are_canonical_numbers(instant: float) -> None:
    verdict = verdicts()["exempt"]
    assert verdict.caller is not None
    (warrant, *_) = verdict.caller.evidence
    caller = verdict.caller._replace(evidence=(warrant._replace(issued_at=instant, expires_at=1e9),))

    line = line_of(fields_of(verdict._replace(caller=caller), "id", NOW, **KNOWN))

    assert line == (canonical(json.loads(line)) + "\n").encode()


@pytest.mark.parametrize("name", verdicts())
def test_a_template_leaves_room_for_the_place_in_the_chain(name: str) -> None:
    template = Template(verdicts()[name], chain="c" * 16, **KNOWN)

    for chain in (Chain("c" * 16), Chain("c" * 16, 123456, b"e" * 64)):
        whole = line_of(fields_of(verdicts()[name], "id", NOW, chain=chain, **KNOWN))
        assert template.line(b"id", NOW, chain=chain) == whole


def test_a_chain_goes_on_behind_what_it_takes() -> None:
    chain = Chain("c")
    assert (chain.seq, chain.head) == (0, BEGINNING.encode())

    chain.take(b'{"v":2}\n')

    assert (chain.seq, chain.head) == (1, digest_of(b'{"v":2}\n'))
    assert chain.place() == {"chain": "c", "seq": 1, "prev": chain.head.decode()}


def test_a_signature_is_over_every_member(tmp_path: Any) -> None:
    Writer(tmp_path / "audit").begin().decide(4).close()
    fields = json.loads(lines(tmp_path / "audit")[-1])
    key, other = (Verifier.of_pem(Signer(pem).public_pem) for pem in (PEM, OTHER_PEM))

    assert key.vouches(fields)
    assert not other.vouches(fields)
    for name in fields:
        assert not key.vouches(fields | {name: "x"})
        assert not key.vouches({n: value for n, value in fields.items() if n != name})
