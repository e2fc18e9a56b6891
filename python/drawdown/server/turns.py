"""Who is next when several callers want to be: turns by bytes, so that one of them cannot crowd the others.

ring    each caller that waits has a line; a visit lets it spend QUANTUM_BYTES, what is left it keeps
"""

import asyncio
from collections import deque
from typing import Final

# What a caller's batches of one visit may weigh; a larger batch saves up for some visits.
QUANTUM_BYTES: Final = 64 << 10
# What a batch costs besides its bytes: a call is work even when it carries little.
BATCH_BYTES: Final = 2 << 10

Turn = asyncio.Future[None]


class Line:
    """What one caller has waiting in one ring."""

    __slots__ = ("bytes", "saved", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[tuple[int, Turn]] = deque()
        self.bytes = 0
        self.saved = 0


class Ring:
    """Lines that are visited in turn (deficit round robin). For use on the loop's thread only."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque()
        self.bytes = 0
        """All that waits."""

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: Line, batch_bytes: int, turn: Turn) -> None:
        """Have ``turn`` set when it comes."""
        if not line.waiting:
            self._lines.append(line)
        cost = batch_bytes + BATCH_BYTES
        line.waiting.append((cost, turn))
        line.bytes += cost
        self.bytes += cost

    def give_round(self) -> None:
        """Visit every line once."""
        for _ in range(len(self._lines)):
            self._visit()
            while self._give_first():
                pass
            self._leave()

    def give_one(self) -> bool:
        """Give the next turn; whether anything waited."""
        while self._lines:
            # The line at the head goes on until what it may spend is spent.
            if self._give_first():
                if not self._lines[0].waiting:
                    self._leave()
                return True
            if self._lines[0].waiting:
                self._lines.rotate(-1)
                self._visit()
            else:
                self._leave()
        return False

    def _visit(self) -> None:
        self._lines[0].saved += QUANTUM_BYTES

    def _leave(self) -> None:
        line = self._lines.popleft()
        if line.waiting:
            self._lines.append(line)
        else:
            line.saved = 0

    def _give_first(self) -> bool:
        """Whether the line at the head could pay for its first turn, and has it now."""
        line = self._lines[0]
        while line.waiting:
            cost, turn = line.waiting[0]
            gone = turn.done()
            if not gone and cost > line.saved:
                return False
            line.waiting.popleft()
            line.bytes -= cost
            self.bytes -= cost
            # A call that was cancelled meanwhile costs its caller nothing.
            if not gone:
                line.saved -= cost
                turn.set_result(None)
                return True
        return False
