"""Watches of an embedded database: one thread looks after each commit group and wakes whoever watches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from drawdown.client.watch import News, TellsT, Watch
from drawdown.engine import Engine
from drawdown.errors import EngineHaltedError
from drawdown.runtime.watch_hub import Watcher, WatchHub

GROUP_WAIT_S = 0.5


class EmbeddedWatches:
    """The watches of one database. The thread lives while there are any."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.hub = WatchHub(engine)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._open: set[EmbeddedWatch[Any]] = set()

    def add(self, watch: EmbeddedWatch[TellsT], watcher: Watcher) -> None:
        """Wake the watcher from now on."""
        with self._lock:
            self.hub.add(watcher)
            self._open.add(watch)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watches", daemon=True)
                self._thread.start()

    def discard(self, watch: EmbeddedWatch[TellsT], watcher: Watcher) -> None:
        """Wake it no more."""
        with self._lock:
            self.hub.discard(watcher)
            self._open.discard(watch)

    def close(self) -> None:
        """End every watch."""
        for watch in tuple(self._open):
            watch.close()

    def _run(self) -> None:
        durable = 0
        while True:
            with self._lock:
                if not self._open:
                    self._thread = None
                    return
            try:
                durable = self.engine.wait_group(durable, GROUP_WAIT_S)
                self.hub.look()
            except EngineHaltedError:
                self.close()


class EmbeddedWatch(Watch[TellsT]):
    """One watch: reads the marked accounts when somebody asks for the next change."""

    def __init__(
        self,
        watches: EmbeddedWatches,
        accounts: Iterable[str],
        read: Callable[[str], Iterable[TellsT]],
    ) -> None:
        self._watches = watches
        self._read = read
        self._woken = threading.Event()
        self._news: News[TellsT] = News()
        self._waiting: deque[TellsT] = deque()
        self._closed = False
        self._watcher = Watcher(watches.engine, accounts, self._woken.set)
        watches.add(self, self._watcher)

    def __next__(self) -> TellsT:
        while not self._waiting:
            if self._closed:
                raise StopIteration
            self._woken.clear()
            self._look()
            if not self._waiting and not self._closed:
                self._woken.wait(self._watcher.wait_s())
        return self._waiting.popleft()

    def _look(self) -> None:
        for account in self._watcher.take():
            if self._closed:
                return
            self._watcher.looked_at(account)
            found = list(self._read(account))
            if found:
                # What is told is on disk, as everywhere.
                self._watches.engine.wait_durable(self._watches.engine.applied_seq())
            self._waiting.extend(tells for tells in found if self._news.remember(tells))

    def close(self) -> None:
        """End the watch. A second call changes nothing."""
        if not self._closed:
            self._closed = True
            self._watches.discard(self, self._watcher)
            self._woken.set()
