"""Streams that are open, by whose they are: so many each, and so many in all."""


class OpenStreams:
    """Counts of streams. For use on the loop's thread only."""

    def __init__(self, of_one_max: int, in_all_max: int | None = None) -> None:
        self._of_one_max = of_one_max
        self._in_all_max = in_all_max
        self._counts: dict[str, int] = {}
        self._in_all = 0

    def __len__(self) -> int:
        return self._in_all

    def of(self, whose: str) -> int:
        """How many this one has open."""
        return self._counts.get(whose, 0)

    def begin(self, whose: str) -> bool:
        """Count one more, where there is room for it."""
        if self.of(whose) >= self._of_one_max:
            return False
        if self._in_all_max is not None and self._in_all >= self._in_all_max:
            return False
        self._counts[whose] = self.of(whose) + 1
        self._in_all += 1
        return True

    def end(self, whose: str) -> None:
        """One that was begun is open no more."""
        self._in_all -= 1
        left = self._counts[whose] - 1
        if left:
            self._counts[whose] = left
        else:
            del self._counts[whose]
