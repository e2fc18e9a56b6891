"""The schema is what its steps make of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.util.exc import CommandError
from drawdown.storage.sql import tables
from drawdown.storage.sql.database import migrate, open_sql
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


_START = """
import sys
import drawdown.server.serve
from drawdown.storage.sql import open_sql
open_sql("", sys.argv[1]).close()
print(sorted({"alembic", "redis"} & set(sys.modules)))
"""


def test_a_start_over_a_schema_of_today_loads_neither_the_steps_nor_redis(tmp_path: Path) -> None:
    """They were a quarter of what a start after a kill costs."""
    open_sql("", str(tmp_path)).close()
    ran = subprocess.run(
        [sys.executable, "-c", _START, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"


def test_a_schema_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """Whatever version it stands at, its steps are made; of a newer program it is refused."""
    url = f"sqlite:///{tmp_path / 'control.sqlite3'}"
    older = sqlalchemy.create_engine(url)
    migrate(older, "0003")
    open_sql("", str(tmp_path)).close()
    with older.begin() as connection:
        assert not compare_metadata(MigrationContext.configure(connection), metadata)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(CommandError):
        open_sql("", str(tmp_path))
