"""The command that corrects a usage event after the fact (semantics §7)."""

import msgspec

from drawdown.errors import InvalidRequestError
from drawdown.model.credits import AmountLike, decimal_text


class Correct(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="correct"
):
    """Exactly one of ``quantity``, ``credits`` (of a direct debit) and ``cancel``."""

    account: str
    event_id: str
    quantity: int | None = None
    credits: str | None = None
    cancel: bool = False
    correction_id: str | None = None
    regrant: bool = False
    """What would return to a voided or expired grant becomes a new grant instead of breakage."""


def correct(
    account: str,
    event_id: str,
    *,
    quantity: int | None = None,
    credits: AmountLike | None = None,
    cancel: bool = False,
    correction_id: str | None = None,
    regrant: bool = False,
) -> Correct:
    """The event was really of this ``quantity`` or ``credits``, or never was (``cancel``, which is final).

    Raises ``InvalidRequestError`` unless exactly one of the three is given.
    """
    if (quantity is not None) + (credits is not None) + bool(cancel) != 1:
        raise InvalidRequestError(
            "quantity: give exactly one of quantity, credits and cancel", field="quantity"
        )
    if quantity is not None and (isinstance(quantity, bool) or not isinstance(quantity, int)):
        raise InvalidRequestError(
            f"quantity: a quantity is a whole number, not {type(quantity).__name__}", field="quantity"
        )
    return Correct(
        account=account,
        event_id=event_id,
        quantity=quantity,
        credits=None if credits is None else decimal_text(credits, "credits"),
        cancel=bool(cancel),
        correction_id=correction_id,
        regrant=regrant,
    )
