"""The schema is what its steps make of it."""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from drawdown import errors
from drawdown.storage.sql import tables
from drawdown.storage.sql.database import FILE_NAME, migrate, open_engine, open_sql, url_of
from drawdown.storage.sql.metadata import metadata

from tests.server.processes import ServerProcess


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
    """Whatever version it stands at, its steps are made; of a newer program it is refused and not touched."""
    url = f"sqlite:///{tmp_path / FILE_NAME}"
    older = sqlalchemy.create_engine(url)
    migrate(older, "0003")
    open_sql("", str(tmp_path)).close()
    with older.begin() as connection:
        assert not compare_metadata(MigrationContext.configure(connection), metadata)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    before = content_of(tmp_path / FILE_NAME)
    with pytest.raises(errors.ConfigError, match=r"schema 9999.*newer version"):
        open_sql("", str(tmp_path))
    assert content_of(tmp_path / FILE_NAME) == before
    code, log = ServerProcess(data=str(tmp_path)).wait()
    assert code == 64, log
    assert "newer version wrote it" in log


def test_grants_and_deliveries_of_an_older_version_stand_behind_their_period(tmp_path: Path) -> None:
    """What was put down to go before the opening of the period, or beside it, goes after it."""
    older = sqlalchemy.create_engine(f"sqlite:///{tmp_path / FILE_NAME}")
    migrate(older, "0010")
    kinds = {"subscription.period": 50, "subscription.grant": 50, "subscription.delivery": 40}
    fields = "kind, key, rank, lane, clock, due_at, state, attempts, not_before, failure, body"
    with older.begin() as connection:
        for kind, rank in kinds.items():
            connection.exec_driver_sql(
                f"INSERT INTO job ({fields}) VALUES (?, ?, ?, 'lane', '', 7, 'due', 0, 0, '', '{{}}')",
                (kind, kind, rank),
            )
    open_sql("", str(tmp_path)).close()
    with older.begin() as connection:
        found = connection.exec_driver_sql("SELECT kind, rank FROM job").all()
    ranks = {kind: rank for kind, rank in found}
    assert ranks["subscription.period"] < ranks["subscription.grant"] < ranks["subscription.delivery"]


def content_of(file: Path) -> list[str]:
    """Schema and rows; what a step dated with the time of its own reads as "now"."""
    connection = sqlite3.connect(file)
    try:
        return [re.sub(r"\b\d{16}\b", "now", line) for line in connection.iterdump()]
    finally:
        connection.close()


FIRST_VERSION = "0001"


def with_a_row_in_each_table(folder: Path) -> None:
    """A database of the first version with something in it."""
    folder.mkdir()
    engine = open_engine(url_of("", str(folder)))
    migrate(engine, FIRST_VERSION)
    engine.dispose()
    plain = sqlite3.connect(folder / FILE_NAME)
    for (table,) in plain.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if table.startswith(("alembic", "sqlite")):
            continue
        columns = plain.execute(f"PRAGMA table_info({table})").fetchall()
        values = [7 if kind.upper().startswith(("INT", "BIGINT")) else "old" for _, _, kind, *_ in columns]
        marks = ", ".join("?" * len(values))
        plain.execute(f"INSERT INTO {table} VALUES ({marks})", values)
    plain.commit()
    plain.close()


def test_a_crash_at_every_statement_of_the_migration_loses_nothing(tmp_path: Path) -> None:
    """The files as they are at each statement come to the same under the next start."""
    with_a_row_in_each_table(tmp_path / "old")
    shutil.copytree(tmp_path / "old", tmp_path / "once")
    engine = open_engine(url_of("", str(tmp_path / "once")))
    images: dict[bytes, Path] = {}
    statements = 0

    def look(*_: Any) -> None:
        nonlocal statements
        statements += 1
        parts = [file for file in (FILE_NAME, f"{FILE_NAME}-wal") if (tmp_path / "once" / file).exists()]
        image = b"".join((tmp_path / "once" / file).read_bytes() for file in parts)
        key = hashlib.sha256(image).digest()
        if key not in images:
            images[key] = tmp_path / f"image-{len(images)}"
            images[key].mkdir()
            for file in parts:
                shutil.copy(tmp_path / "once" / file, images[key] / file)

    sqlalchemy.event.listen(engine, "before_cursor_execute", look)
    sqlalchemy.event.listen(engine, "commit", look)
    migrate(engine)
    look()
    engine.dispose()
    migrated = content_of(tmp_path / "once" / FILE_NAME)
    assert statements > 20 and len(images) >= 2, (statements, len(images))
    for image in images.values():
        open_sql("", str(image)).close()
        assert content_of(image / FILE_NAME) == migrated, image
    kept = [line for line in migrated if line.startswith("INSERT") and "'old'" in line]
    before = [line for line in content_of(tmp_path / "old" / FILE_NAME) if line.startswith("INSERT")]
    assert len(kept) >= len(before) - 1 > 3, "each row but the schema's own version is still there"
