"""What is planted exists: each rule stands where it is looked for, each test that must notice has its row."""

from __future__ import annotations

from collections import Counter

from ..tidy.tree import ROOT
from .planted_rules import PLANTS

SECTIONS = ("S0", "S1", "S2", "S3", "S4")
EACH_AT_LEAST = 3


def test_every_section_has_planted_rules() -> None:
    counts = Counter(plant.section.partition("-")[0] for plant in PLANTS)
    assert set(counts) == set(SECTIONS)
    assert min(counts.values()) >= EACH_AT_LEAST, counts
    assert len({plant.name for plant in PLANTS}) == len(PLANTS)


def test_a_planted_rule_stands_once_and_its_test_names_the_row() -> None:
    """So that the long run finds what it looks for; ``make stress`` plants them all."""
    for plant in PLANTS:
        rule = (ROOT / "python" / "drawdown" / plant.file).read_text("utf-8")
        assert rule.count(plant.old) == 1, f"{plant.name}: {plant.file}"
        file, _, test = plant.tests.partition("::")
        before, found, _ = (ROOT / file).read_text("utf-8").partition(f"def {test}(")
        assert found, plant.tests
        marks = before.rpartition("\n\n\n")[2]
        assert f'"{plant.section}"' in marks, f"{plant.tests} does not name {plant.section}"
