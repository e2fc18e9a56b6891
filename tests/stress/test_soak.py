"""The soak for seconds: every part of it runs, and the books are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stress.soak import KILL, RSS_SLOPE_MAX, Soak, memory_growth


@pytest.mark.timeout(180)
def test_a_soak_of_seconds_keeps_its_books(tmp_path: Path) -> None:
    found = Soak(tmp_path, slice_s=4.0)
    found.run(3, ["connections cut", KILL])
    assert found.wrong == []
    assert found.restarts == 1
    # On a busy machine a start takes longer than what is left of the slice with the kill.
    assert all(each.events > 0 for each in found.slices if each.fault != KILL)
    assert found.slices[-1].invoices > found.slices[0].invoices
    assert {each.life for each in found.memory} == {0, 1}
    assert all(each.rss > 0 and each.key_bytes > 0 for each in found.slices)
    # Seconds prove nothing about memory, and are not taken for a proof.
    assert "not long enough to tell" in memory_growth(found).unshown(RSS_SLOPE_MAX)[0]
