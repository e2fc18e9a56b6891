"""The closed list of outcomes by rule (semantics §5.3), in order of precedence.

Mirrors ``rust/drawdown-core/src/status.rs`` and ``drawdown.v1.Status``; a test keeps the three equal.
``NOT_APPLIED`` is the mark of a command whose atomic group was refused for another command's sake.
"""

from typing import Final

STATUS_NAMES: Final = (
    "OK",
    "INVALID",
    "TOO_EARLY",
    "TOO_LATE",
    "ACCOUNT_UNKNOWN",
    "DUPLICATE",
    "CONFLICT",
    "ACCOUNT_SUSPENDED",
    "METER_UNKNOWN",
    "NOT_ENTITLED",
    "OVERFLOW",
    "LIMIT_REACHED",
    "INSUFFICIENT",
    "GRANT_UNKNOWN",
    "EVENT_UNKNOWN",
    "RESERVATION_UNKNOWN",
)

NOT_APPLIED: Final = "NOT_APPLIED"

_APPLIED: Final = frozenset({"OK", "DUPLICATE"})


def is_applied(status: str) -> bool:
    """Whether what was asked holds: applied now (``OK``) or by an earlier call (``DUPLICATE``)."""
    return status in _APPLIED


def is_refusal(status: str) -> bool:
    """Whether nothing of it is applied; ``CONFLICT`` counts as refused."""
    return status not in _APPLIED


def status_name(number: int) -> str:
    """Name of a ``drawdown.v1.Status`` number, 1 or more.

    Raises ``ValueError`` for a number of a newer version.
    """
    if not 1 <= number <= len(STATUS_NAMES):
        raise ValueError(f"status number {number} is not known to this version (1–{len(STATUS_NAMES)})")
    return STATUS_NAMES[number - 1]
