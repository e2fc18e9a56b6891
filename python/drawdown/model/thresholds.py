"""Low-balance thresholds as people give them: credits, or a percentage of what was granted like ``"20%"``.

A percentage is of the sum of the original amounts of the grants in force: begun, not over, not voided, used
up or not. Spending does not move it; grants that come and go do. It comes to credits by rounding down.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

from drawdown.model.credits import AmountLike, decimal_text

Threshold: TypeAlias = Decimal | str
"""Credits, or the text of a percentage."""


def threshold_text(given: AmountLike) -> str:
    """What the engine reads. Raises ``InvalidRequestError`` naming ``thresholds`` for what is neither a
    decimal nor ends in ``%``; which percentages there are the engine says."""
    if isinstance(given, str) and given.endswith("%") and len(given) <= 64:
        return given
    return decimal_text(given, "thresholds")


def threshold_of(text: str) -> Threshold:
    """The threshold that a message carries."""
    return text if text.endswith("%") else Decimal(text)
