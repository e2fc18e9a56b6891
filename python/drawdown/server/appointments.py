"""When to come back: whoever is refused is given the next time at which his call can be done.

One pause for all has everybody come back at once to be refused again, and each refusal takes time that no
call is done in: of four times as many callers as can be served, each pausing a tenth of a second, half the
time went into telling them so. Appointments lie one behind the other, as far apart as the calls take, so
that those who keep them are served and few others come.
"""

import time
from collections.abc import Callable
from typing import Final

# At the earliest, and where nothing is known of the work.
SOONEST_S: Final = 0.1
# Not every appointment is kept, so no list of them is longer than callers are likely to wait.
LATEST_S: Final = 2.0
# Some come late and some never: a fifth more are asked than can be served, or a place stands empty.
OVERBOOKED: Final = 1.2
# Told in steps, so that the same few refusals are encoded once.
STEP_S: Final = 0.02


class Appointments:
    """The calendar of one queue. For use on the loop's thread only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._given_to = 0.0

    def next_s(self, work_s: float) -> float:
        """How long to wait before a call that takes so long: from ``SOONEST_S`` to ``LATEST_S``."""
        now = self._clock()
        behind = max(self._given_to, now + SOONEST_S) + work_s / OVERBOOKED
        self._given_to = min(behind, now + LATEST_S)
        return round((self._given_to - now) / STEP_S) * STEP_S
