"""Planted changes of the control plane's rules, each of which a named test must catch.

    python -m tests.control.planted_rules [--only NAME] [--write docs/behaviours.md]

A copy of the package gets one changed rule; the tests that name the behaviour run against the copy and
must fail, and pass against the copy without it. The tree itself is not touched.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.control.change_plants import CHANGE_PLANTS
from tests.control.marked import put_between_marks
from tests.control.payment_plants import PAYMENT_PLANTS
from tests.control.plant import Plant

ROOT = Path(__file__).resolve().parents[2]


CHANGES = "tests/control/test_changes.py"
CHANGE_OVERAGE = "tests/control/test_change_overage.py"
SUBSCRIBING = "tests/control/test_subscribing.py"
SERVICES = "tests/control/test_services.py"
INVOICES = "tests/control/test_invoices.py"
GRACE = "tests/control/test_invoice_grace.py"
PURCHASES = "tests/control/test_purchases.py"
PACK_MODELS = "tests/control/test_pack_models.py"
RECHARGE = "tests/control/test_recharge.py"

PLANTS = (
    Plant(
        "draft-can-be-subscribed-to",
        "S0-24",
        "subscriptions/starting.py",
        'if plan.state != "published":',
        'if plan.state == "archived":',
        "tests/control/test_catalog.py::test_a_draft_cannot_be_subscribed_to_and_publishing_makes_it_available",
    ),
    Plant(
        "no-payment-method-needed",
        "S0-29",
        "runtime/control/subscription_calls.py",
        "if asks and not subscription.payment_method:",
        "if asks and subscription.payment_method == 'never':",
        f"{SUBSCRIBING}::test_a_paid_subscription_needs_a_payment_method",
    ),
    Plant(
        "country-does-not-matter",
        "S0-23",
        "catalog/pricing.py",
        'for wanted in (country, ""):',
        'for wanted in ("", country):',
        f"{SUBSCRIBING}::test_prices_are_local_and_credits_are_not",
    ),
    Plant(
        "tier-edge-belongs-to-the-next",
        "S0-28",
        "catalog/pricing.py",
        "upper = quantity if tier.up_to is None else min(quantity, Fraction(tier.up_to))",
        "upper = quantity if tier.up_to is None else min(quantity, Fraction(tier.up_to) - 1)",
        f"{SUBSCRIBING}::test_the_chosen_quantity_sets_grant_and_price",
    ),
    Plant(
        "trial-credits-always-stay",
        "S0-21",
        "runtime/control/subscription_steps.py",
        "expires_at=None if trial.survives else subscription.trial_ends_at,",
        "expires_at=None,",
        "tests/control/test_trials.py::test_a_trial_charges_nothing_and_converts_by_rule",
    ),
    Plant(
        "old-grant-stays",
        "S0-34",
        "subscriptions/changing.py",
        "void=[own.grant_id for own in live],",
        "void=[own.grant_id for own in live][:0],",
        f"{CHANGES}::test_an_upgrade_voids_and_replaces_and_the_balance_is_not_the_sum",
    ),
    Plant(
        "what-was-used-is-forgotten",
        "S0-34",
        "subscriptions/changing.py",
        "adds = due - burned - others - figure.amount",
        "adds = due - others - figure.amount",
        f"{CHANGES}::test_to_and_fro_never_gives_more_than_the_best_plan",
    ),
    Plant(
        "every-grant-of-the-pool-is-voided",
        "S0-36",
        "subscriptions/changing.py",
        "live = [own for own in present if own.grant_id in figures and"
        ' figures[own.grant_id].state != "voided"]',
        "live = [OwnGrant(grant_id=each, credit_type='credits', period=present[0].period) for each in figures"
        " if figures[each].state != 'voided'] if present else []",
        f"{CHANGES}::test_bought_and_promotional_grants_survive_a_change",
    ),
    Plant(
        "an-expired-credit-pays",
        "S1-10",
        "billing/invoice_credit.py",
        "if self.expires_at is not None and instant >= self.expires_at:",
        "if self.expires_at is not None and instant >= self.expires_at.replace(year=9999):",
        f"{INVOICES}::test_expiry_is_judged_at_the_periods_last_instant",
    ),
    Plant(
        "any-account-may-use-a-credit",
        "S1-7",
        "runtime/control/invoice_foot.py",
        'return step.work.invoice_credits.find(account=account, order="row")',
        'return step.work.invoice_credits.find(order="row")',
        f"{INVOICES}::test_credits_are_immutable_voidable_and_the_accounts_own",
    ),
    Plant(
        "a-scope-caps-nothing",
        "S1-22",
        "billing/invoice_credit.py",
        "held = [line for line in lines if credit.scope.holds(line)]",
        "held = list(lines)",
        f"{INVOICES}::test_worked_example_scoped_and_capped_by_its_lines",
    ),
    Plant(
        "a-credit-is-never-used-up",
        "S1-23",
        "billing/invoice_credit.py",
        "used = used + each.amount",
        "used = used + each.amount - each.amount",
        f"{INVOICES}::test_a_credit_comes_off_the_next_invoices_until_it_is_used_up",
    ),
    Plant(
        "a-second-void-forfeits-again",
        "S1-19",
        "billing/invoice_credit.py",
        "if credit.voided_at is not None:",
        "if credit.voided_at is not None and credit.voided_at > at:",
        f"{INVOICES}::test_credits_are_immutable_voidable_and_the_accounts_own",
    ),
    Plant(
        "final-before-its-grace",
        "S0-6",
        "runtime/control/invoicing.py",
        "closes_at = invoice.closes_at or arrears[-1].until + step.plane.invoice_grace",
        "closes_at = invoice.closes_at or arrears[-1].until",
        f"{GRACE}::test_late_usage_inside_the_grace_joins_its_period",
    ),
    Plant(
        "late-usage-is-the-next-periods",
        "S0-6",
        "billing/overage.py",
        "return next((each for each in mine if each.bills(start)), None)",
        "return None",
        f"{GRACE}::test_later_it_is_an_adjustment_that_names_its_period",
    ),
    Plant(
        "the-next-period-joins-too",
        "S0-6",
        "billing/overage.py",
        "if until is not None and each.start >= until:",
        "if until is not None and each.start > until:",
        f"{GRACE}::test_usage_of_the_next_period_does_not_join",
    ),
    Plant(
        "the-fee-waits-for-late-usage",
        "S3-11",
        "runtime/control/invoice_jobs.py",
        "ask_in_advance(step, invoice, job.due_at)",
        "pass",
        f"{GRACE}::test_what_is_due_in_advance_waits_for_nothing",
    ),
    Plant(
        "a-change-forgets-overage",
        "S0-6",
        "runtime/control/leaving_plan.py",
        "left.append(each.key)",
        "pass",
        f"{CHANGE_OVERAGE}::test_overage_of_a_plan_that_was_left_is_billed",
    ),
    Plant(
        "all-overage-at-the-last-price",
        "S0-6",
        "runtime/control/leaving_plan.py",
        "elif overage_price(subscription, each) != priced:",
        "elif overage_price(subscription, each) is None:",
        f"{CHANGE_OVERAGE}::test_overage_before_and_after_a_change_has_two_prices",
    ),
    Plant(
        "overage-before-a-change-is-billed-twice",
        "S0-6",
        "runtime/control/subscription_changes.py",
        "step.work.overage_billed.put(billed)",
        "pass",
        f"{CHANGE_OVERAGE}::test_overage_before_and_after_a_change_has_two_prices",
    ),
    Plant(
        "granted-though-the-payment-failed",
        "S2-13",
        "runtime/control/purchase_steps.py",
        "if charge.state is ChargeState.SUCCEEDED:",
        "if charge.state in (ChargeState.SUCCEEDED, ChargeState.FAILED):",
        f"{PURCHASES}::test_a_failed_payment_leaves_the_balance_as_it_was",
    ),
    Plant(
        "at-the-threshold-nothing-fires",
        "S2-12",
        "billing/recharge.py",
        "if not rule.enabled or available > rule.threshold:",
        "if not rule.enabled or available >= rule.threshold:",
        f"{RECHARGE}::test_the_purchase_is_the_target_less_the_balance_at_the_trigger",
    ),
    Plant(
        "an-old-crossing-begins-another",
        "S2-14",
        "runtime/control/recharge_calls.py",
        "if found is None or crossing.seq <= found.standing.looked_at_seq:",
        "if found is None:",
        f"{RECHARGE}::test_a_crossing_that_is_told_late_begins_no_second_recharge",
        "",
    ),
    Plant(
        "nothing-due-is-charged",
        "S2-24",
        "runtime/control/invoicing.py",
        "if rest.minor > 0:",
        "if rest.minor >= 0:",
        f"{INVOICES}::test_a_zero_invoice_is_issued_and_never_charged",
    ),
    Plant(
        "two-packs-for-the-price-of-one",
        "S2-19",
        "catalog/pack.py",
        ".of(Decimal(1)).times(quantity)",
        ".of(Decimal(1))",
        f"{PACK_MODELS}::test_packs_billed_later_stand_on_the_next_invoice_and_usage_never_does",
    ),
    Plant(
        "billed-later-is-billed-twice",
        "S2-22",
        "runtime/control/arrears_steps.py",
        "if not purchase.bill_later or purchase.invoice_id or purchase.price.currency",
        "if not purchase.bill_later or purchase.price.currency",
        f"{PACK_MODELS}::test_packs_billed_later_stand_on_the_next_invoice_and_usage_never_does",
    ),
    Plant(
        "a-year-is-two",
        "S3-2",
        "runtime/control/purchase_steps.py",
        "return calendar_step(step.now_of(account), 1, ",
        "return calendar_step(step.now_of(account), 2, ",
        f"{PURCHASES}::test_credits_live_as_long_as_the_pack_says",
    ),
    Plant(
        "recharged-from-the-threshold",
        "S3-30",
        "billing/recharge.py",
        "return rule.to - available",
        "return rule.to - rule.threshold",
        f"{RECHARGE}::test_the_purchase_is_the_target_less_the_balance_at_the_trigger",
    ),
    Plant(
        "a-declined-card-is-tried-again",
        "S3-34",
        "billing/recharge.py",
        'state="disabled",\n        reason="payment_failed",',
        'state="idle",\n        reason="payment_failed",',
        f"{RECHARGE}::test_a_declining_card_makes_one_attempt_and_enabling_tries_at_once",
    ),
    Plant(
        "enabling-waits-for-the-next-crossing",
        "S3-36",
        "runtime/control/recharge_calls.py",
        "    if rule.enabled:\n        evaluate",
        "    if rule.enabled and known is None:\n        evaluate",
        f"{RECHARGE}::test_enabling_again_looks_at_the_balance_itself",
        "",
    ),
    Plant(
        "one-more-than-the-cap",
        "S3-32",
        "billing/recharge.py",
        "standing.count >= rule.cap_count",
        "standing.count > rule.cap_count",
        f"{RECHARGE}::test_caps_of_the_month_hold",
    ),
    Plant(
        "a-card-is-not-pinned",
        "S3-15",
        "subscriptions/entitling.py",
        'return derived("plan", plan.plan_id, plan.version)',
        'return derived("plan", "one-table-for-all")',
        "tests/control/test_catalog_file.py::test_a_subscription_keeps_the_rates_it_began_with",
    ),
    Plant(
        "delivered-before-approval",
        "S4-6",
        "runtime/control/invoicing.py",
        'return invoice.state == "draft"',
        "return False",
        f"{SERVICES}::test_a_pack_on_a_licence_is_delivered_when_its_invoice_is_approved",
    ),
    Plant(
        "a-delivery-at-to",
        "S4-10",
        "subscriptions/servicing.py",
        "if service.until is not None and edge >= service.until:",
        "if service.until is not None and edge > service.until:",
        f"{SERVICES}::test_ten_credits_a_month_for_twelve_months",
    ),
    Plant(
        "packs-never-expire",
        "S4-18",
        "subscriptions/servicing.py",
        "expires_at=lifetime_end(service.deliveries, number, lifetime, cadence_default=False),",
        "expires_at=None,",
        f"{SERVICES}::test_a_lifetime_equal_to_the_schedule_expires",
    ),
    Plant(
        "termination-changes-nothing",
        "S4-25",
        "runtime/control/subscription_services.py",
        'ended = msgspec.structs.replace(service, state="terminated", until=until)',
        "ended = msgspec.structs.replace(service, until=service.until)",
        f"{SERVICES}::test_a_renewing_licence_extends_its_services_but_not_terminated_ones",
    ),
    *CHANGE_PLANTS,
    *PAYMENT_PLANTS,
)


def run(tests: str, door: str, package: Path) -> bool:
    """Whether the tests pass against a copy of the package."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests, "-k", door],
        cwd=ROOT,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(package)},
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{tests}: pytest ended with {done.returncode}: {done.stdout.decode()[-2000:]}")
    return done.returncode == 0


def tried(plant: Plant, package: Path, sound: dict[str, bool]) -> str:
    """What became of one plant."""
    path = package / "drawdown" / plant.file
    whole = path.read_text("utf-8")
    if whole.count(plant.old) != 1:
        raise SystemExit(f"{plant.name}: {plant.file} has the rule {whole.count(plant.old)} times")
    if plant.tests not in sound:
        sound[plant.tests] = run(plant.tests, plant.door, package)
    path.write_text(whole.replace(plant.old, plant.new), "utf-8")
    try:
        caught = not run(plant.tests, plant.door, package)
    finally:
        path.write_text(whole, "utf-8")
    if not sound[plant.tests]:
        return "FAILS WITHOUT IT"
    return "caught" if caught else "NOT CAUGHT"


def table(verdicts: dict[str, str]) -> str:
    """The plants by section, as Markdown."""
    rows = ["| row | planted | in | test that must fail | |", "|---|---|---|---|---|"]
    for plant in sorted(PLANTS, key=lambda each: (each.section[:2], int(each.section.partition("-")[2]))):
        if plant.name in verdicts:
            test = plant.tests.partition("::")[2]
            name = plant.name.replace("-", " ")
            rows.append(f"| {plant.section} | {name} | `{plant.file}` | `{test}` | {verdicts[plant.name]} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", type=Path, help="put the table into this document, between its marks")
    given = parser.parse_args()
    verdicts: dict[str, str] = {}
    sound: dict[str, bool] = {}
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder)
        shutil.copytree(ROOT / "python" / "drawdown", package / "drawdown", symlinks=True)
        for plant in PLANTS:
            if given.only in plant.name:
                verdicts[plant.name] = tried(plant, package, sound)
                print(f"{plant.section:6} {plant.name:36} {verdicts[plant.name]}", flush=True)
    print(table(verdicts))
    if given.write:
        put_between_marks(given.write, "planted rules", table(verdicts))
    return 0 if all(each == "caught" for each in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
