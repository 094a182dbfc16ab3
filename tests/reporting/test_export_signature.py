"""Ed25519 as a bundle's script has it: the vectors of RFC 8032, and what `cryptography` says of others."""

from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.audit.checkpoint import Signer
from proxy.audit.tree import Levels
from proxy.reporting.offline import verify
from proxy.reporting.offline.verify import ORDER, P, climb, key_of, name_of, vouches
from tests.audit.logs import PEM

VECTORS = [  # RFC 8032 section 7.1: public key, message, signature
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]
FEW = settings(max_examples=40, deadline=None)


def by_cryptography(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize("vector", VECTORS)
def test_the_vectors_of_the_rfc_are_good(vector: tuple[str, str, str]) -> None:
    public, message, signature = map(bytes.fromhex, vector)

    assert vouches(public, message, signature)
    assert not vouches(public, message + b" ", signature)


@FEW
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_what_is_signed_is_vouched_for(seed: bytes, message: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)

    assert vouches(key.public_key().public_bytes_raw(), message, key.sign(message))


@FEW
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=40), st.integers(0, 96 * 8 - 1))
def test_one_other_bit_is_found(seed: bytes, message: bytes, bit: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    whole = bytearray(key.public_key().public_bytes_raw() + key.sign(message))
    whole[bit // 8] ^= 1 << bit % 8
    public, signature = bytes(whole[:32]), bytes(whole[32:])

    assert not vouches(public, message, signature)
    assert not by_cryptography(public, message, signature)


@FEW
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_what_was_made_up_is_judged_as_by_cryptography(public: bytes, signature: bytes) -> None:
    assert vouches(public, b"x", signature) == by_cryptography(public, b"x", signature)


@pytest.mark.parametrize("times", [1, 2, 7])
def test_a_signature_with_a_larger_s_is_not_another_good_one(times: int) -> None:
    """It would fit the equation just as well; section 5.1.7 wants S below the order."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"x")
    larger = int.from_bytes(signature[32:], "little") + times * ORDER
    spelled = signature[:32] + larger.to_bytes(32, "little")

    assert vouches(public, b"x", signature)
    assert not vouches(public, b"x", spelled)
    assert not by_cryptography(public, b"x", spelled)


def spelled(y: int, sign: int = 0) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


@pytest.mark.parametrize(
    "point",
    [
        spelled(2),  # x would be no number: not on the curve
        spelled(P),  # y = 0 in another spelling
        spelled(P + 1),  # y = 1 in another spelling: the neutral point
        spelled(1, 1),  # x = 0 has no negative
        spelled(P - 1, 1),
        spelled(2**255 - 1),
    ],
)
def test_what_is_no_point_vouches_for_nothing(point: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signature = key.sign(b"x")

    assert verify._decode(point) is None
    assert not vouches(point, b"x", signature)
    assert not vouches(point, b"x", point + bytes(32))
    assert not vouches(key.public_key().public_bytes_raw(), b"x", point + signature[32:])


def test_lengths_are_those_of_the_rfc() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"x")

    for wrong in (b"", signature[:-1], signature + b"\0"):
        assert not vouches(public, b"x", wrong)
    for wrong in (b"", public[:-1], public + b"\0"):
        assert not vouches(wrong, b"x", signature)


def test_a_key_is_read_from_pem_and_named_as_everywhere() -> None:
    signer = Signer(PEM)
    raw = key_of(signer.public_pem)

    assert raw is not None
    assert name_of(raw) == signer.name
    assert key_of(signer.public_pem.replace(b"\n", b"\r\n")) == raw
    assert key_of(PEM) is None
    assert key_of(signer.public_pem.replace(b"MCow", b"MCox")) is None
    assert key_of(b"-----BEGIN PUBLIC KEY-----\n=A==\n-----END PUBLIC KEY-----\n") is None


@given(st.integers(1, 600), st.data())
def test_a_path_climbs_as_in_the_log(size: int, data: st.DataObject) -> None:
    leaves = [sha256(b"%d" % number).digest() for number in range(size)]
    index, other = (data.draw(st.integers(0, size - 1)) for _ in range(2))
    levels = Levels(b"".join(leaves))
    path = levels.path(index)

    assert climb(leaves[index], index, size, path) == levels.root
    assert climb(leaves[index], index, size, [*path, leaves[0]]) is None
    assert (climb(leaves[index], other, size, path) == levels.root) is (index == other)
