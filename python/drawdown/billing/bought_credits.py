"""The credits of a purchase, in whichever grants they stand now. Pure.

::

    purchase:p ──transfer of a part──→ transfer:…:rest ──note over a part──→ note:…:rest
         ╰──────────refund──────────→ refunding:… (pending) ──→ void, or released where no money went back

What takes a part of a grant away voids it and creates its rest anew, and the rest names the same purchase.
What was transferred is another account's, and bought by nobody there. While a refund waits for the provider
its credits are pending: nobody can spend them, and they are still there where the provider refuses.
"""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Final

from drawdown.billing.purchase import Purchase
from drawdown.billing.transfer import grant_like
from drawdown.billing.withdrawal import ADJUSTS, ALLOCATED, cost_of
from drawdown.model import commands
from drawdown.model.credits import decimal_text
from drawdown.model.results import Grant
from drawdown.subscriptions.identifiers import derived

# Ids of rests begin so; a grant of somebody who only names the purchase as its source is his own.
_ASIDE_PREFIX: Final = "refunding:"
_REST_PREFIXES: Final = ("transfer:", "note:", _ASIDE_PREFIX)


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


def held_of(purchase: Purchase, grants: Iterable[Grant]) -> Decimal:
    """Of its credits, so many are held by reservations, which may need them or give them back."""
    return sum((each.held for each in grants_with(purchase, grants)), Decimal(0))


def is_aside(grant: Grant) -> bool:
    """Whether it waits for the money of a refund."""
    return grant.state == "pending" and grant.grant_id.startswith(_ASIDE_PREFIX)


def taken_of(purchase: Purchase, grants: Iterable[Grant]) -> Decimal:
    """Of its credits, so many are void or wait to be."""
    own = grants_with(purchase, grants)
    return voided_of(purchase, own) + sum((each.remaining for each in own if is_aside(each)), Decimal(0))


def put_aside(grant: Grant, refund_key: str) -> commands.VoidGrant | commands.VoidAndReplace:
    """The step after which what is free of the grant is pending; none of it where nothing is."""
    free = grant.remaining - grant.held
    if free <= 0:
        return commands.VoidGrant(account=grant.account, grant_id=grant.grant_id)
    pending = grant_like(
        grant,
        derived(_ASIDE_PREFIX.removesuffix(":"), refund_key, grant.grant_id),
        commands.formula(grant.grant_id, minus=Decimal(0)),
        cost_of(grant, free),
        grant.source_reference,
        # Its line allocates what it did before: a later note takes its part of that.
        metadata={
            **grant.metadata,
            ALLOCATED: grant.metadata.get(ALLOCATED, "") or decimal_text(grant.amount),
            ADJUSTS: grant.metadata.get(ADJUSTS, grant.grant_id),
        },
        pending=True,
    )
    return commands.VoidAndReplace(account=grant.account, void=[grant.grant_id], create=[pending])


def unspent_share(purchase: Purchase, taken: Decimal, withdrawn: Decimal) -> Fraction:
    """The share of what it still stands for, after so much was withdrawn before, that was ``taken`` now."""
    if taken <= 0:
        return Fraction(0)
    return Fraction(taken) / Fraction(purchase.credits - withdrawn)
