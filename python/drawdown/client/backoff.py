"""How long to wait before a repeat: exponential, with full jitter, bounded."""

from __future__ import annotations

import random

FIRST_S = 0.05


class Backoff:
    """Delays of one sequence of failures: at random below 50 ms, 100 ms, 200 ms … up to ``delay_s_max``.

    Full jitter keeps clients that failed together from returning together.
    """

    def __init__(self, delay_s_max: float) -> None:
        self._delay_s_max = delay_s_max
        self._failures = 0

    def next_s(self) -> float:
        """Seconds to wait after one more failure; never 0, so that a loop cannot spin."""
        ceiling = min(self._delay_s_max, FIRST_S * 2 ** min(self._failures, 30))
        self._failures += 1
        return max(0.005, random.uniform(0, ceiling))

    def reset(self) -> None:
        """The last attempt succeeded."""
        self._failures = 0
