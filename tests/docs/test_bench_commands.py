"""The measurements that pages name can be made: each is a program of the benchmark, with those options."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.durability import NO_AUDIT, Run, added, filesystem, table_of
from tests.docs.test_docs import PAGES, ROOT

COMMAND = re.compile(r"\./run python -m (bench\.\w+)([^`\n#]*)")
NAMED = sorted({
    (name, option)
    for page in [*PAGES, ROOT / "bench" / "README.md"]
    for name, rest in COMMAND.findall(page.read_text("utf-8"))
    for option in re.findall(r"--[a-z]+", rest) or [""]
})  # fmt: skip


@pytest.mark.parametrize(("name", "option"), NAMED)
def test_a_measurement_that_a_page_names_exists(name: str, option: str) -> None:
    spec = find_spec(name)

    assert spec is not None
    assert spec.origin is not None
    code = Path(spec.origin).read_text("utf-8")
    assert 'if __name__ == "__main__"' in code
    assert not option or f'"{option}"' in code


def test_the_audit_page_names_what_measures_its_costs() -> None:
    section = (ROOT / "docs/audit.md").read_text("utf-8").split("\n## What it costs\n")[1]

    assert {name for name, _ in COMMAND.findall(section)} >= {"bench.audit", "bench.durability"}


def run(rate: float, p50: float, disturbed: float = 0.0) -> Run:
    return Run(rate, 1e6 / rate, p50, 2 * p50, disturbed)


def test_what_is_added_is_the_median_of_pairs() -> None:
    without = [run(1000, 1), run(100, 10), run(500, 2)]
    runs = [run(500, 3), run(90, 11), run(300, 6)]

    found = added(runs, without)

    assert (found.ratio, found.low, found.high) == (0.6, 0.5, 0.9)
    assert (found.p50, found.p99, found.pairs) == (2, 4, 3)


def test_disturbed_rounds_are_left_out_while_enough_are_calm() -> None:
    without = [run(100, 1)] * 4
    calm, disturbed = run(90, 1), run(10, 9, 0.5)

    assert added([calm, calm, calm, disturbed], without).low == 0.9
    assert added([calm, calm, disturbed, disturbed], without).pairs == 4


def test_the_table_has_a_row_for_each_proxy() -> None:
    found = {("load", NO_AUDIT): [run(100, 1)], ("load", "synced"): [run(50, 3)]}

    table = table_of(found)

    assert list(table.columns[1].cells) == [NO_AUDIT, "synced"]
    assert list(table.columns[3].cells) == ["", "0.500 (0.500 to 0.500)"]


def test_a_folder_in_memory_is_told_from_a_disk() -> None:
    assert filesystem(Path("/proc/self")) == "proc"
