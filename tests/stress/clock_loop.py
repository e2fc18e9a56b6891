"""The crash loop under a clock that is set to and fro: ``python -m tests.stress.clock_loop``.

Clients keep the true time. The server's wall clock is stepped while it runs and before each start, by more
than an hour each time, so that no step is followed but for a gap at a start; what the clients were told must
hold all the same. Reservations are left to the story in ``test_clock_steps.py``: the book of those judges
lapses by the true time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.stress.crash_loop import CrashLoop
from tests.stress.false_clock import DAY_S, HOUR_S, FalseClock
from tests.stress.server_process import ServerProcess

STEPS_S = (-400 * DAY_S, -2 * HOUR_S, 0, 2 * HOUR_S, 400 * DAY_S)
STEP_EVERY_S = 0.15


@dataclass
class ClockLoop(CrashLoop):
    """A crash loop whose server lives under a false clock."""

    steps: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.clock = FalseClock(self.folder.parent / "clock")
        self.server = ServerProcess(self.folder, *self.flags, under=self.clock.under)
        self.reservers = []

    def _step(self) -> None:
        self.clock.set(self.random.choice(STEPS_S))
        self.steps += 1

    async def _step_on(self) -> None:
        while True:
            self._step()
            await asyncio.sleep(STEP_EVERY_S)

    async def _live_and_die(self, number: int) -> None:
        stepping = asyncio.create_task(self._step_on())
        try:
            await super()._live_and_die(number)
        finally:
            stepping.cancel()

    def _end(self) -> None:
        super()._end()
        # Not +400 days and trusted: nobody vouches for this clock, so at a start it is held as well.
        self._step()


def run(folder: Path, *, cycles: int, seed: int) -> ClockLoop:
    """All cycles and the final judgement."""
    loop = ClockLoop(folder / "data", seed)
    asyncio.run(loop.run(cycles))
    return loop


def main() -> int:
    """Print one JSON line; 0 iff nothing was lost, doubled or overspent."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.clock_loop")
    parser.add_argument("--cycles", type=int, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drawdown-clock-") as root:
        loop = run(Path(root), cycles=arguments.cycles, seed=arguments.seed)
    print(json.dumps({**loop.summary(), "steps": loop.steps}))
    return 1 if loop.faults else 0


if __name__ == "__main__":
    sys.exit(main())
