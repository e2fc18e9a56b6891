"""A purchase: money for credits, from the asking to the grant (semantics §10). Pure.

::

    pending ──→ paid ──→ granted ──→ refunded
       │  ╲      ↑
       │   ╲→ action_required ──→ failed
       └──────────────────────────↗

``paid`` and ``granted`` are two steps on purpose: a crash between them finds ``paid`` and makes the
grant, whose id follows from the purchase, so that it is made once. Callbacks may repeat or overtake
each other: ``moved`` never leaves a later state for an earlier one.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from drawdown.errors import InvalidRequestError
from drawdown.model import commands
from drawdown.model.ids import check_id
from drawdown.model.money import Money
from drawdown.model.request import Value

STATES: Final = ("pending", "action_required", "paid", "granted", "failed", "refunded")
KINDS: Final = ("top_up", "pack", "recharge")
REFUND_POLICIES: Final = ("take_unspent", "into_debt", "freeze")
_NEXT: Final[dict[str, frozenset[str]]] = {
    # Straight to granted: billed later, on an invoice.
    "pending": frozenset({"action_required", "paid", "granted", "failed"}),
    "action_required": frozenset({"paid", "failed"}),
    "paid": frozenset({"granted", "refunded"}),
    "granted": frozenset({"refunded"}),
    "failed": frozenset(),
    "refunded": frozenset(),
}


class Purchase(Value, frozen=True):
    """Credits to be had for money. What is charged and what is granted are separate numbers."""

    purchase_id: str
    account: str
    customer_id: str
    kind: str
    credit_type: str
    credits: Decimal
    price: Money
    created_at: datetime
    state: str = "pending"
    pack_id: str = ""
    quantity: int = 1
    """Of packs."""
    provider: str = ""
    payment_method: str = ""
    charge_reference: str = ""
    action_url: str = ""
    reason: str = ""
    """Why it failed, in the provider's code."""
    expires_at: datetime | None = None
    """Of the credits."""
    priority: int = 50
    category: str = "paid"
    bill_later: bool = False
    """Granted at once; the money stands on the next invoice."""
    invoice_id: str = ""
    """Under ``bill_later``: the billing period whose invoice has the line; empty: not yet."""
    refunded: Money | None = None
    changed_at: datetime | None = None

    @property
    def grant_id(self) -> str:
        """Of the credits it buys."""
        return f"purchase:{self.purchase_id}"

    @property
    def charge_key(self) -> str:
        """Ours at the payment provider: the same money is never asked for twice."""
        return f"purchase:{self.purchase_id}"


def check_purchase(purchase: Purchase) -> None:
    """Raises ``InvalidRequestError`` naming the field."""
    check_id(purchase.purchase_id, "purchase_id")
    if len(purchase.grant_id.encode()) > 128:
        raise InvalidRequestError("purchase_id: at most 119 bytes", field="purchase_id")
    if purchase.kind not in KINDS:
        raise InvalidRequestError(f"kind: one of {', '.join(KINDS)}", field="kind")
    if purchase.credits <= 0:
        raise InvalidRequestError("credits: more than 0", field="credits")
    if purchase.price.minor < 0:
        raise InvalidRequestError("price: not below zero", field="price")


def moved(purchase: Purchase, state: str, at: datetime, **changes: object) -> Purchase:
    """The purchase in ``state``, or as it is where that state lies behind it."""
    if state not in _NEXT[purchase.state]:
        return purchase
    return msgspec.structs.replace(purchase, state=state, changed_at=at, **changes)


def grant_of(purchase: Purchase) -> commands.CreateGrant:
    """The engine's command for the credits of a paid purchase: idempotent by the purchase."""
    return commands.CreateGrant(
        account=purchase.account,
        grant=commands.grant_input(
            purchase.grant_id,
            purchase.credit_type,
            purchase.credits,
            priority=purchase.priority,
            category=purchase.category,
            expires_at=purchase.expires_at,
            source="recharge" if purchase.kind == "recharge" else "purchase",
            source_reference=purchase.purchase_id,
            cost_minor=purchase.price.minor,
            cost_currency=purchase.price.currency if purchase.price else "",
        ),
    )
