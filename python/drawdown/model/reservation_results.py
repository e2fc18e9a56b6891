"""Results of reservations and corrections: frozen values, amounts in exact ``Decimal`` credits."""

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from drawdown.model.instants import optional_instant
from drawdown.model.results import CommandResult
from drawdown.model.status import is_applied

_NONE = Decimal(0)
NOTHING_OPEN: Final = frozenset({"OK", "DUPLICATE", "CONFLICT", "RESERVATION_UNKNOWN"})
"""Statuses of a settle or a release behind which nothing is open under the id."""


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Truthy when what was asked holds now: by this call (``OK``) or by an earlier one (``DUPLICATE``)."""

    status: str
    available: Decimal | None = None
    """The pool's available right after this; ``None`` where no pool is known."""
    reason: str = ""
    seq: int = 0

    @property
    def applied(self) -> bool:
        """Holds now."""
        return is_applied(self.status)

    def __bool__(self) -> bool:
        return self.applied


class ReservationResult(_Outcome, frozen=True, kw_only=True):
    """What was set aside."""

    reservation_id: str
    held: Decimal = _NONE
    """From grants."""
    headroom: Decimal = _NONE
    """Of overdraft or overage: guaranteed, whatever the policy becomes."""
    uncovered: Decimal = _NONE
    """Under policy ``partial``: the part that nothing stands behind."""
    shortfall: Decimal | None = None
    """On ``INSUFFICIENT`` and ``LIMIT_REACHED``: what was missing."""
    expires_at: datetime | None = None
    """When it lapses by itself."""


class SettleResult(_Outcome, frozen=True, kw_only=True):
    """What a reservation ended with."""

    charged: Decimal = _NONE
    """In total, the extra included."""
    returned: Decimal = _NONE
    """What was held and not used."""
    extra: Decimal = _NONE
    """Charged beyond what was held."""
    uncovered: Decimal = _NONE


class ReleaseResult(_Outcome, frozen=True, kw_only=True):
    """What a released reservation gave back."""

    returned: Decimal = _NONE


class CorrectionResult(_Outcome, frozen=True, kw_only=True):
    """What a correction changed."""

    charged: Decimal = _NONE
    """The event's total from now on."""
    difference: Decimal = _NONE
    """Of this correction: negative when credits came back."""
    returned: Decimal = _NONE


class OpenReservation(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation that is neither settled, released nor lapsed."""

    account: str
    reservation_id: str
    credit_type: str
    scale: int
    meter: str | None = None
    """``None``: it was made by credit type."""
    quantity: int | None = None
    """As reserved; ``None``: it was made by credits."""
    held: Decimal = _NONE
    headroom: Decimal = _NONE
    created_at: datetime | None = None
    expires_at: datetime | None = None
    seq: int = 0


def reservation_result(result: CommandResult, reservation_id: str) -> ReservationResult:
    """The outcome of ``reserve``."""
    facts = result.facts
    return ReservationResult(
        status=result.status,
        reservation_id=reservation_id,
        held=facts.get("held", _NONE),
        headroom=facts.get("headroom", _NONE),
        uncovered=facts.get("uncovered", _NONE),
        available=facts.get("available"),
        shortfall=facts.get("shortfall"),
        expires_at=optional_instant(facts.get("expires_at")),
        reason=result.reason,
        seq=result.seq,
    )


def settle_result(result: CommandResult) -> SettleResult:
    """The outcome of ``settle``."""
    facts = result.facts
    return SettleResult(
        status=result.status,
        charged=facts.get("charged", _NONE),
        returned=facts.get("returned", _NONE),
        extra=facts.get("extra", _NONE),
        uncovered=facts.get("uncovered", _NONE),
        available=facts.get("available"),
        reason=result.reason,
        seq=result.seq,
    )


def release_result(result: CommandResult) -> ReleaseResult:
    """The outcome of ``release``."""
    return ReleaseResult(
        status=result.status,
        returned=result.facts.get("returned", _NONE),
        available=result.facts.get("available"),
        reason=result.reason,
        seq=result.seq,
    )


def correction_result(result: CommandResult) -> CorrectionResult:
    """The outcome of ``correct``."""
    facts = result.facts
    return CorrectionResult(
        status=result.status,
        charged=facts.get("charged", _NONE),
        difference=facts.get("difference", _NONE),
        returned=facts.get("returned", _NONE),
        available=facts.get("available"),
        reason=result.reason,
        seq=result.seq,
    )
