"""``drawdown serve`` whose control plane lives so many days ahead: what is due then is due now.

    python -m benches.ahead_server DAYS serve --data FOLDER …

The engine and everything else keep the present.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

from drawdown.cli.main import main
from drawdown.engine import Engine
from drawdown.runtime.control.control_plane import ControlPlane


def live_ahead(days: int) -> None:
    """Control planes opened in this process from now on are so many days ahead."""
    ahead_us = timedelta(days=days) // timedelta(microseconds=1)
    begin = ControlPlane.__init__

    def begin_ahead(plane: ControlPlane, engine: Engine, *given: Any, **settings: Any) -> None:
        begin(plane, engine, *given, **settings)
        plane.now_us = lambda: engine.now_us() + ahead_us

    ControlPlane.__init__ = begin_ahead  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    live_ahead(int(sys.argv.pop(1)))
    main()
