"""The sweeper's rest follows what its steps work, not how long they stand behind ingest."""

import time
from typing import cast

from drawdown.engine import Engine
from drawdown.runtime.sweeper import Sweeper


class _BusyEngine:
    """An engine whose lock others hold: a step waits long and works next to nothing."""

    def expire_due(self, grants_max: int) -> tuple[int, int, bool]:
        time.sleep(0.05)
        return 1, grants_max, True


def test_a_step_that_only_waited_earns_no_rest() -> None:
    engine = cast(Engine, _BusyEngine())
    sweeper = Sweeper(engine, interval_s=1.0, grants=512, share_percent=25)
    assert sweeper.step() < 0.05, "by the wall clock it would rest three times the wait"
    assert sweeper.booked == 512
