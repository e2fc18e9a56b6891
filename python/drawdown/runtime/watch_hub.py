"""Who watches which accounts, and which of them have to be looked at again.

The engine marks watched accounts as they change; after each commit group the hub takes the marks and
wakes whoever watches them. What no entry says, that a grant starts or ends, a watcher is told by time:
it asks the engine when that will be. Nothing is polled, and marks are sets, so however much happens
between two looks a watcher holds each account at most once.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Final

from drawdown.engine import Engine
from drawdown.errors import InvalidRequestError, OverloadedError

ACCOUNTS_MAX: Final = 1000
WATCHERS_MAX: Final = 10_000
# A look that comes a moment early would find nothing.
_LATE_US: Final = 500
# So long a wait is cut in pieces: where the wall clock was set back the engine's goes slower.
WAIT_S_MAX: Final = 60.0


class Watcher:
    """The accounts of one watch. Safe to mark from any thread."""

    def __init__(self, engine: Engine, accounts: Iterable[str], wake: Callable[[], None]) -> None:
        self.accounts = frozenset(accounts)
        if not 1 <= len(self.accounts) <= ACCOUNTS_MAX:
            raise InvalidRequestError(
                f"accounts: a watch has 1–{ACCOUNTS_MAX} accounts, not {len(self.accounts)}", field="accounts"
            )
        self._engine = engine
        self._wake = wake
        self._lock = threading.Lock()
        self._changed: set[str] = set(self.accounts)
        self._due_us: dict[str, int] = {}

    def mark(self, accounts: Iterable[str]) -> None:
        """These have to be looked at again."""
        with self._lock:
            self._changed.update(accounts)
        self._wake()

    def take(self) -> list[str]:
        """Accounts to look at now, by mark or by time; the first time all of them."""
        now_us = self._engine.now_us()
        with self._lock:
            taken = self._changed | {account for account, at in self._due_us.items() if at <= now_us}
            self._changed = set()
        return sorted(taken)

    def looked_at(self, account: str) -> None:
        """Ask the engine when the account changes next by time alone."""
        at = self._engine.next_transition(account)
        if at is None:
            self._due_us.pop(account, None)
        else:
            self._due_us[account] = at + _LATE_US

    def wait_s(self) -> float:
        """Seconds until an account is due by time, at most a minute."""
        if not self._due_us:
            return WAIT_S_MAX
        left = (min(self._due_us.values()) - self._engine.now_us()) / 1e6
        return min(max(left, 0.0), WAIT_S_MAX)


class WatchHub:
    """All watchers of one engine. Safe to use from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._watchers: dict[str, set[Watcher]] = {}
        self._all: set[Watcher] = set()

    def __len__(self) -> int:
        return len(self._all)

    def add(self, watcher: Watcher) -> None:
        """Wake this watcher from now on. Raises ``OverloadedError`` at the limit."""
        with self._lock:
            if len(self._all) >= WATCHERS_MAX:
                raise OverloadedError(f"{WATCHERS_MAX} watches are open already")
            self._all.add(watcher)
            for account in watcher.accounts:
                known = self._watchers.setdefault(account, set())
                if not known:
                    self._engine.watch(account)
                known.add(watcher)

    def discard(self, watcher: Watcher) -> None:
        """Wake it no more."""
        with self._lock:
            if watcher not in self._all:
                return
            self._all.discard(watcher)
            for account in watcher.accounts:
                known = self._watchers[account]
                known.discard(watcher)
                if not known:
                    del self._watchers[account]
                    self._engine.unwatch(account)

    def look(self) -> None:
        """Take the engine's marks and pass them on. Call after each commit group."""
        if not self._all:
            return
        with self._lock:
            every, accounts = self._engine.take_changed()
            marked: dict[Watcher, set[str]] = {}
            for account in accounts:
                for watcher in self._watchers.get(account, ()):
                    marked.setdefault(watcher, set()).add(account)
            if every:
                marked = {watcher: set(watcher.accounts) for watcher in self._all}
        for watcher, changed in marked.items():
            watcher.mark(changed)
