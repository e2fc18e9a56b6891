"""What concerns PostgreSQL alone; to all other tests here it is a door of ``db`` and ``db_url``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.storage.sql.database import migrate, url_of
from drawdown.storage.sql.metadata import metadata

from . import test_job_batches
from .postgresql import empty_schema


@pytest.fixture(scope="module")
def plane(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that only the test drives."""
    folder = str(tmp_path_factory.mktemp("postgresql-batches") / "data")
    yield from test_job_batches.alone(folder, empty_schema(postgresql))


def test_the_steps_make_exactly_the_tables(postgresql: str) -> None:
    """Brought up to date, PostgreSQL has what the code declares."""
    engine = sqlalchemy.create_engine(url_of(empty_schema(postgresql), ""))
    migrate(engine)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert not differences, differences


# Taken over as they are: they find the ``plane`` of this module.
test_lane_and_engine = test_job_batches.test_a_lane_reads_the_engine_only_when_its_commands_are_there
test_lane_goes_on = test_job_batches.test_a_lane_goes_on_with_what_its_jobs_put_down
test_fault_alone = test_job_batches.test_a_fault_takes_its_job_back_and_no_other
test_effect_outside = test_job_batches.test_an_effect_is_asked_in_a_transaction_and_done_outside
test_put_and_found = test_job_batches.test_a_value_put_is_found_and_a_transaction_that_fails_leaves_none
