"""The credits of a purchase, in whichever grants they stand now. Pure.

::

    purchase:p ──transfer of a part──→ transfer:…:rest ──note over a part──→ note:…:rest

What takes a part of a grant away voids it and creates its rest anew, and the rest names the same purchase.
What was transferred is another account's, and bought by nobody there.
"""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Final

from drawdown.billing.purchase import Purchase
from drawdown.model.results import Grant

# Ids of rests begin so; a grant of somebody who only names the purchase as its source is his own.
_REST_PREFIXES: Final = ("transfer:", "note:")


def grants_with(purchase: Purchase, grants: Iterable[Grant]) -> list[Grant]:
    """The grant that it bought, and those that took its place one after the other."""
    return [
        each
        for each in grants
        if each.grant_id == purchase.grant_id
        or (
            each.source_reference == purchase.purchase_id
            and each.source in ("purchase", "recharge")
            and each.grant_id.startswith(_REST_PREFIXES)
        )
    ]


def voided_of(purchase: Purchase, grants: Iterable[Grant]) -> Decimal:
    """Of its credits, so many are void."""
    return sum((each.voided for each in grants_with(purchase, grants)), Decimal(0))


def unspent_share(purchase: Purchase, taken: Decimal, withdrawn: Decimal) -> Fraction:
    """The share of what it still stands for, after so much was withdrawn before, that was ``taken`` now."""
    if taken <= 0:
        return Fraction(0)
    return Fraction(taken) / Fraction(purchase.credits - withdrawn)
