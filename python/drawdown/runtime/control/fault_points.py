"""Where a crash test may end the process: between any two things that must not come apart.

Without ``arm`` (tests only) passing a point costs one comparison.
"""

import os
import signal

_left: int | None = None


def arm(number: int) -> None:
    """Kill this process, without any clean-up, when it passes its ``number``-th point from now."""
    global _left
    _left = number


def disarm() -> int:
    """Never mind; answers how many points were still to pass."""
    global _left
    left, _left = _left or 0, None
    return left


def pass_point() -> None:
    """A point of the control plane's work."""
    global _left
    if _left is None:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
