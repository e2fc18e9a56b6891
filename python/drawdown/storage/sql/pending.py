"""Changes that a transaction holds back until it is read again or committed.

Rows are written many at a time, and a part of a transaction that fails is taken back without a word to
the database, unless some of it had to be written already.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

# Stands for "there was nothing", where ``None`` is a value.
ABSENT: Final = object()


class PartWrittenError(Exception):
    """A part that failed had been written already: only the whole transaction can be taken back."""


class Pending:
    """What can still be taken back, in the order it was done."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] | None = None
        self._writes = 0

    def note(self, undo: Callable[[], None]) -> None:
        """Something changed in memory; ``undo`` puts back what was there."""
        if self._undo is not None:
            self._undo.append(undo)

    def wrote(self) -> None:
        """The database was written to."""
        self._writes += 1

    def wrote_out(self) -> None:
        """What was held back is written. A part that has changed nothing yet can still be taken back alone:
        what was written is of those before it."""
        if self._undo:
            self._writes += 1

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part that can fail by itself: what it changed is taken back, and the fault goes on.

        Raises ``PartWrittenError`` from the fault where that is not possible any more. Not nested.
        """
        writes, self._undo = self._writes, []
        try:
            yield
        except Exception as fault:
            if self._writes != writes:
                raise PartWrittenError from fault
            for undo in reversed(self._undo):
                undo()
            raise
        finally:
            self._undo = None


def put_back(kept: dict[Any, Any], at: Any, before: object) -> None:
    """The entry as it was before a change."""
    if before is ABSENT:
        kept.pop(at, None)
    else:
        kept[at] = before
