"""What a credit note takes back of a grant: the unspent part of what was allocated too much. Pure.

A note over all that is left of its line withdraws everything unspent. A note over a part withdraws the same
part of what the line allocated, as far as it is unspent: the grant is voided and its rest created anew
beside it, measured in the engine's step.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Final

from drawdown.billing.transfer import grant_like
from drawdown.model import commands
from drawdown.model.credits import credits_from_units, decimal_text
from drawdown.model.money import Money
from drawdown.model.results import Grant
from drawdown.subscriptions.identifiers import derived

# Metadata of a rest: what its line still allocates, and the delivery that it stands for.
ALLOCATED: Final = "allocated"
ADJUSTS: Final = "adjusts"


def rest_id(note_id: str) -> str:
    """The grant of what a note over a part leaves."""
    return derived("note", note_id, "rest")


def withdrawal(
    account: str, grant: Grant, *, note_id: str, part: Fraction, reason: str
) -> commands.VoidGrant | commands.VoidAndReplace:
    """The step that withdraws ``part`` of what the grant's line allocated."""
    if part >= 1:
        return commands.VoidGrant(account=account, grant_id=grant.grant_id, reason=reason)
    allocated = Decimal(grant.metadata.get(ALLOCATED, "") or grant.amount)
    units = Fraction(allocated) * part * 10**grant.scale
    withdrawn = credits_from_units(units.numerator // units.denominator, grant.scale)
    rest = grant_like(
        grant,
        rest_id(note_id),
        commands.formula(grant.grant_id, minus=withdrawn),
        cost_of(grant, max(Decimal(0), grant.remaining - grant.held - withdrawn)),
        grant.source_reference,
        metadata={
            **grant.metadata,
            ALLOCATED: decimal_text(allocated - withdrawn),
            ADJUSTS: grant.metadata.get(ADJUSTS, grant.grant_id),
        },
        pending=grant.state == "pending",
    )
    return commands.VoidAndReplace(account=account, void=[grant.grant_id], create=[rest])


def cost_of(grant: Grant, credits: Decimal) -> Money | None:
    """The share that so many of its credits have in what it cost; ``None``: none."""
    if grant.cost_minor <= 0 or not credits:
        return None
    return Money(grant.cost_minor, grant.cost_currency).times(Fraction(credits) / Fraction(grant.amount))
