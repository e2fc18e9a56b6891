"""``drawdown serve`` whose control plane lives so many days ahead: what is due then is due now.

    python -m benches.ahead_server DAYS serve --data FOLDER …

The engine and everything else keep the present.
"""

from __future__ import annotations

import sys
from datetime import timedelta

from drawdown.cli.main import main
from drawdown.model.instants import now_us
from drawdown.runtime.control.control_plane import ControlPlane


def live_ahead(days: int) -> None:
    """Control planes opened in this process from now on are so many days ahead."""
    ahead_us = timedelta(days=days) // timedelta(microseconds=1)
    defaults = ControlPlane.__init__.__kwdefaults__
    assert defaults is not None and "clock" in defaults
    defaults["clock"] = lambda: now_us() + ahead_us


if __name__ == "__main__":
    live_ahead(int(sys.argv.pop(1)))
    main()
