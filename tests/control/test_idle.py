"""With nothing to do, nobody looks again and again; what comes is dealt with at once all the same."""

from __future__ import annotations

import time
from pathlib import Path

import drawdown
from drawdown.cli.server_process import ServerProcess
from drawdown.client.sync import Connection

from .waiting import wait_until


def test_an_idle_control_plane_sleeps_and_wakes_for_what_is_put_down(tmp_path: Path) -> None:
    """Three seconds of nothing are a handful of looks; a crossing is a notice within a moment."""
    settings = {"payments": "test", "segment_bytes": str(1 << 20), "reserve_bytes": "0"}
    with (
        ServerProcess(tmp_path / "data", settings=settings) as process,
        drawdown.connect(process.target) as db,
    ):
        db.create_credit_type("credits")
        db.create_account("acme")
        db.create_grant("acme", "credits", amount="1", grant_id="one")
        db.notices("acme")
        time.sleep(0.5)
        before = _steps(db)
        time.sleep(3)
        looked = {name: count - before[name] for name, count in _steps(db).items()}
        # Ten a second and four a second, were they polls.
        assert looked["webhooks"] <= 3 and looked["scheduler"] <= 3, looked
        db.record("acme", credit_type="credits", credits="1", event_id="all")
        began = time.monotonic()
        wait_until(lambda: db.notices("acme", kinds=["balance.depleted"]).notices, 5)
        assert time.monotonic() - began < 1


def _steps(db: Connection) -> dict[str, int]:
    background = db.server_stats()[1]["background"]
    return {name: figures["steps"] for name, figures in background.items()}
