"""Background work: a fault is logged and waited out, a stop ends it."""

import threading

from drawdown.errors import EngineHaltedError
from drawdown.runtime.background import Background


def test_a_fault_does_not_end_the_work() -> None:
    done = threading.Event()
    calls: list[int] = []

    def step() -> float:
        calls.append(len(calls))
        if len(calls) == 1:
            raise RuntimeError("once")
        done.set()
        return 60.0

    work = Background("test", step, fault_pause_s=0.001)
    work.start()
    assert done.wait(10)
    work.stop()
    assert (work.faults, work.steps) == (1, 1)


def test_a_halted_engine_ends_the_work() -> None:
    ended = threading.Event()

    def step() -> float:
        ended.set()
        raise EngineHaltedError("closed")

    work = Background("test", step, fault_pause_s=60)
    work.start()
    assert ended.wait(10)
    work.stop()
    assert work.faults == 0
