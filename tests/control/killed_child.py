"""A child that kills itself somewhere in its work, forked from a process without threads."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

RANDOM = "any moment"


class Told(msgspec.Struct):
    """How a child ended."""

    killed_at: str
    """The point it was killed at; empty: it came to its end."""
    seconds: float


def in_child(work: Callable[[], bytes], answer: Path, *, point: int | None, kill_after_s: float = 0) -> Told:
    """Do ``work`` in a child that is killed at its ``point``-th point, or after some time.

    The parent must have one thread: of others the child would have the locks and not what lets go of them.
    """
    from drawdown.runtime.control import fault_points

    threads = os.listdir("/proc/self/task")
    assert len(threads) == 1, f"a process with {len(threads)} threads is no parent: use one without"
    where = answer.with_suffix(".point")
    where.unlink(missing_ok=True)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            if point is not None:
                fault_points.arm(point, tell=where)
            told = work()
            fault_points.disarm()
            answer.write_bytes(told)
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(3)
    if kill_after_s:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    took = time.monotonic() - began
    if os.WIFSIGNALED(status):
        return Told(where.read_text("utf-8") if where.exists() else RANDOM, took)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"point {point}: the story ended with {os.waitstatus_to_exitcode(status)}")
    return Told("", took)
