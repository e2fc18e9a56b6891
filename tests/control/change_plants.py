"""Planted rules of changes of plan and price, and of reports, webhooks and closed accounts."""

from __future__ import annotations

from tests.control.plant import Plant

CHANGE_PLANTS = (
    Plant(
        "signed-for-another-notice",
        "S3-12",
        "notices/webhook.py",
        "Webhook(secret).sign(notice.notice_id, stamp, body.decode())",
        "Webhook(secret).sign(notice.account, stamp, body.decode())",
        "tests/notices/test_webhooks.py::test_the_receivers_library_believes_it",
        "",
    ),
    Plant(
        "a-closed-account-is-paid-out-what-it-used",
        "S3-1",
        "subscriptions/closing.py",
        "part = Fraction(grant.voided) / Fraction(grant.amount)",
        "part = Fraction(1)",
        "tests/control/test_closing.py::test_what_is_left_is_paid_out_as_it_was_paid_for",
    ),
    Plant(
        "a-report-counts-purchases-for-packs",
        "S2-16",
        "billing/report.py",
        "packs=sums.packs + purchase.quantity,",
        "packs=sums.packs + 1,",
        "tests/control/test_reports.py::test_packs_and_recharges_of_any_period",
    ),
    Plant(
        "late-usage-at-the-new-price",
        "S0-6",
        "runtime/control/leaving_plan.py",
        "counts_apart=bool(prices),",
        "counts_apart=False,",
        "tests/control/test_late_overage.py::test_what_comes_late_has_the_price_of_its_time",
    ),
    Plant(
        "a-period-cut-short-owes-no-minimum",
        "S0-22",
        "runtime/control/leaving_plan.py",
        "*([] if missing is None else [missing]),",
        "",
        "tests/control/test_change_preview.py::test_a_period_cut_short_owes_its_minimum_as_its_fee",
    ),
    Plant(
        "a-preview-forgets-overage",
        "S0-6",
        "runtime/control/change_calls.py",
        "charges=(*target.charges, *target.waiting, *leaving.charges, *ahead),",
        "charges=(*target.charges, *target.waiting),",
        "tests/control/test_change_preview.py::test_it_lists_the_overage_so_far",
    ),
    Plant(
        "nobody-asks-whether-it-can-be-counted",
        "S0-28",
        "subscriptions/bounds.py",
        "> UNITS_MAX:",
        "> UNITS_MAX**2:",
        "tests/control/test_change_preview.py::test_what_nobody_can_count_is_refused_at_the_call",
    ),
    Plant(
        "kept-credits-roll-by-the-new-caps",
        "S0-37",
        "runtime/control/subscription_jobs.py",
        "plan = step.work.plan(*version_of(own.plan_key or subscription.plan_key))",
        "plan = plan_of(step, subscription)",
        "tests/control/test_rolling_changes.py::test_what_is_kept_rolls_by_the_caps_it_was_granted_under",
    ),
)
