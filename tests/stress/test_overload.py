"""The quick form of the overload measurements: the books and the refusals; ratios are for a quiet machine."""

from __future__ import annotations

import pytest

from tests.stress.overload import CALLERS, MANY_CALLERS, WINDOWED, Overload, Row, judged

# Of one measurement beside other work a part may have had the processors and another not.
MEASUREMENTS = 3


@pytest.mark.timeout(240)
def test_beyond_capacity_refusals_are_definite_and_streams_go_on() -> None:
    for _ in range(MEASUREMENTS):
        if _streams_go_on():
            return
    raise AssertionError(
        "each time nothing was refused at 4x, or sixteen streams came to less than two fifths of four"
    )


def _streams_go_on() -> bool:
    """Whether it was an overload, and sixteen streams came near to what four did; what must hold on any
    machine is asserted."""
    found = Overload(seconds=0.7)
    found.run(times=(4,))
    assert found.faults == []
    beyond = found.row("unary, 4x")
    assert beyond.calls_ok > 0
    few, many = found.row("4 streams"), found.row("16 streams")
    assert many.refused == few.refused == many.unknown == {}
    return sum(beyond.refused.values()) > 0 and many.goodput > 0.4 * few.goodput


@pytest.mark.parametrize(("answered", "complaints"), [(5, 0), (0, 1)])
def test_a_quiet_caller_without_an_answer_is_no_fast_one(answered: int, complaints: int) -> None:
    """None of its calls was answered: there is no p99 to compare, and the goal is missed."""
    found = Overload(seconds=1.0, quiet_ms={"one stream": 30.0, "16 streams": 0.0 if not answered else 31.0})
    callers = (CALLERS, MANY_CALLERS)
    for name in (
        *callers,
        "unary, 1x",
        "unary, 4x",
        WINDOWED,
        "4 streams",
        "16 streams",
        "quiet caller beside 16 streams",
    ):
        found.rows.append(Row(name, 100.0, 100.0, calls=5, calls_ok=5))
    found.rows[-1].calls_ok = answered
    assert len(judged(found)) == complaints
