"""One caller that sends usage without a pause: how much of it is taken, and how long a batch takes."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from typing import Any

from drawdown import connect
from drawdown.errors import DrawdownError

ACCOUNTS = 200
BATCH = 50


def p99(times: list[float]) -> float:
    """0 where there are none."""
    return sorted(times)[len(times) * 99 // 100] if times else 0.0


class Sender:
    """Usage without a pause, each event of one credit; every batch acknowledged before the next."""

    def __init__(self, target: str) -> None:
        self.acknowledged = 0
        self.failures: list[str] = []
        self.latencies_ms: list[float] = []
        """Of every batch, in their order."""
        self._target = target
        self._ended = threading.Event()
        self._may_send = threading.Event()
        self._rests = threading.Event()
        self._may_send.set()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        numbers = itertools.count()
        with connect(self._target) as database:
            while not self._ended.is_set():
                if not self._may_send.is_set():
                    self._rests.set()
                    self._may_send.wait(0.05)
                    continue
                events = [
                    {"account": f"a{n % ACCOUNTS}", "meter": "calls", "quantity": 1, "event_id": f"e{n}"}
                    for n in itertools.islice(numbers, BATCH)
                ]
                began = time.perf_counter()
                try:
                    results = database.record_batch(events)
                except DrawdownError as error:
                    self.failures.append(str(error))
                    continue
                self.latencies_ms.append((time.perf_counter() - began) * 1000)
                self.acknowledged += sum(result.status == "OK" for result in results)

    def rate_over(self, seconds: float) -> float:
        """Events acknowledged per second from now on."""
        before, began = self.acknowledged, time.monotonic()
        time.sleep(seconds)
        return (self.acknowledged - before) / (time.monotonic() - began)

    @contextlib.contextmanager
    def resting(self) -> Any:
        """Nothing is under way inside."""
        self._rests.clear()
        self._may_send.clear()
        assert self._rests.wait(60)
        try:
            yield
        finally:
            self._may_send.set()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(60)
