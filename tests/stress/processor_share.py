"""A process held to a part of one processor, by a control group: clients beside it can then overload it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

PERIOD_US = 10_000
ROOT = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def held_to(pid: int, percent: int) -> Iterator[bool]:
    """Hold the process to ``percent`` of one processor; False where the machine forbids it."""
    group = _make(percent)
    if group is None:
        yield False
        return
    try:
        (group / "cgroup.procs").write_text(str(pid))
        yield True
    finally:
        # Only an empty group can be removed.
        for left in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (group.parent / "cgroup.procs").write_text(left)
        with contextlib.suppress(OSError):
            group.rmdir()


def _make(percent: int) -> Path | None:
    quota_us = PERIOD_US * percent // 100
    name = f"drawdown-{os.getpid()}-{percent}"
    for parent, limits in (
        (ROOT / "cpu", {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(quota_us)}),
        (ROOT, {"cpu.max": f"{quota_us} {PERIOD_US}"}),
    ):
        group = parent / name
        try:
            if not (parent / "cgroup.procs").exists():
                continue
            group.mkdir()
            for limit, value in limits.items():
                (group / limit).write_text(value)
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        return group
    return None
