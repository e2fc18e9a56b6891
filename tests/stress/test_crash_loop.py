"""The crash loop in short: eight lives, eight sudden ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stress import crash_loop


@pytest.mark.stress
@pytest.mark.timeout(180)
def test_nothing_acknowledged_is_lost_doubled_or_overspent(tmp_path: Path) -> None:
    """kill -9 at random moments under load, restart, re-send: the outside book agrees."""
    loop = crash_loop.run(tmp_path / "data", cycles=8, seed=20, load_s_max=0.6)
    summary = loop.summary()
    assert loop.faults == [], summary
    assert summary["cycles"] == 8
    assert summary["acknowledged"] > 1_000, "the load was too thin to show anything"
    assert summary["refused"] > 0, "no account ran dry, so overspending was never tempted"
    assert summary["known_by_duplicate"] > 0, "no sudden end fell between write and answer"
    assert summary["corrected"] > 20, summary
    assert summary["settled"] > 20 and summary["released"] > 5 and summary["lapsed"] > 0, summary
