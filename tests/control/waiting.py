"""Waiting for what happens beside the call: recharges, deliveries, jobs of the scheduler."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Return when ``holds()`` does; an ``AssertionError`` where it does not in time."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
