"""Power cuts in short, and the proof that the books would notice a loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stress import cut_volume, power_cut, syscall_injection


@pytest.mark.stress
@pytest.mark.timeout(180)
def test_what_was_acknowledged_survives_a_power_cut(tmp_path: Path) -> None:
    if why := cut_volume.missing():
        pytest.skip(f"the power cannot be cut here: {why}")
    loop = power_cut.run(tmp_path, cycles=3, seed=21, load_s_max=0.5)
    assert loop.faults == []
    assert len(loop.cycles) == 3
    assert len(loop.book.applied) > 500, "the load was too thin to show anything"


@pytest.mark.stress
@pytest.mark.timeout(180)
def test_flushes_that_do_nothing_are_found_out(tmp_path: Path) -> None:
    """The same cuts under a disk that lies: unless losses are reported, the test above shows nothing."""
    if why := cut_volume.missing() or syscall_injection.missing():
        pytest.skip(f"the power cannot be cut here: {why}")
    loop = power_cut.run(tmp_path, cycles=3, seed=22, load_s_max=0.5, lie=True)
    assert loop.book.lost, loop.summary()
