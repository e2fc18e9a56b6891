"""The report of reached lines and branches counts what is shipped, once."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from .tool_modules import tool_module

SOURCE = """fn burn() {
    if covers() { pay() } else { refuse() }
}

#[cfg(test)]
mod tests {
    fn helper() {}
}
"""
# Two instances of one generic function: each took one side of the branch.
EXPORTED = """SF:{path}
DA:1,2
DA:2,2
DA:3,0
DA:7,0
BRDA:2,0,0,1
BRDA:2,0,1,0
BRDA:2,0,0,-
BRDA:2,0,1,4
BRDA:7,0,0,0
end_of_record
SF:/elsewhere/std.rs
DA:1,0
end_of_record
"""


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    return tool_module("coverage_table")


def test_unit_tests_and_foreign_files_are_not_counted(tables: ModuleType, tmp_path: Path) -> None:
    """Lines behind the test module and files outside the tree are none of ours; a branch counts once."""
    path = tmp_path / "rust" / "drawdown-core" / "src" / "burn.rs"
    path.parent.mkdir(parents=True)
    path.write_text(SOURCE, encoding="utf-8")
    (one,) = tables.of_lcov(EXPORTED.format(path=path), tmp_path)
    assert one.path == "rust/drawdown-core/src/burn.rs"
    assert (one.lines, one.missing_lines) == (3, [3])
    assert (one.branches, one.missing_branches) == (2, [])
    assert "decide and apply           3   66.6 %         2  100.0 %" in tables.table([one])


def test_what_one_program_reached_is_reached(tables: ModuleType, tmp_path: Path) -> None:
    """Each program exports the file anew; one has a function in another shape, which the other has not."""
    path = tmp_path / "burn.rs"
    path.write_text(SOURCE, encoding="utf-8")
    programs = ("DA:1,0\nDA:2,0\nBRDA:2,0,0,0\nBRDA:2,0,1,0\n", "DA:2,1\nDA:3,0\nBRDA:2,0,1,3\n")
    text = "".join(f"SF:{path}\n{counts}end_of_record\n" for counts in programs)
    (one,) = tables.of_lcov(text, tmp_path)
    assert (one.lines, one.missing_lines) == (3, [1, 3])
    assert (one.branches, one.missing_branches) == (2, [2])


def test_a_file_whose_tests_stand_in_another_is_counted_to_its_end(
    tables: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "dedupe.rs"
    path.write_text("#[cfg(test)]\nmod tests;\n\n" + SOURCE, encoding="utf-8")
    assert tables.first_test_line(path) == 8


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("rust/drawdown-core/src/dedupe/group.rs", "remembered ids"),
        ("rust/drawdown-core/src/dedupe/tests.rs", None),
        ("rust/drawdown-core/tests/model.rs", None),
        ("rust/drawdown-node/src/hand_offs/images.rs", None),
        ("rust/drawdown-node/src/recovery.rs", "recovery, restore"),
        ("target/coverage/python/drawdown/billing/invoice.py", "billing"),
        ("target/coverage/python/drawdown/cli/main.py", None),
    ],
)
def test_every_path_has_one_room_or_none(tables: ModuleType, path: str, room: str | None) -> None:
    """What stands in for parts in tests has none."""
    assert tables.room_of(path) == room


def test_spans_join_neighbours(tables: ModuleType) -> None:
    """Lines are told as they are read: runs of them."""
    assert tables.spans([9, 4, 3, 5, 3]) == "3-5, 9"
    assert tables.spans([]) == ""


def test_the_side_of_an_assertion_that_nobody_may_reach_is_not_counted(
    tables: ModuleType, tmp_path: Path
) -> None:
    """Nor that of a bug planted on purpose; a branch beside them is."""
    path = tmp_path / "burn.rs"
    source = """fn burn() {
    debug_assert!(
        left >= 0,
        "never below zero"
    );
    if cfg!(feature = "planted-burn") {
        return;
    }
    if left == 0 {}
}
"""
    path.write_text(source, encoding="utf-8")
    branches = "".join(f"BRDA:{line},0,{side},{side}\n" for line in (2, 3, 6, 9) for side in (0, 1))
    (one,) = tables.of_lcov(f"SF:{path}\n{branches}end_of_record\n", tmp_path)
    assert (one.branches, one.missing_branches) == (2, [9])
