"""Planted changes of what becomes of payments: invoices of purchases, and renewals that are declined."""

from __future__ import annotations

from tests.control.plant import Plant

OWN_INVOICES = "tests/control/test_purchase_invoices.py"
PAST_DUE = "tests/control/test_past_due.py"
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
    Plant(
        "a-declined-renewal-stays-active",
        "S3-1",
        "runtime/control/past_due.py",
        'state="past_due" if subscription.state == "active" else subscription.state,',
        "state=subscription.state,",
        f"{PAST_DUE}::test_a_declined_renewal_is_past_due_tried_again_and_given_up",
    ),
    Plant(
        "renewals-pile-up",
        "S2-13",
        "runtime/control/subscription_jobs.py",
        '    if subscription.state == "past_due":\n        leave_unpaid_period(step, subscription, edge)\n'
        "        return\n",
        "",
        f"{PAST_DUE}::test_staying_past_due_until_it_is_paid",
        "sqlite",
    ),
    Plant(
        "overage-on-top-of-a-debt",
        "S0-6",
        "subscriptions/entitling.py",
        'subscription.state != "trialing" and not is_unpaid',
        'subscription.state != "trialing"',
        f"{PAST_DUE}::test_nothing_past_zero_is_served_on_top_of_a_debt",
    ),
    Plant(
        "a-retry-is-the-same-attempt",
        "S3-4",
        "billing/retrying.py",
        'return f"{RETRY_PREFIX}{attempts}:{invoice_id}" if attempts else invoice_id',
        "return invoice_id",
        f"{PAST_DUE}::test_a_new_card_settles_at_once",
    ),
    Plant(
        "a-failure-told-twice-counts-twice",
        "S3-13",
        "runtime/control/payment_retries.py",
        'if invoice.state not in ("finalized", "uncollectible") or attempts != invoice.attempts:',
        'if invoice.state not in ("finalized", "uncollectible"):',
        f"{PAST_DUE}::test_the_providers_words_late_twice_and_out_of_order",
        "sqlite",
    ),
)
