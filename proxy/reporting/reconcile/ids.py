"""What is known of each call, by the id of its decision: a byte for each, since a process numbers them. Pure.

Ten million calls take ten megabytes. An id is twelve hexadecimal digits of the process, a hyphen and twelve
of its count; one of any other form takes an entry of its own.
"""

import re
from collections.abc import Iterator
from hashlib import blake2b

ALLOWED, BLOCKED, REJECTED, FAILED, ALLOWED_THEN_FAILED = 1, 2, 3, 4, 5
"""What the records say of it; 0: nothing."""
RECORDED = 7
ANSWERED = 8
"""The face API's answer had begun, says a record."""
SEEN = 16
BY_ANOTHER_NAME = 32
"""The face API was given the id of a trusted peer instead of this one."""

_FORM = re.compile(rb"([0-9a-f]{12})-([0-9a-f]{9})([0-9a-f]{3})")
_BLOCK = 1 << 12


class Ids:
    """Zero for whatever nobody has set."""

    def __init__(self) -> None:
        self._blocks: dict[bytes, bytearray] = {}
        self._others: dict[bytes, int] = {}

    def __repr__(self) -> str:
        return f"<Ids in {len(self._blocks)} blocks, {len(self._others)} others>"

    def get(self, name: bytes) -> int:
        match = _FORM.fullmatch(name)
        if match is None:
            return self._others.get(digest(name), 0)
        block = self._blocks.get(match[1] + match[2])
        return block[int(match[3], 16)] if block is not None else 0

    def set(self, name: bytes, state: int) -> None:
        match = _FORM.fullmatch(name)
        if match is None:
            self._others[digest(name)] = state
            return
        block = self._blocks.get(match[1] + match[2])
        if block is None:
            block = self._blocks[match[1] + match[2]] = bytearray(_BLOCK)
        block[int(match[3], 16)] = state

    def states(self) -> Iterator[tuple[str, int]]:
        """Every id of which anything is known, those of another form by their digest."""
        for key, block in self._blocks.items():
            process, high = key[:12].decode(), key[12:].decode()
            for low, state in enumerate(block):
                if state:
                    yield f"{process}-{high}{low:03x}", state
        for name, state in self._others.items():
            yield name.hex(), state


def digest(name: bytes) -> bytes:
    """For ids whose length somebody else chooses."""
    return blake2b(name, digest_size=16).digest()
