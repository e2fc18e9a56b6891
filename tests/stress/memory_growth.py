"""Does memory grow? A slope of resident memory, how sure it is, and what follows from both.

Memory breathes: buffers come and go, freed pages stay for a while, a table is built anew. Single samples say
little and neighbours say the same thing twice. So samples are brought together in blocks of time, a block's
median is one observation, and the error of the slope allows for what neighbours repeat of each other. Of
blocks of several lengths the largest error counts: what goes up and down for minutes shows in long blocks.
"""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# Quantile of the normal distribution that one tail of 2.5 % lies behind.
SURE = 1.959964
# Fewer observations than this say nothing of how far they scatter.
BLOCKS_MIN = 6
# Of a deviation, in the next one.
REPEATED_MAX = 0.9


class Verdict(StrEnum):
    """What can be said against a limit."""

    FLAT = "flat within what can be told"
    GROWS = "grows"
    UNKNOWN = "not long enough to tell"


@dataclass(frozen=True)
class Sample:
    """Resident memory at an instant."""

    at_s: float
    life: int
    """Which process: one that was started again has its memory to find anew."""
    resident: int
    """Bytes."""


@dataclass(frozen=True)
class Growth:
    """Percent of the level an hour."""

    percent_per_hour: float = 0.0
    error: float = math.inf
    """Half the width of the interval that holds the true slope 95 times in 100, in the same unit."""
    level: int = 0
    """Bytes, the median."""
    hours: float = 0.0
    """How long the slope was watched, without warm-up."""

    def verdict(self, limit: float) -> Verdict:
        """``FLAT`` where the whole interval is within the limit, ``GROWS`` where all of it is beyond."""
        if self.percent_per_hour + self.error <= limit:
            return Verdict.FLAT
        if self.percent_per_hour - self.error > limit:
            return Verdict.GROWS
        return Verdict.UNKNOWN

    def hours_wanted(self, limit: float) -> float:
        """About how long memory that breathes like this, and does not grow, has to be watched to show it.

        The error of a slope falls with the time to the power of 3/2.
        """
        return self.hours * max(1.0, self.error / limit) ** (2 / 3)

    def summary(self, limit: float) -> dict[str, Any]:
        return {
            "verdict": self.verdict(limit),
            "mib": self.level >> 20,
            "percent_per_hour": round(self.percent_per_hour, 2),
            "error": round(self.error, 2) if math.isfinite(self.error) else None,
            "minutes": round(self.hours * 60, 1),
        }

    def complaints(self, limit: float) -> list[str]:
        """Where memory was shown to grow."""
        if self.verdict(limit) is not Verdict.GROWS:
            return []
        return [f"memory {Verdict.GROWS}: {self._in_words(limit)}"]

    def unshown(self, limit: float) -> list[str]:
        """Where neither was shown; how long it would take."""
        if self.verdict(limit) is not Verdict.UNKNOWN:
            return []
        if math.isinf(self.error):
            return [f"memory: {Verdict.UNKNOWN}: {self.hours * 60:.0f} minutes are left after warm-up"]
        minutes = self.hours_wanted(limit) * 60
        return [f"memory: {Verdict.UNKNOWN}: {self._in_words(limit)}; like this it takes some {minutes:.0f}"]

    def _in_words(self, limit: float) -> str:
        return (
            f"{self.percent_per_hour:.1f} ± {self.error:.1f} % an hour in {self.hours * 60:.0f} minutes"
            f" after warm-up, wanted at most {limit:g}"
        )


def longest_life(samples: list[Sample]) -> list[Sample]:
    """Those of the process that was seen the most."""
    lives: dict[int, list[Sample]] = {}
    for each in samples:
        lives.setdefault(each.life, []).append(each)
    return max(lives.values(), key=len, default=[])


def growth(life: list[Sample], block_s: float, warm_from_s: float = 0.0) -> Growth:
    """The slope of one life without its first third and without what is before ``warm_from_s``."""
    blocks = _blocks(_warm(life, warm_from_s), block_s)
    if len(blocks) < BLOCKS_MIN:
        return Growth(hours=len(blocks) * block_s / 3600)
    level = statistics.median(resident for _, resident in blocks)
    percent = 100 / level
    slope, error = _slope(blocks)
    while len(blocks) // 2 >= BLOCKS_MIN:
        blocks = _joined(blocks)
        error = max(error, _slope(blocks)[1])
        block_s *= 2
    hours = (blocks[-1][0] - blocks[0][0] + block_s) / 3600
    return Growth(slope * percent * 3600, error * percent * 3600, int(level), hours)


def _warm(life: list[Sample], warm_from_s: float) -> list[Sample]:
    if not life:
        return []
    begins = max(warm_from_s, life[0].at_s + (life[-1].at_s - life[0].at_s) / 3)
    return [each for each in life if each.at_s >= begins]


def _blocks(samples: list[Sample], block_s: float) -> list[tuple[float, float]]:
    """The middle of each whole block of time, and the median in it."""
    found: dict[int, list[int]] = {}
    for each in samples:
        found.setdefault(int((each.at_s - samples[0].at_s) / block_s), []).append(each.resident)
    ends = samples[-1].at_s - samples[0].at_s if samples else 0.0
    # The last sample of a whole block lies a little before its end.
    return [
        ((number + 0.5) * block_s, statistics.median(of))
        for number, of in sorted(found.items())
        if (number + 1) * block_s <= ends + block_s / 8
    ]


def _joined(blocks: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Two and two; an odd one at the begin is left out."""
    even = blocks[len(blocks) % 2 :]
    return [
        ((one[0] + other[0]) / 2, (one[1] + other[1]) / 2)
        for one, other in zip(even[::2], even[1::2], strict=True)
    ]


def _slope(blocks: list[tuple[float, float]]) -> tuple[float, float]:
    """Bytes a second by least squares, and half of its interval."""
    mean_at = statistics.fmean(at for at, _ in blocks)
    mean = statistics.fmean(resident for _, resident in blocks)
    spread = sum((at - mean_at) ** 2 for at, _ in blocks)
    slope = sum((at - mean_at) * (resident - mean) for at, resident in blocks) / spread
    off = [resident - mean - slope * (at - mean_at) for at, resident in blocks]
    freedom = len(blocks) - 2
    scatter = sum(each**2 for each in off) / freedom
    return slope, _student(freedom) * _repeated(off) * math.sqrt(scatter / spread)


def _repeated(off: list[float]) -> float:
    """What an error grows by as each deviation repeats a part of the one before it."""
    squares = sum(each**2 for each in off)
    if not squares:
        return 1.0
    seen = sum(one * other for one, other in itertools.pairwise(off)) / squares
    # Deviations from a line of their own make look smaller what they repeat.
    part = min(REPEATED_MAX, max(0.0, seen + (1 + 4 * seen) / len(off)))
    return math.sqrt((1 + part) / (1 - part))


def _student(freedom: int) -> float:
    """Student's quantile for ``SURE`` by its expansion: right to a thousandth from 4 degrees on."""
    z = SURE
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
