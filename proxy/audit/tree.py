"""A tree over the records between two checkpoints, by which one of them is shown without the others. Pure.

As in RFC 9162 section 2.1, but that a leaf is the digest of its line that the chain has anyway. A line begins
with `{` and what a node is made of with 0x01, so that neither can be taken for the other.
"""

from binascii import Error, unhexlify
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

NODE = b"\x01"
"""What is hashed before the two digests below a node (RFC 9162 section 2.1.1)."""
SIZE = 32
"""Bytes of a digest."""
BLOCK = 256
"""So many leaves become one node at a time: memory that does not grow, and no pause at a checkpoint.

A power of two. Joined and hashed in one go they cost three quarters of what they cost one by one.
"""


class Tree:
    """Leaves as they come, of which only the roots of whole subtrees are kept.

    `first` is the number of the first leaf's record in its chain.
    """

    __slots__ = ("_blocks", "_leaves", "_peaks", "first")

    def __init__(self, first: int, *digests: bytes) -> None:
        self.first = first
        self._leaves = [*digests]
        self._peaks: list[bytes] = []
        self._blocks = 0

    def __repr__(self) -> str:
        return f"<Tree of {len(self)} from {self.first}>"

    def __len__(self) -> int:
        return self._blocks * BLOCK + len(self._leaves)

    def add(self, digest: bytes) -> None:
        """One more leaf, in hexadecimal, as a chain has it."""
        leaves = self._leaves
        leaves.append(digest)
        if len(leaves) == BLOCK:
            self._leaves = []
            self._blocks += 1
            peak, blocks = root_of(unhexlify(b"".join(leaves))), self._blocks
            while not blocks & 1:
                peak = _node(self._peaks.pop(), peak)
                blocks >>= 1
            self._peaks.append(peak)

    def root(self) -> bytes:
        """Of all leaves so far, of which there is at least one."""
        rest = [root_of(unhexlify(b"".join(self._leaves)))] if self._leaves else []
        *left, root = [*self._peaks, *rest]
        for peak in reversed(left):
            root = _node(peak, root)
        return root

    def members(self) -> dict[str, Any]:
        """For a checkpoint. No name is one that readers look for in a record's own place."""
        return {"first": self.first, "size": len(self), "sha256": self.root().hex()}


class Levels:
    """A whole tree, for the paths of any of its leaves. `leaves`: their digests, joined."""

    def __init__(self, leaves: bytes) -> None:
        self._levels = [leaves]
        while len(self._levels[-1]) > SIZE:
            self._levels.append(_above(self._levels[-1]))

    @property
    def root(self) -> bytes:
        return self._levels[-1]

    def path(self, index: int) -> list[bytes]:
        """What has to be known besides a leaf to find the root, from below (RFC 9162 section 2.1.3.1)."""
        path = []
        for level in self._levels[:-1]:
            at = (index ^ 1) * SIZE
            if at < len(level):
                path.append(level[at : at + SIZE])
            index >>= 1
        return path


def root_of(leaves: bytes) -> bytes:
    """The root over these digests, joined: at least one."""
    while len(leaves) > SIZE:
        leaves = _above(leaves)
    return leaves


def _above(level: bytes) -> bytes:
    """The nodes over these. One without a neighbour goes up as it is, which gives the tree of the RFC."""
    whole = len(level) // (2 * SIZE) * (2 * SIZE)
    nodes = [sha256(NODE + level[at : at + 2 * SIZE]).digest() for at in range(0, whole, 2 * SIZE)]
    return b"".join([*nodes, level[whole:]])


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(NODE + left + right).digest()


def climb(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a path leads to (RFC 9162 section 2.1.3.2); None when no such leaf has such a path."""
    if not 0 <= index < size:
        return None
    last, root = size - 1, leaf
    for digest in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            root = _node(digest, root)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            root = _node(root, digest)
        index, last = index >> 1, last >> 1
    return root if last == 0 else None


def tree_behind(seq: int, prev: bytes) -> Tree | None:
    """What is known of a tree at a record that names this one as the one before it; None if that is none."""
    try:
        unhexlify(prev)
    except Error:
        return None
    return Tree(seq - 1, prev) if seq else Tree(0)


def objection(said: Any, seq: int, grown: Tree | None, since: int) -> str | None:
    """What is wrong with the tree that the checkpoint with this number names; None also when nobody can say.

    `grown`: over the records before it, as far as they are known; `since`: those from this number on are.
    """
    try:
        first, size, root = said["first"], said["size"], said["sha256"]
        if [*map(type, (first, size, root))] != [int, int, str] or len(said) != 3:
            raise TypeError
    except (KeyError, TypeError):
        return "its tree is not told as trees are"
    if first < 0 or size < 1 or first + size != seq:
        return f"its tree does not end at the record before it: {size} leaves from {first}"
    if grown is None or first < grown.first < since:
        return None
    if first != grown.first:
        return f"its tree begins at {first}, and the last checkpoint is {grown.first}"
    if grown.root().hex() != root:
        return "the root of its tree is not over the records before it"
    return None
