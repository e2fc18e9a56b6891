"""The instants of a grant that somebody is told of: it begins, it ends soon, it has ended. Pure.

::

    created ──→ activated ──→ expiring_soon (once per lead time) ──→ expired
       │ effective_at            expires_at − lead                    expires_at

Which of them are told follows from the grant's dates and the order of the journal, so that a relay that
was away tells the same as one that was there; but of a grant that was used up meanwhile it does not say that
it ends soon, or has ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from drawdown.errors import ConfigError
from drawdown.model.results import Grant

ACTIVATED: Final = "grant.activated"
EXPIRING_SOON: Final = "grant.expiring_soon"
EXPIRED: Final = "grant.expired"
_UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400}


class GrantInstant(msgspec.Struct, frozen=True, order=True):
    """At ``at`` a notice of ``kind`` is due."""

    at: datetime
    kind: str
    lead_s: int = 0


def lead_times(text: str) -> tuple[int, ...]:
    """``"7d,1d"`` as seconds, the longest first. Raises ``ConfigError``."""
    found = set()
    for part in filter(None, (each.strip() for each in text.split(","))):
        matched = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", part)
        if matched is None:
            raise ConfigError(
                f"expiring_soon: {part!r} is no lead time; write one like 7d, 12h or 30m",
                field="expiring_soon",
            )
        found.add(int(matched[1]) * _UNITS[matched[2]])
    return tuple(sorted(found, reverse=True))


def instants_of(grant: Grant, leads_s: Iterable[int]) -> list[GrantInstant]:
    """In order. A lead time that is as long as the grant lives is none."""
    begins = grant.effective_at
    found = [] if begins is None else [GrantInstant(begins, ACTIVATED)]
    if grant.expires_at is not None:
        for lead in leads_s:
            at = grant.expires_at - timedelta(seconds=lead)
            if begins is None or at > begins:
                found.append(GrantInstant(at, EXPIRING_SOON, lead))
        found.append(GrantInstant(grant.expires_at, EXPIRED))
    return sorted(found)


def state_at_creation(grant: Grant, *, pending: bool, now: datetime) -> str:
    """What the grant was when it was made, whatever it is now."""
    if pending:
        return "pending"
    if grant.expires_at is not None and grant.expires_at <= now:
        return "expired"
    return "scheduled" if grant.effective_at is not None and now < grant.effective_at else "active"


def is_told(instant: GrantInstant, grant: Grant) -> bool:
    """Of an end only where something is left that ends."""
    return instant.kind == ACTIVATED or left(grant) > 0


def left(grant: Grant) -> Any:
    """What was not burned, wherever it has gone since."""
    return grant.amount - grant.burned


def body_of(grant: Grant) -> dict[str, str]:
    """What every notice about a grant says."""
    said = {
        "grant_id": grant.grant_id,
        "credit_type": grant.credit_type,
        "amount": f"{grant.amount:f}",
        "category": grant.category,
        "source": grant.source,
    }
    if grant.effective_at is not None:
        said["effective_at"] = _text(grant.effective_at)
    if grant.expires_at is not None:
        said["expires_at"] = _text(grant.expires_at)
    return said


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
