"""The tree is the one of RFC 9162, and a path leads to its root from the leaf that it was made for alone."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.audit.tree import BLOCK, SIZE, Levels, Tree, climb, objection, root_of, tree_behind

SIZES = st.integers(1, 70) | st.integers(BLOCK - 2, 3 * BLOCK + 5)


def leaves_of(count: int) -> list[bytes]:
    return [sha256(b"{%d" % number).digest() for number in range(count)]


def below(count: int) -> int:
    """The largest power of two that is smaller."""
    return 1 << (count - 1).bit_length() - 1


def by_the_letter(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 section 2.1.1."""
    if len(leaves) == 1:
        return leaves[0]
    left = below(len(leaves))
    return sha256(b"\x01" + by_the_letter(leaves[:left]) + by_the_letter(leaves[left:])).digest()


def path_by_the_letter(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 9162 section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    left = below(len(leaves))
    if index < left:
        return [*path_by_the_letter(index, leaves[:left]), by_the_letter(leaves[left:])]
    return [*path_by_the_letter(index - left, leaves[left:]), by_the_letter(leaves[:left])]


@given(SIZES)
def test_the_root_is_that_of_the_rfc(size: int) -> None:
    leaves = leaves_of(size)
    tree = Tree(7)
    for leaf in leaves:
        tree.add(leaf.hex().encode())

    assert tree.root() == root_of(b"".join(leaves)) == Levels(b"".join(leaves)).root == by_the_letter(leaves)
    assert tree.members() == {"first": 7, "size": size, "sha256": by_the_letter(leaves).hex()}
    assert repr(tree) == f"<Tree of {size} from 7>"


def test_a_tree_keeps_no_leaves() -> None:
    tree = Tree(0)
    for leaf in leaves_of(1000 * BLOCK + 3):
        tree.add(leaf.hex().encode())

    assert len(tree) == 1000 * BLOCK + 3
    assert len(tree._leaves) == 3
    assert len(tree._peaks) == (1000).bit_count()


@given(SIZES.flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_a_path_is_that_of_the_rfc_and_leads_to_the_root(drawn: tuple[int, int]) -> None:
    size, index = drawn
    leaves = leaves_of(size)
    levels = Levels(b"".join(leaves))

    path = levels.path(index)

    assert path == path_by_the_letter(index, leaves)
    assert climb(leaves[index], index, size, path) == levels.root


@given(SIZES.flatmap(lambda size: st.tuples(st.just(size), *[st.integers(0, size - 1)] * 2)), st.data())
def test_no_other_path_leads_to_the_root(drawn: tuple[int, int, int], data: st.DataObject) -> None:
    size, index, other = drawn
    leaves = leaves_of(size)
    levels = Levels(b"".join(leaves))
    path = levels.path(index)

    if other != index:
        assert climb(leaves[index], other, size, path) != levels.root
        assert climb(leaves[other], index, size, path) != levels.root
    assert climb(leaves[index], index, size, [*path, path[-1] if path else leaves[0]]) is None
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        assert climb(leaves[index], index, size, path[:at] + path[at + 1 :]) != levels.root
        spoilt = [*path[:at], bytes(SIZE), *path[at + 1 :]]
        assert climb(leaves[index], index, size, spoilt) != levels.root


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_leaf_that_is_in_no_tree_has_no_path(index: int, size: int) -> None:
    assert climb(bytes(SIZE), index, size, []) is None


def test_a_tree_is_told_as_it_is() -> None:
    tree = Tree(5, b"a" * 64, b"b" * 64)
    said = tree.members()

    assert objection(said, 7, tree, 5) is None
    assert "is not over the records" in str(objection(said | {"sha256": "0" * 64}, 7, tree, 5))
    assert "begins at 4" in str(objection(said | {"first": 4, "size": 3}, 7, tree, 5))
    assert "begins at 6" in str(objection(said | {"first": 6, "size": 1}, 7, tree, 5))
    for wrong in ({"size": 1}, {"first": 4}, {"first": -1, "size": 8}, {"first": 7, "size": 0}):
        assert "does not end" in str(objection(said | wrong, 7, tree, 5))
    for odd in (None, 5, {}, {**said, "first": "5"}, {**said, "size": True}, {**said, "more": 1}):
        assert objection(odd, 7, tree, 5) == "its tree is not told as trees are"


def test_a_tree_that_begins_elsewhere_is_not_judged() -> None:
    said = Tree(2, *[b"a" * 64] * 5).members()

    assert objection(said, 7, Tree(5, b"a" * 64, b"b" * 64), 6) is None
    assert objection(said, 7, None, 6) is None


def test_of_a_piece_one_record_before_it_is_known() -> None:
    behind = tree_behind(9, b"c" * 64)

    assert behind is not None
    assert (behind.first, len(behind)) == (8, 1)
    assert tree_behind(9, b"x" * 64) is None
    assert tree_behind(0, b"0" * 64) is not None
