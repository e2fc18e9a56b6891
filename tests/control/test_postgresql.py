"""The same tests, with the control plane in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import drawdown
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from drawdown.client.interface import Database
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.storage.sql.database import url_of
from drawdown.storage.sql.metadata import metadata

from . import (
    test_catalog,
    test_changes,
    test_closing,
    test_invoices,
    test_job_batches,
    test_lifecycle,
    test_notices,
    test_pack_models,
    test_purchases,
    test_recharge,
    test_reports,
    test_subscribing,
    test_transfers,
    test_trials,
)
from .conftest import SMALL, START, prepare
from .plans import published
from .postgresql import SKIP_REASON, PostgresqlServer, binaries
from .test_changes import large, small
from .test_transfers import other

__all__ = ["large", "other", "small"]  # fixtures of the tests that are taken over


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server of this module's own."""
    folder = binaries()
    if folder is None:
        pytest.skip(SKIP_REASON)
    with PostgresqlServer(folder) as server:
        yield server.url


@pytest.fixture(scope="module")
def opened(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """An embedded engine whose control plane is in PostgreSQL."""
    with drawdown.open(tmp_path_factory.mktemp("postgresql") / "data", db=url, **SMALL) as database:
        prepare(database)
        yield database


@pytest.fixture
def db(opened: Database) -> Database:
    """Instead of both doors."""
    return opened


@pytest.fixture(scope="module")
def plane(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that only the test drives, in a schema of its own."""
    with sqlalchemy.create_engine(url_of(url, "")).begin() as connection:
        connection.exec_driver_sql("create schema batches")
    folder = str(tmp_path_factory.mktemp("postgresql-batches") / "data")
    yield from test_job_batches.alone(folder, f"{url}?options=-csearch_path%3Dbatches")


def test_the_steps_make_exactly_the_tables(opened: Database, url: str) -> None:
    """Brought up to date, PostgreSQL has what the code declares."""
    assert opened
    with sqlalchemy.create_engine(url_of(url, "")).connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert not differences, differences


def test_nothing_is_lost_by_a_restart(url: str, tmp_path: Path) -> None:
    """A folder and its database: closed, opened, renewed."""
    separate = f"{url}?options=-csearch_path%3Drestart"
    with sqlalchemy.create_engine(url_of(url, "")).begin() as connection:
        connection.exec_driver_sql("create schema restart")
    for opening in range(2):
        with drawdown.open(tmp_path / "data", db=separate, **SMALL) as database:
            if opening == 0:
                prepare(database)
                published(database, "pro")
                database.put_customer("c", payment_method="test_ok")
                database.create_account("acme", customer_id="c", test_clock=START)
            database.subscribe("acme", "pro", subscription_id="s")
            database.advance_clock("acme", START.replace(month=3))
            assert len(database.invoices("acme")) == 3


# Taken over as they are: they find the ``db`` of this module.
test_subscribing_is_once = test_subscribing.test_many_calls_at_once_make_one_subscription
test_cadence = test_subscribing.test_billed_yearly_granted_monthly_is_one_invoice_and_twelve_grants
test_conflicting_content = test_catalog.test_a_plan_has_a_name_an_id_and_perhaps_a_description
test_versions = test_catalog.test_a_change_of_a_published_plan_is_a_new_version
test_upgrade = test_changes.test_an_upgrade_voids_and_replaces_and_the_balance_is_not_the_sum
test_change_once = test_changes.test_a_change_twice_is_one
test_decline = test_changes.test_a_change_whose_payment_is_declined_does_not_happen
test_cancel = test_lifecycle.test_cancelled_at_the_end_of_the_period
test_rollover = test_lifecycle.test_a_remainder_rolls_within_its_caps
test_trial = test_trials.test_a_trial_charges_nothing_and_converts_by_rule
test_closing_pays_out = test_closing.test_what_is_left_is_paid_out_as_it_was_paid_for
test_erasing = test_closing.test_a_customer_is_forgotten_and_the_figures_stay
test_bought_once = test_purchases.test_one_call_charges_and_grants_once_however_often_it_is_made
test_failed_payment = test_purchases.test_a_failed_payment_leaves_the_balance_as_it_was
test_bill_later = test_purchases.test_bill_later_gives_the_credits_first
test_refund = test_purchases.test_what_is_unspent_is_taken_and_paid_for
test_recharges = test_recharge.test_threshold_five_to_twenty_buys_twenty_then_fifteen
test_one_recharge = test_recharge.test_a_thousand_concurrent_debits_make_one_recharge
test_one_attempt = test_recharge.test_a_declining_card_makes_one_attempt_and_enabling_tries_at_once
test_caps = test_recharge.test_caps_of_the_month_hold
test_overage = test_invoices.test_usage_past_zero_is_priced_on_the_next_invoice
test_minimum_spend = test_invoices.test_minimum_spend_is_a_visible_true_up
test_invoice_credit = test_invoices.test_a_credit_comes_off_the_next_invoices_until_it_is_used_up
test_scoped_credit = test_invoices.test_worked_example_scoped_and_capped_by_its_lines
test_credit_note = test_invoices.test_a_credit_note_takes_back_money_and_unspent_credits
test_zero_invoice = test_invoices.test_a_zero_invoice_is_issued_and_never_charged
test_gap_free_numbers = test_invoices.test_numbers_have_no_gaps_and_pages_say_what_the_json_says
test_feed = test_notices.test_the_feed_tells_of_payments_and_credits_in_order
test_one_notice = test_notices.test_running_dry_is_one_notice_whatever_follows
test_packs_later = test_pack_models.test_packs_billed_later_stand_on_the_next_invoice_and_usage_never_does
test_sales = test_reports.test_packs_and_recharges_of_any_period
test_lane_and_engine = test_job_batches.test_a_lane_reads_the_engine_only_when_its_commands_are_there
test_lane_goes_on = test_job_batches.test_a_lane_goes_on_with_what_its_jobs_put_down
test_fault_alone = test_job_batches.test_a_fault_takes_its_job_back_and_no_other
test_effect_outside = test_job_batches.test_an_effect_is_asked_in_a_transaction_and_done_outside
test_put_and_found = test_job_batches.test_a_value_put_is_found_and_a_transaction_that_fails_leaves_none
test_transfer = test_transfers.test_a_visible_pair_with_validity_and_cost
