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
from drawdown.storage.sql.database import url_of
from drawdown.storage.sql.metadata import metadata

from . import (
    test_catalog,
    test_changes,
    test_closing,
    test_lifecycle,
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
test_transfer = test_transfers.test_a_visible_pair_with_validity_and_cost
