"""Planted changes of what becomes of payments: invoices of purchases, and renewals that are declined."""

from __future__ import annotations

from tests.control.plant import Plant

OWN_INVOICES = "tests/control/test_purchase_invoices.py"
STEPS = "runtime/control/purchase_invoices.py"

PAYMENT_PLANTS = (
    Plant(
        "a-failed-purchase-leaves-its-invoice-open",
        "S3-23",
        "runtime/control/purchase_steps.py",
        "        drop_own(step, failed)\n",
        "",
        f"{OWN_INVOICES}::test_a_failed_payment_leaves_a_void_invoice_and_no_gap",
        "sqlite",
    ),
    Plant(
        "charged-with-the-price",
        "S1-2",
        "runtime/control/purchase_jobs.py",
        "amount=purchase.asked,",
        "amount=purchase.price,",
        f"{OWN_INVOICES}::test_what_is_charged_is_what_is_due",
        "sqlite",
    ),
    Plant(
        "promotional-money-is-paid-out",
        "S1-1",
        STEPS,
        "return purchase.price if invoice is None or invoice.totals is None else invoice.totals.subtotal",
        "return purchase.price",
        f"{OWN_INVOICES}::test_what_is_charged_is_what_is_due",
        "sqlite",
    ),
    Plant(
        "a-paid-purchase-leaves-its-invoice-open",
        "S2-12",
        "runtime/control/purchase_steps.py",
        "            settle_own(step, paid, at)\n",
        "",
        f"{OWN_INVOICES}::test_each_recharge_has_its_invoice",
    ),
    Plant(
        "a-refund-forgets-the-notes",
        "S4-26",
        STEPS,
        "return total([invoice.totals.total, *taken], purchase.price.currency)",
        "return invoice.totals.total",
        f"{OWN_INVOICES}::test_what_a_note_took_back_is_not_given_back_again",
        "sqlite",
    ),
)
