"""Faults of system calls in short: some of each phase."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stress import syscall_faults, syscall_injection


@pytest.mark.stress
@pytest.mark.timeout(240)
def test_a_failing_system_call_loses_nothing_and_leaves_a_folder_that_opens(tmp_path: Path) -> None:
    if why := syscall_injection.missing():
        pytest.skip(f"no faults can be put into system calls here: {why}")
    loop = syscall_faults.run(tmp_path / "data", points=8, seed=5, every=10)
    assert loop.faults == []
    assert len(loop.met) >= 8, "too few of the planned faults were met"
    assert len({point.phase.name for point in loop.met}) >= 4
    assert loop.endings[74] > 0, "no fault of the disk ended the server"


def test_the_sweep_visits_first_calls_of_every_place_before_second_ones() -> None:
    sweep = syscall_faults.Sweep()
    points = sweep.points()
    first = next(points)
    seen = {str(first)}
    for point in points:
        if point.injection.nth == 2:
            break
        seen.add(str(point))
        if point.phase.name != "start":
            sweep.is_through(point)
    assert len(seen) == sum(len(syscall_faults.places_of(phase)) for phase in syscall_faults.PHASES)
    assert {point.phase.name for point, _ in zip(points, range(19), strict=False)} == {"start"}
