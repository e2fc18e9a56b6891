"""The quick form of the overload measurements: the books and the refusals; ratios are for a quiet machine."""

from __future__ import annotations

import pytest

from tests.stress.overload import Overload


@pytest.mark.timeout(120)
def test_beyond_capacity_refusals_are_definite_and_streams_go_on() -> None:
    found = Overload(seconds=0.7)
    found.run(times=(4,))
    assert found.faults == []
    beyond = found.row("unary, 4x")
    assert sum(beyond.refused.values()) > 0
    assert beyond.calls_ok > 0
    few, many = found.row("4 streams"), found.row("16 streams")
    assert many.refused == few.refused == many.unknown == {}
    assert many.goodput > 0.4 * few.goodput
