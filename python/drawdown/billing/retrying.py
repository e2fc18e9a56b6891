"""When a declined payment of a renewal is tried again. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

RETRY_PREFIX: Final = "retry."
# At the provider; an invoice's own key begins otherwise.
ADVANCE_KEY: Final = "advance:"


def retries_from(days: str) -> tuple[timedelta, ...]:
    """The text of the setting, like ``1,3,5,7``, in order; empty: none."""
    return tuple(timedelta(days=each) for each in sorted({int(each) for each in days.split(",") if each}))


def next_retry(failed_at: datetime, retries: Sequence[timedelta], after: datetime) -> datetime | None:
    """The next instant of the schedule; what was passed over, as in a downtime, is not made up for."""
    return next((failed_at + each for each in retries if failed_at + each > after), None)


def attempt_key(invoice_id: str, attempts: int) -> str:
    """Ours at the provider for the attempt after so many that failed: each asks for the money once."""
    return f"{RETRY_PREFIX}{attempts}:{invoice_id}" if attempts else invoice_id


def advance_key(invoice_id: str) -> str:
    """Ours at the provider for what is asked for before the invoice is final."""
    return f"{ADVANCE_KEY}{invoice_id}"


def attempt_of(key: str) -> tuple[str, int]:
    """The invoice and how many attempts had failed before the one of this key."""
    number, colon, invoice_id = key.removeprefix(RETRY_PREFIX).partition(":")
    if key.startswith(RETRY_PREFIX) and colon and number.isdecimal():
        return invoice_id, int(number)
    return key, 0
