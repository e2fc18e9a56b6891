"""Background work: a fault is logged and waited out, a stop ends it."""

import threading
import time

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


def test_a_wake_ends_a_pause_and_one_for_later_does_not() -> None:
    steps: list[int] = []
    stepped = threading.Event()

    def step() -> float:
        steps.append(len(steps))
        stepped.set()
        return 60.0

    # Its clock is not the machine's: that one may have been set meanwhile.
    clock_us = 1_700_000_000_000_000
    work = Background("test", step, fault_pause_s=60, clock=lambda: clock_us)
    work.start()
    assert stepped.wait(10)
    stepped.clear()
    work.wake()
    assert stepped.wait(10)
    # It wakes by itself before that instant; there is nothing to hurry for.
    stepped.clear()
    time.sleep(0.05)
    work.wake_by(clock_us + 3_600_000_000)
    assert not stepped.wait(0.2)
    work.wake_by(clock_us + 1_000_000)
    assert stepped.wait(10)
    work.stop()
    assert len(steps) == 3


def test_a_wake_while_a_step_runs_is_not_lost() -> None:
    entered, go_on = threading.Event(), threading.Event()
    steps: list[int] = []

    def step() -> float:
        steps.append(len(steps))
        entered.set()
        assert go_on.wait(10)
        return 60.0

    work = Background("test", step, fault_pause_s=60)
    work.start()
    assert entered.wait(10)
    entered.clear()
    work.wake_by(2**61)
    go_on.set()
    assert entered.wait(10)
    work.stop()
    assert len(steps) == 2


def test_wakes_do_not_hurry_a_fault() -> None:
    failed = threading.Event()

    def step() -> float:
        failed.set()
        raise RuntimeError("again and again")

    work = Background("test", step, fault_pause_s=60)
    work.start()
    assert failed.wait(10)
    for _ in range(20):
        work.wake()
        time.sleep(0.005)
    assert work.faults == 1
    work.stop()
