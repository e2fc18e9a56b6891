"""Counts of lines and branches by file, and the rooms they are added up in."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

# Parts of the reliability plan; the first that fits a path has it.
ROOMS = (
    ("remembered ids", r"core/src/(dedupe|remembered_ids|key_run|key_scan|tail_scan|hash)"),
    (
        "decide and apply",
        r"core/src/(apply|burn|pricing|record|transitions|execute|\w+_commands)",
    ),
    ("rest of the core", r"rust/drawdown-core/src"),
    (
        "recovery, restore",
        r"node/src/(recovery|restore|repair|scan|salvage|replay|verify|key_window|meta)",
    ),
    ("checkpoints, passes", r"node/src/(checkpoint|chunk|remote_pass|retention|stored_settings)"),
    (
        "journal, commit",
        r"node/src/(commit|frame|segment|supply|progress|writer|aligned|threads|clock)",
    ),
    ("rest of the node", r"rust/drawdown-node/src"),
    ("wire", r"rust/drawdown-wire/src"),
    ("catalog", r"drawdown/catalog/"),
    ("subscriptions", r"drawdown/subscriptions/"),
    ("billing", r"drawdown/billing/"),
    ("payments", r"drawdown/payments/"),
    ("notices", r"drawdown/notices/"),
    ("runtime/control", r"drawdown/runtime/control/"),
    ("storage/sql", r"drawdown/storage/sql/"),
)
# Tests, and what stands in for a disk, a scheduler or a bug in them.
NOT_SHIPPED = re.compile(
    r"/tests?(/|\.rs$)|_builder/tests|/hand_offs|/simulation\.rs|/planted|/faults\.rs|/scheduled\.rs"
)
TEST_MODULE = re.compile(r"^#\[cfg\((all\()?test")
ASSERTION = re.compile(r"\b(debug_)?assert(_eq|_ne)?!\(")
# A constant in every build that is counted: a bug planted on purpose is compiled in by a feature of its own.
PLANTED = re.compile(r"^\s*if cfg!\(feature = \"planted-[a-z-]+\"\) \{$")


@dataclass
class FileCoverage:
    """One file: what could be reached, and what was not."""

    path: str
    lines: int = 0
    missing_lines: list[int] = field(default_factory=list)
    branches: int = 0
    missing_branches: list[int] = field(default_factory=list)
    """The line of each branch that was never taken; several of one line are several entries."""


def room_of(path: str) -> str | None:
    if NOT_SHIPPED.search(path):
        return None
    return next((name for name, pattern in ROOMS if re.search(pattern, path)), None)


def first_test_line(path: Path) -> int:
    """Where the unit tests of a Rust file begin: they stand at its end, or in a file of their own."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        stands_here = number < len(lines) and not lines[number].endswith(";")
        if TEST_MODULE.match(line) and stands_here:
            return number
    return 1 << 30


def unreachable_by_design(path: Path) -> set[int]:
    """The lines of assertions and of planted bugs: one side of their branches is there never to be taken."""
    source = path.read_text(encoding="utf-8")
    lines = {number for number, line in enumerate(source.splitlines(), 1) if PLANTED.match(line)}
    for found in ASSERTION.finditer(source):
        depth, end = 1, found.end()
        while depth and end < len(source):
            depth += {"(": 1, ")": -1}.get(source[end], 0)
            end += 1
        first = source.count("\n", 0, found.start()) + 1
        lines.update(range(first, first + source.count("\n", found.start(), end) + 1))
    return lines


def of_lcov(text: str, root: Path) -> list[FileCoverage]:
    """What llvm-cov exported of all programs, without unit tests and without the branches of assertions."""
    records: dict[Path, list[str]] = defaultdict(list)
    for record in text.split("end_of_record\n"):
        lines = record.splitlines()
        source = next((line[3:] for line in lines if line.startswith("SF:")), None)
        if source is not None and Path(source).is_relative_to(root):
            records[Path(source)] += (line for line in lines if line.startswith(("DA:", "BRDA:")))
    found: list[FileCoverage] = []
    for path, lines in records.items():
        end = first_test_line(path)
        one = FileCoverage(str(path.relative_to(root)))
        _count_lines(one, (line[3:] for line in lines if line.startswith("DA:")), end)
        branches = (line[5:] for line in lines if line.startswith("BRDA:"))
        _count_branches(one, branches, end, unreachable_by_design(path))
        found.append(one)
    return found


def _count_lines(one: FileCoverage, entries: Iterable[str], end: int) -> None:
    """A line counts once however many programs have it."""
    reached: dict[int, bool] = defaultdict(bool)
    for entry in entries:
        line, count = (int(part) for part in entry.split(",")[:2])
        reached[line] |= count > 0
    for line, was_reached in sorted(reached.items()):
        if line < end:
            one.lines += 1
            if not was_reached:
                one.missing_lines.append(line)


def _count_branches(one: FileCoverage, entries: Iterable[str], end: int, left_out: set[int]) -> None:
    """A branch counts once however many instances a generic function has."""
    taken: dict[tuple[str, ...], bool] = defaultdict(bool)
    for entry in entries:
        *place, count = entry.split(",")
        taken[tuple(place)] |= count not in ("-", "0")
    for (line, *_), was_taken in taken.items():
        if int(line) < end and int(line) not in left_out:
            one.branches += 1
            if not was_taken:
                one.missing_branches.append(int(line))


def of_python(report: dict[str, dict[str, dict[str, list[int]]]]) -> list[FileCoverage]:
    """What coverage.py wrote as JSON."""
    found: list[FileCoverage] = []
    for path, one in report["files"].items():
        executed, missing = one["executed_lines"], one["missing_lines"]
        gone = [abs(pair[0]) for pair in one["missing_branches"]]  # type: ignore[index]
        found.append(
            FileCoverage(
                path, len(executed) + len(missing), missing, len(one["executed_branches"]) + len(gone), gone
            )
        )
    return found


def table(files: Iterable[FileCoverage]) -> str:
    """Lines and branches reached, by room."""
    sums: dict[str, list[int]] = {name: [0, 0, 0, 0] for name, _ in ROOMS}
    for one in files:
        room = room_of(one.path)
        if room is None:
            continue
        counts = (one.lines, len(one.missing_lines), one.branches, len(one.missing_branches))
        sums[room] = [total + count for total, count in zip(sums[room], counts, strict=True)]
    rows = [f"{'room':<20} {'lines':>7} {'reached':>8} {'branches':>9} {'reached':>8}"]
    for room, (lines, missed, branches, untaken) in sums.items():
        if lines:
            reached = f"{share(lines, missed):>8} {branches:>9,} {share(branches, untaken):>8}"
            rows.append(f"{room:<20} {lines:>7,} {reached}")
    return "\n".join(rows)


def share(all_of_them: int, missing: int) -> str:
    if all_of_them == 0:
        return "-"
    per_mille = (all_of_them - missing) * 1_000 // all_of_them
    return f"{per_mille // 10}.{per_mille % 10} %"


def spans(lines: Iterable[int]) -> str:
    """``3-5, 9`` of 3, 4, 5, 9."""
    runs: list[list[int]] = []
    for line in sorted(set(lines)):
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
