"""Repeats: how long to wait before one (exponential, full jitter, bounded), and how many at most."""

from __future__ import annotations

import random
from typing import Final

from drawdown.errors import DrawdownError, OverloadedError

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


class RetryBudget:
    """How many repeats an overloaded server gets from one client: a tenth of its calls, and a few at first.

    Without a bound, clients that repeat what was shed keep a server overloaded that could recover. A repeat
    after a break or a restart is not counted: nobody serves then whom it could crowd.
    """

    FIRST: Final = 20.0
    SHARE: Final = 0.1

    def __init__(self) -> None:
        self._left = self.FIRST

    def called(self) -> None:
        """A call is made for the first time."""
        self._left = min(self.FIRST, self._left + self.SHARE)

    def allows(self, refused: DrawdownError) -> bool:
        """Whether to repeat what was refused so; a repeat of shed work is counted."""
        if not refused.retryable:
            return False
        if not isinstance(refused, OverloadedError) or refused.reason != OverloadedError.reason:
            return True
        if self._left < 1:
            return False
        self._left -= 1
        return True
