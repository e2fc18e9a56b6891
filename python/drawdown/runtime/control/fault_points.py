"""Where a crash test may end the process: between any two things that must not come apart.

Without ``arm`` (tests only) passing a point costs one comparison.
"""

import os
import signal
import threading
from pathlib import Path
from typing import Final

# Every point by name; each stands between two things that must not come apart.
POINTS: Final = {
    "call.decided": "a call's rows are written, its transaction is not committed",
    "call.committed": "a call is committed, nothing of it has reached the engine",
    "group.delivering": "the next group of the outbox is about to go to the engine",
    "group.applied": "the engine has applied a group, the outbox does not know",
    "groups.durable": "the engine has delivered groups on disk, the outbox does not know",
    "effect.asking": "a job is about to ask the outside world",
    "effect.answered": "the outside world has answered, nothing of it is written",
    "jobs.decided": "rows of jobs are written, their transaction is not committed",
    "jobs.committed": "jobs are committed, nothing of them has reached the engine",
    "clock.advanced": "an account's own clock has moved to the instant of a job that is not done",
}

_ending = threading.Lock()
_left: int | None = None
_tell: Path | None = None


def arm(number: int, *, tell: Path | None = None) -> None:
    """Kill this process, without any clean-up, when it passes its ``number``-th point from now.

    The name of that point is written into the file ``tell`` before.
    """
    global _left, _tell
    _left, _tell = number, tell


def disarm() -> int:
    """Never mind; answers how many points were still to pass."""
    global _left
    left, _left = _left or 0, None
    return left


def pass_point(name: str) -> None:
    """A point of the control plane's work, by its name in ``POINTS``."""
    global _left
    if _left is None:
        return
    assert name in POINTS, name
    # Another thread that comes to a point meanwhile waits for the end: it would empty the file first.
    with _ending:
        if _left is None:
            return
        _left -= 1
        if _left <= 0:
            if _tell is not None:
                _tell.write_text(name, "utf-8")
            os.kill(os.getpid(), signal.SIGKILL)
