"""The invoice that a purchase has of its own, where it is paid at once.

::

    begun: final, with its number ──→ paid, when the payment is confirmed
                                 └──→ void, when the payment has failed for good; the number stays its own

It has its number from the beginning. It is what the customer pays by, and that may take days where the bank
transfers or somebody has to confirm; and what invoice credits and the balance take off has to be taken
before the rest is asked for, or two purchases would count on the same. So a failed payment leaves no gap in
the series but a void invoice in it, as anywhere else.

Purchases that were begun before invoices of this kind existed have none, and are asked for their price.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

import msgspec

from drawdown import errors
from drawdown.billing.invoice import Invoice, InvoiceLine
from drawdown.billing.purchase import Purchase, line_id_of, own_line
from drawdown.billing.totals import given_back
from drawdown.model.money import Money, total, zero
from drawdown.runtime.control.credit_notes import notes_of, put_note
from drawdown.runtime.control.invoice_foot import foot
from drawdown.runtime.control.invoicing import drop_invoice, keep_payment, numbered, settle
from drawdown.runtime.control.step import Step
from drawdown.subscriptions.identifiers import purchase_invoice_id, refund_note_id


def issue(step: Step, purchase: Purchase) -> Purchase:
    """The purchase has its invoice; what is due there is what it is charged with."""
    final = numbered(step, _draft(step, purchase), purchase.created_at)
    return msgspec.structs.replace(purchase, invoice_id=final.invoice_id, charged=final.due)


def would_charge(step: Step, purchase: Purchase) -> Money:
    """What would be due on its invoice now; nothing is issued or used up."""
    return foot(step, _draft(step, purchase)).due or zero(purchase.price.currency)


def _draft(step: Step, purchase: Purchase) -> Invoice:
    return Invoice(
        invoice_id=purchase_invoice_id(purchase.purchase_id),
        account=purchase.account,
        customer_id=purchase.customer_id,
        currency=purchase.price.currency,
        state="draft",
        created_at=purchase.created_at,
        lines=(own_line(purchase, step.work.pack_name(purchase.pack_id)),),
        test_clock=step.profile(purchase.account).test_clock,
        purchase_id=purchase.purchase_id,
    )


def own_invoice(step: Step, purchase: Purchase) -> Invoice | None:
    """The purchase's own; ``None`` where another has its line, or it was begun before there were any."""
    if purchase.bill_later or not purchase.invoice_id:
        return None
    return step.work.invoice(purchase.invoice_id)


def net_of_purchase(step: Step, purchase: Purchase) -> Money:
    """What it was sold for, without tax: the price less what promotional money paid of it."""
    invoice = own_invoice(step, purchase)
    return purchase.price if invoice is None or invoice.totals is None else invoice.totals.subtotal


def settle_own(step: Step, purchase: Purchase, at: datetime) -> None:
    """The payment is confirmed: so is its invoice."""
    invoice = own_invoice(step, purchase)
    if invoice is not None:
        settle(step, invoice, at)


def drop_own(step: Step, purchase: Purchase) -> None:
    """The payment has failed for good: its invoice is void and used nothing up."""
    invoice = own_invoice(step, purchase)
    if invoice is not None:
        drop_invoice(step, invoice.invoice_id)


def keep_late(step: Step, purchase: Purchase, paid: Money) -> None:
    """What comes after the payment had failed is the account's: its invoice is void by then."""
    invoice = own_invoice(step, purchase)
    if invoice is not None:
        keep_payment(step, invoice, paid)


def require_not_of_purchase(invoice: Invoice) -> None:
    """Raises ``PreconditionError`` for an invoice that only its purchase's payment settles or drops."""
    if invoice.purchase_id and invoice.state == "finalized":
        raise errors.PreconditionError(
            f"invoice {invoice.invoice_id!r} is of purchase {invoice.purchase_id!r}, whose payment is on its "
            "way and says what becomes of both; with the provider 'manual', mark the purchase",
            reason="INVOICE_OF_PURCHASE",
        )


def sold_for(step: Step, purchase: Purchase) -> Money:
    """What the purchase came to, tax included, whether the provider or the account's balance paid it."""
    invoice = own_invoice(step, purchase)
    return purchase.price if invoice is None or invoice.totals is None else invoice.totals.total


def left_of(step: Step, purchase: Purchase) -> Money:
    """What the purchase came to, tax included, and no note has taken back yet."""
    invoice = own_invoice(step, purchase)
    if invoice is None or invoice.totals is None:
        return sold_for(step, purchase)
    taken = [note.totals.total for note in notes_of(step, invoice) if note.totals is not None]
    return total([invoice.totals.total, *taken], purchase.price.currency)


def note_refund(step: Step, purchase: Purchase, money: Money, reason: str) -> None:
    """A credit note over ``money``, tax in it; what the provider was never paid is the account's."""
    invoice = own_invoice(step, purchase)
    if invoice is None or invoice.totals is None or money.minor <= 0:
        return
    notes = notes_of(step, invoice)
    totals = [note.totals for note in notes if note.totals is not None]
    before = -total([each.total for each in totals], money.currency)
    net_before = -total([each.subtotal for each in totals], money.currency)
    whole = invoice.totals
    part = Fraction((before + money).minor, whole.total.minor)
    net = whole.subtotal.times(part) - net_before
    taxes = given_back(whole.taxes, -net, money - net)
    line = _line_taken_back(invoice, purchase, -net)
    put_note(step, invoice, refund_note_id(purchase.purchase_id), (line,), taxes, reason)


def _line_taken_back(invoice: Invoice, purchase: Purchase, amount: Money) -> InvoiceLine:
    (line,) = (each for each in invoice.lines if each.line_id == line_id_of(purchase))
    return msgspec.structs.replace(
        line,
        line_id=f"{refund_note_id(purchase.purchase_id)}:{line.line_id}",
        kind="adjustment",
        amount=amount,
        reference=line.line_id,
        quantity=type(line.quantity)(1),
    )
