"""One background thread that does one thing again and again until it is stopped."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from drawdown.errors import EngineHaltedError

_log = logging.getLogger("drawdown.runtime")

STOP_S_MAX: Final = 30.0
_FOR_EVER_US: Final = 2**62


class Background:
    """Calls ``step`` until stopped; ``step`` answers how many seconds to pause before the next call.

    ``wake`` ends a pause early. A fault is logged and ``fault_pause_s`` waited, woken or not; an engine that
    has halted ends the thread. ``clock`` tells the time that ``wake_by`` is asked in, microseconds UTC.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], float],
        *,
        fault_pause_s: float,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.name = name
        self.steps = 0
        self.faults = 0
        self.busy_s = 0.0
        self._step = step
        self._fault_pause_s = fault_pause_s
        self._clock = clock
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._asleep_until_us = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` was called; long steps look at it."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Begin with the first step at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present step; returns when it has, or after 30 s."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S_MAX)

    def wake(self) -> None:
        """Call the next step at once, or as soon as the present one ends. From any thread."""
        self._woken.set()

    def wake_by(self, at_us: int) -> None:
        """The same, unless the thread wakes by itself by this instant of its clock."""
        if at_us < self._asleep_until_us:
            self._woken.set()

    def pause(self, seconds: float) -> bool:
        """Wait inside a step; True when the thread is to stop."""
        return self._stopping.wait(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            self._woken.clear()
            # Whatever is written from here on may be missed by this step: it wakes.
            self._asleep_until_us = _FOR_EVER_US
            try:
                pause = self._step()
                self.steps += 1
                if self._clock is not None:
                    self._asleep_until_us = self._clock() + int(pause * 1e6)
            except EngineHaltedError:
                _log.info("background work ends: the engine has stopped", extra={"work": self.name})
                return
            except Exception:
                self.faults += 1
                _log.exception("background work failed", extra={"work": self.name})
                # Not to be woken from: a fault that stays is no loop.
                self._stopping.wait(self._fault_pause_s)
                pause = 0.0
            self.busy_s += time.monotonic() - began
            if pause > 0:
                self._rest(pause)

    def _rest(self, pause: float) -> None:
        if not self._stopping.is_set():
            self._woken.wait(pause)
