"""The schema is what its steps make of it."""

from __future__ import annotations

import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from drawdown.storage.sql import tables
from drawdown.storage.sql.database import migrate
from drawdown.storage.sql.metadata import metadata


def test_the_steps_make_exactly_the_tables() -> None:
    """An empty database brought up to date has every table and column that the code declares."""
    assert tables
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    migrate(engine)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert not differences, differences
    assert len(metadata.tables) >= 13
