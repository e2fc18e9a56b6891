"""A purchase: money for credits, from the asking to the grant (semantics §10). Pure.

::

    pending ──→ paid ──→ granted ──→ refunded
       │  ╲      ↑
       │   ╲→ action_required ──→ failed
       └──────────────────────────↗

``paid`` and ``granted`` are two steps on purpose: a crash between them finds ``paid`` and makes the
grant, whose id follows from the purchase, so that it is made once. Callbacks may repeat or overtake
each other: ``moved`` never leaves a later state for an earlier one. Money that a provider takes after it had
called the payment failed grants nothing: it is the account's balance.

A purchase that is paid at once has an invoice of its own, and what it is charged with is what is due there.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from drawdown.billing.invoice import InvoiceLine
from drawdown.catalog.plan import Lifetime
from drawdown.errors import InvalidRequestError
from drawdown.model import commands
from drawdown.model.ids import check_id
from drawdown.model.money import Money
from drawdown.model.request import Value

STATES: Final = ("pending", "action_required", "paid", "granted", "failed", "refunded")
KINDS: Final = ("top_up", "pack", "recharge")
REFUND_POLICIES: Final = ("take_unspent", "into_debt", "freeze")
LINE_PREFIX: Final = "purchase:"
REFUND_REFUSED: Final = "refund_refused: "
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
    """Why it failed, in the provider's code; ``paid``: why the engine refuses its credits. Where the provider
    has refused to give its money back: ``refund_refused: `` and why."""
    expires_at: datetime | None = None
    """Of the credits; until they are granted, as if that were when the purchase was made."""
    priority: int = 50
    category: str = "paid"
    bill_later: bool = False
    """Granted at once; the money stands on the next invoice."""
    invoice_id: str = ""
    """Its own; under ``bill_later`` the one with its line, empty: not yet."""
    refunded: Money | None = None
    """Given back, by the provider or to the account's balance; under ``bill_later`` not billed at all."""
    changed_at: datetime | None = None
    charged: Money | None = None
    """What is due on its own invoice: the price less invoice credits and balance, with tax. Under
    ``bill_later`` what of the price is billed still, where it was refunded before."""
    lifetime: Lifetime | None = None
    """Of the credits of a top-up, from their grant on; a pack has its own."""

    @property
    def asked(self) -> Money:
        """What the provider is asked for; one without an invoice of its own is asked for its price."""
        return self.price if self.charged is None else self.charged

    @property
    def is_open(self) -> bool:
        """Its payment may still come to either end."""
        return self.state in ("pending", "action_required")

    @property
    def is_refundable(self) -> bool:
        """Its money is there; without its credits, where the account was closed before it was paid."""
        return self.state in ("paid", "granted")

    @property
    def refund_refusal(self) -> str:
        """Why the provider has refused to give its money back; empty: it has not."""
        is_refused = self.is_refundable and self.reason.startswith(REFUND_REFUSED)
        return self.reason.removeprefix(REFUND_REFUSED) if is_refused else ""

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
        raise InvalidRequestError("credits: must be more than 0", field="credits")
    if purchase.price.minor < 0:
        raise InvalidRequestError("price: must not be negative", field="price")


def line_id_of(purchase: Purchase) -> str:
    """Of its line, whichever invoice that is on."""
    return f"{LINE_PREFIX}{purchase.purchase_id}"


def what_was_bought(purchase: Purchase, pack_name: str) -> str:
    """As its buyer knows it: the pack's name first."""
    credits = f"{purchase.credits.normalize():f} {purchase.credit_type}"
    return f"{pack_name}, {credits}" if pack_name else credits


def own_line(purchase: Purchase, pack_name: str) -> InvoiceLine:
    """The line of the invoice that a purchase has of its own."""
    return InvoiceLine(
        line_id=line_id_of(purchase),
        kind="pack" if purchase.pack_id else "top_up",
        description=what_was_bought(purchase, pack_name),
        amount=purchase.price,
        quantity=Decimal(purchase.quantity),
        reference=purchase.pack_id,
        in_advance=True,
    )


def moved(purchase: Purchase, state: str, at: datetime, **changes: object) -> Purchase:
    """The purchase in ``state``, or as it is where that state lies behind it."""
    if state not in _NEXT[purchase.state]:
        return purchase
    return msgspec.structs.replace(purchase, state=state, changed_at=at, **changes)


def grant_of(purchase: Purchase, cost: Money, at: datetime) -> commands.CreateGrant:
    """The engine's command for the credits of a paid purchase: idempotent by the purchase.

    ``cost`` is what they were sold for, without tax and without what promotional money paid. They are valid
    from ``at`` on, from when their expiry is counted: however late the engine gets it, it takes it.
    """
    return commands.CreateGrant(
        account=purchase.account,
        grant=commands.grant_input(
            purchase.grant_id,
            purchase.credit_type,
            purchase.credits,
            priority=purchase.priority,
            category=purchase.category,
            effective_at=at,
            expires_at=purchase.expires_at,
            source="recharge" if purchase.kind == "recharge" else "purchase",
            source_reference=purchase.purchase_id,
            cost_minor=cost.minor,
            cost_currency=cost.currency if cost else "",
        ),
    )
