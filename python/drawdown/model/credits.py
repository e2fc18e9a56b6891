"""Credits at the human edge: ``Decimal`` ⇄ integers of the credit type's smallest unit (10^-scale).

Exact both ways. Trailing zeros beyond the scale are fine; any other digit there is an error, never
a silent rounding. Floats are refused: their text is not the number that was meant.
"""

import re
from decimal import Context, Decimal, Inexact
from typing import Final, TypeAlias

from drawdown.errors import InvalidRequestError

AmountLike: TypeAlias = Decimal | int | str
"""Whole or decimal credits: ``Decimal("12.5")``, ``"12.5"`` or ``12``; an ``int`` is whole credits."""

SCALE_MAX: Final = 12
UNITS_MAX: Final = 2**63 - 1
UNITS_MIN: Final = -(2**63)

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")
# 19 digits of an i64 and 12 of a scale fit with room; Inexact makes a lost digit an error.
_EXACT = Context(prec=60, traps=[Inexact])


def decimal_text(amount: AmountLike, field: str = "amount") -> str:
    """The plain decimal text (``-?digits[.digits]``) of an amount, without an exponent.

    Raises ``InvalidRequestError`` naming ``field`` for floats, NaN, infinities and other text.
    """
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int | str):
        raise InvalidRequestError(
            f"{field}: give a Decimal, a whole number or decimal text, not {type(amount).__name__}"
            + (" (floats cannot say what was meant)" if isinstance(amount, float) else ""),
            field=field,
        )
    if isinstance(amount, Decimal):
        if not amount.is_finite():
            raise InvalidRequestError(f"{field}: {amount} is not a number of credits", field=field)
        if abs(amount.adjusted()) > 60:
            raise InvalidRequestError(f"{field}: {amount} is far outside the range of credits", field=field)
        return format(amount, "f")
    text = str(amount)
    if len(text) > 64 or not _DECIMAL.match(text):
        raise InvalidRequestError(
            f"{field}: {text[:64]!r} is not a decimal; write digits with at most one point, like 12.5",
            field=field,
        )
    return text


def require_scale(scale: int, field: str) -> None:
    """Raises ``InvalidRequestError`` naming ``field`` for a scale outside 0–12."""
    if not 0 <= scale <= SCALE_MAX:
        raise InvalidRequestError(f"{field}: {scale} is outside 0–{SCALE_MAX}", field=field)


def units_from_credits(amount: AmountLike, scale: int, field: str = "amount") -> int:
    """The amount in smallest units of 10^-``scale``.

    Raises ``InvalidRequestError`` naming ``field`` when a digit lies beyond the scale or the
    result leaves the signed 64-bit range.
    """
    text = decimal_text(amount, field)
    whole, _, fraction = text.partition(".")
    if fraction[scale:].strip("0"):
        raise InvalidRequestError(
            f"{field}: {text} has more than {scale} decimals, the scale of this credit type", field=field
        )
    units = int(whole + fraction[:scale].ljust(scale, "0"))
    if not UNITS_MIN <= units <= UNITS_MAX:
        raise InvalidRequestError(
            f"{field}: {text} at scale {scale} is outside the signed 64-bit range", field=field
        )
    return units


def credits_from_units(units: int, scale: int) -> Decimal:
    """The exact decimal of ``units`` × 10^-``scale``, without trailing zeros or exponent."""
    amount = _EXACT.scaleb(Decimal(units), -scale)
    if scale and units % 10 == 0:
        amount = amount.normalize(_EXACT)
        if int(amount.as_tuple().exponent) > 0:
            amount = amount.quantize(Decimal(1), context=_EXACT)
    return amount


def optional_credits(units: int | None, scale: int) -> Decimal | None:
    """``credits_from_units``, passing absence on."""
    return None if units is None else credits_from_units(units, scale)
