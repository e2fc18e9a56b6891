"""Planted changes of the control plane's rules, each of which a named test must catch.

    python -m tests.control.planted_rules [--only NAME]

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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Plant:
    """One changed rule: in ``file`` ``old`` becomes ``new``; ``tests`` must notice."""

    name: str
    section: str
    file: str
    old: str
    new: str
    tests: str


CHANGES = "tests/control/test_changes.py"
SUBSCRIBING = "tests/control/test_subscribing.py"
SERVICES = "tests/control/test_services.py"

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
)


def run(tests: str, package: Path) -> bool:
    """Whether the tests pass against a copy of the package."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests, "-k", "embedded"],
        cwd=ROOT,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(package)},
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{tests}: pytest ended with {done.returncode}: {done.stdout.decode()[-2000:]}")
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    only = parser.parse_args().only
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder)
        shutil.copytree(ROOT / "python" / "drawdown", package / "drawdown", symlinks=True)
        for plant in PLANTS:
            if only not in plant.name:
                continue
            path = package / "drawdown" / plant.file
            whole = path.read_text("utf-8")
            if whole.count(plant.old) != 1:
                raise SystemExit(f"{plant.name}: {plant.file} has the rule {whole.count(plant.old)} times")
            sound = run(plant.tests, package)
            path.write_text(whole.replace(plant.old, plant.new), "utf-8")
            caught = not run(plant.tests, package)
            path.write_text(whole, "utf-8")
            failures += not (sound and caught)
            verdict = "caught" if caught else "NOT CAUGHT"
            print(f"{plant.section:6} {plant.name:36} {verdict}{'' if sound else ', BUT FAILS WITHOUT IT'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
