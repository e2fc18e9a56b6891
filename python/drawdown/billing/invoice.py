"""An invoice: what a customer owes for a period, line by line; immutable once finalized."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from drawdown.billing.invoice_party import InvoiceParty
from drawdown.billing.page_sums import CreditApplication, Totals
from drawdown.model.money import Money, total, zero
from drawdown.model.request import Value
from drawdown.subscriptions.arrears import Arrears
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.charge import Charge

STATES: Final = ("draft", "approved", "finalized", "paid", "uncollectible", "void")
# Not final yet.
DRAFT_STATES: Final = ("draft", "approved")
LINE_KINDS: Final = (
    "base_fee",
    "credits",
    "pack",
    "top_up",
    "overage",
    "minimum_spend",
    "proration",
    "adjustment",
)


class InvoiceLine(Value, frozen=True):
    """One amount with where it comes from. Rounded once, when it is made."""

    line_id: str
    kind: str
    description: str
    amount: Money
    quantity: Decimal = Decimal(1)
    period: Period | None = None
    """What it is for; credits and fees in advance, overage and true-up behind."""
    subscription_id: str = ""
    plan_key: str = ""
    reference: str = ""
    """Pack or credit type behind it, of a credit note the line."""
    in_advance: bool = False


class GrantRelease(Value, frozen=True):
    """A pending grant that this invoice sets free."""

    account: str
    grant_id: str
    on: str = "payment"
    """``payment`` or ``approval``."""


class Invoice(Value, frozen=True):
    """One per account, billing period and currency; one per purchase that is paid at once.

    What a period costs in advance is asked for when it begins. Where usage is priced behind, the invoice
    stays a draft until ``closes_at``, so that late usage joins it; it is one invoice with one number, and
    what was paid of it in advance is taken off what is due.
    """

    invoice_id: str
    account: str
    customer_id: str
    currency: str
    state: str
    created_at: datetime
    period: Period | None = None
    lines: tuple[InvoiceLine, ...] = ()
    releases: tuple[GrantRelease, ...] = ()
    number: str = ""
    """Gap-free per series, given when it is finalized."""
    test_clock: bool = False
    due: Money | None = None
    paid: Money | None = None
    finalized_at: datetime | None = None
    paid_at: datetime | None = None
    payment_failure: str = ""
    applications: tuple[CreditApplication, ...] = ()
    """Invoice credits, line by line; settled when it is finalized."""
    totals: Totals | None = None
    """The sums at its foot; of a draft, as they would be now."""
    corrects: str = ""
    """Of a credit note: the invoice it takes back from."""
    note: str = ""
    seller: InvoiceParty | None = None
    """As it stood when the invoice got its number; absent on a draft, and on older ones."""
    buyer: InvoiceParty | None = None
    time_zone: str = ""
    """Of the dates printed on it."""
    closes_at: datetime | None = None
    """Of a draft: when its usage is looked at for the last time; absent where it does not wait for usage."""
    advance: Money | None = None
    """Asked for before the invoice was final."""
    advance_state: str = ""
    """``asked``, ``paid`` or ``failed``; empty: nothing was asked in advance."""
    arrears: tuple[Arrears, ...] = ()
    """Billing periods whose usage this draft waits for."""
    purchase_id: str = ""
    """Of an invoice of its own: the purchase it is for, whose payment is the invoice's."""
    attempts: int = 0
    """Payments of it that failed, an advance not counted."""
    failed_at: datetime | None = None
    """When the first of them did; retries are counted from here."""
    retry_at: datetime | None = None
    """When it is tried again by itself; absent: not."""

    notes_waiting: Money | None = None
    """What credit notes took back of it and nobody had paid: the account's when it is paid."""

    held: str = ""
    """Of a draft: why it waits until an operator has approved it; empty: it does not."""

    @property
    def waits_for_usage(self) -> bool:
        """Whether lines may still come by themselves."""
        return self.closes_at is not None and self.state in DRAFT_STATES

    @property
    def rest(self) -> Money:
        """What is due beside the advance, where that was paid or is on its way."""
        due = self.due or zero(self.currency)
        if self.advance is None or self.advance_state not in ("asked", "paid"):
            return due
        return due - self.advance

    @property
    def paid_so_far(self) -> Money:
        """What the customer gave for a final invoice: all of it, or balance and advance."""
        if self.totals is None:
            return zero(self.currency)
        if self.state == "paid":
            return self.totals.total
        advance = self.advance if self.advance_state == "paid" else None
        return self.totals.balance_used + (advance or zero(self.currency))

    @property
    def gross(self) -> Money:
        """The sum of the lines."""
        return total([line.amount for line in self.lines], self.currency)


def line_of(charge: Charge) -> InvoiceLine:
    """The line of a subscription's charge."""
    return InvoiceLine(
        line_id=charge.charge_id,
        kind=charge.kind,
        description=charge.description,
        amount=charge.amount,
        quantity=charge.quantity,
        period=charge.period,
        subscription_id=charge.subscription_id,
        plan_key=charge.plan_key,
        reference=charge.reference,
        in_advance=charge.in_advance,
    )
