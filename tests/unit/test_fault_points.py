"""Points at which crash tests end the process: the name of the one that did it is always told."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from drawdown.runtime.control import fault_points


class SlowFile:
    """Takes its time, and knows whether two wrote to it at once."""

    def __init__(self) -> None:
        self.writing = 0
        self.at_once = 0
        self.told: list[str] = []

    def write_text(self, name: str, encoding: str) -> None:
        self.writing += 1
        self.at_once = max(self.at_once, self.writing)
        time.sleep(0.05)
        self.told.append(name)
        self.writing -= 1


def test_threads_that_come_to_points_at_once_do_not_tell_over_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second would empty the file in which the first has just told, and the kill would leave it so."""
    file = SlowFile()
    monkeypatch.setattr(fault_points.os, "kill", lambda *_: None)
    fault_points.arm(1, tell=file)  # type: ignore[arg-type]
    names = ("call.committed", "group.delivering", "group.applied")
    threads = [threading.Thread(target=fault_points.pass_point, args=(name,)) for name in names]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    fault_points.disarm()
    assert (file.at_once, sorted(file.told)) == (1, sorted(names))


def test_nothing_ends_without_being_asked_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ended: list[int] = []
    monkeypatch.setattr(fault_points.os, "kill", lambda _, signal: ended.append(signal))
    fault_points.pass_point("call.decided")
    fault_points.arm(2, tell=tmp_path / "point")
    fault_points.pass_point("call.decided")
    assert fault_points.disarm() == 1 and ended == []
    fault_points.pass_point("call.committed")
    assert ended == [] and not (tmp_path / "point").exists()
