"""Callers that send usage: who they are, how much they send, and their turns on the loop's thread.

Batches that are ready go to the engine one after the other on the loop's thread. A caller with a hundred
streams would have a hundred of them ready at a time, and another caller's single batch would stand behind
all of them. Where more than one caller sends, a batch therefore waits for its turn: every pass of the loop
is one round. Where one caller sends there are no rounds: its batches are done as they come, so many in a
pass of the loop as leave it short (``loop_pass.py``).
"""

import asyncio
from typing import Final, Protocol

from drawdown.server.access import Principal
from drawdown.server.turns import Line, Ring

# Callers of the last tick are those that turns are taken among.
TICK_S: Final = 0.25
FORGET_TICKS: Final = 240
# Turns are taken for so long after the last tick in which several sent: a caller whose calls come rarely, or
# too late to be answered, is not alone each time again.
CONTENDED_TICKS: Final = 8
# A caller that sent a large batch in a call is taken to send more of them, for so long.
LARGE_TICKS: Final = 4


class Connected(Protocol):
    """What tells connections apart: the context of a gRPC call, or an HTTP request."""

    def peer(self) -> str: ...


class Sender:
    """One caller: all streams and calls of one key, or of one connection without keys."""

    __slots__ = (
        "active",
        "bytes",
        "bytes_before",
        "calls",
        "idle_ticks",
        "large_bytes",
        "large_ticks",
        "line",
        "seen",
        "streams",
    )

    def __init__(self) -> None:
        self.bytes = 0
        """Taken since the tick; the service counts it."""
        self.bytes_before = 0
        self.seen = True
        """Has called since the tick, whatever became of that."""
        self.active = False
        """Was among those that sent in the last tick."""
        self.streams = 0
        """Open ones: a caller that has some is not forgotten."""
        self.idle_ticks = 0
        self.large_bytes = 0
        """Of the last large batch in a call of its own; 0: of late there was none."""
        self.large_ticks = 0
        self.line = Line()
        """Waiting for a turn on the loop."""
        self.calls = Line()
        """Waiting for a place in the queue of large calls."""


class Senders:
    """The callers of one server. For use on the loop's thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._by_name: dict[str, Sender] = {}
        self._ring = Ring()
        self._ticking: asyncio.TimerHandle | None = None
        self._active_bytes = 0
        self._contended_ticks = 0
        self.active = 0
        """Callers that sent in the last tick."""
        self.contended = False
        """Several callers send: every batch waits for its turn."""
        self.large_calls = False
        """Somebody sends large batches in calls of their own; the service sets it, a tick takes it back."""

    def of(self, caller: Principal, context: Connected) -> Sender:
        """The sender of a call: its key, or without keys its connection."""
        name = caller.key_id or context.peer()
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name[name] = Sender()
            if self._ticking is None:
                self._ticking = self._loop.call_later(TICK_S, self._tick)
        self.calls(found)
        return found

    def calls(self, sender: Sender) -> None:
        """The sender has begun a call, or sent a batch over a stream: whatever becomes of it."""
        sender.seen = True
        if self.active > sender.active:
            # Somebody else sends: no tick is waited for, as this may stand behind large batches.
            self._contend()

    async def turn(self, sender: Sender, batch_bytes: int) -> None:
        """Return when it is this sender's turn."""
        turn = self._loop.create_future()
        if not self._ring:
            self._loop.call_soon(self._round)
        self._ring.add(sender.line, batch_bytes, turn)
        await turn

    def is_over_share(self, sender: Sender) -> bool:
        """Whether the caller sends its part of everything or more; one that sends alone does."""
        mine = max(sender.bytes, sender.bytes_before)
        return self.active < 2 or mine * self.active >= self._active_bytes

    def close(self) -> None:
        """No further ticks; turns go on."""
        if self._ticking is not None:
            self._ticking.cancel()

    def _round(self) -> None:
        self._ring.give_round()
        if self._ring:
            self._loop.call_soon(self._round)

    def _contend(self) -> None:
        self.contended, self._contended_ticks = True, CONTENDED_TICKS

    def _tick(self) -> None:
        """Count who sent, forget who has not for a while."""
        active = total = 0
        for name, sender in tuple(self._by_name.items()):
            if sender.seen or sender.bytes or sender.line.waiting or sender.calls.waiting:
                active += 1
                total += sender.bytes
                sender.idle_ticks = 0
                sender.active = True
            else:
                sender.active = False
                sender.idle_ticks += 1
                if sender.idle_ticks > FORGET_TICKS and not sender.streams:
                    del self._by_name[name]
            sender.seen = False
            sender.bytes_before, sender.bytes = sender.bytes, 0
            sender.large_ticks += 1
            if sender.large_ticks > LARGE_TICKS:
                sender.large_bytes = 0
        self.large_calls = any(sender.large_bytes for sender in self._by_name.values())
        self.active, self._active_bytes = active, total
        self._contended_ticks -= 1
        if active > 1:
            self._contend()
        elif self._contended_ticks <= 0:
            self.contended = False
        self._ticking = self._loop.call_later(TICK_S, self._tick) if self._by_name else None
