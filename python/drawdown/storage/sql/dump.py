"""The rows of every table as text, and back: the same from SQLite and from PostgreSQL, into either.

::

    control/<table>.jsonl   first line: names of columns; then one JSON array per row, in order of the key
"""

import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown import errors
from drawdown.storage.folder_copy import digest_of
from drawdown.storage.small_file import OWNER_ONLY, sync_folder
from drawdown.storage.sql import tables
from drawdown.storage.sql.database import migrate, open_engine
from drawdown.storage.sql.metadata import metadata
from drawdown.storage.sql.new_line import begin_line

_ROWS_AT_ONCE: Final = 1_000


class DumpedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the dump."""

    name: str
    rows: int
    digest: str


def dump_tables(connection: Connection, folder: Path) -> tuple[DumpedTable, ...]:
    """Write every table into ``folder``; on disk when this returns."""
    assert tables
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    dumped = tuple(_dump(connection, table, folder) for table in metadata.sorted_tables)
    sync_folder(folder)
    return dumped


def revision_of(connection: Connection) -> str:
    """The step that the schema stands at."""
    return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())


def _dump(connection: Connection, table: sa.Table, folder: Path) -> DumpedTable:
    digest, rows = hashlib.blake2b(digest_size=32), 0
    descriptor = os.open(folder / f"{table.name}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as writing:

        def write(values: list[Any]) -> None:
            line = msgspec.json.encode(values) + b"\n"
            digest.update(line)
            writing.write(line)

        write([str(column.name) for column in table.columns])
        statement = sa.select(table).order_by(*table.primary_key.columns)
        for row in connection.execute(statement.execution_options(yield_per=_ROWS_AT_ONCE)):
            write(list(row))
            rows += 1
        writing.flush()
        os.fsync(writing.fileno())
    return DumpedTable(name=str(table.name), rows=rows, digest=digest.hexdigest())


def load_tables(url: str, revision: str, folder: Path, dumped: tuple[DumpedTable, ...], *, at_us: int) -> int:
    """Fill an empty database at the dump's schema; answers how many rows. All of it, or nothing.

    At ``at_us`` a new line of history begins with them.

    Raises ``InvalidRequestError`` where the database is not empty or older than the dump can be read,
    ``CorruptDataError`` where a file is not what was written.
    """
    engine = open_engine(url)
    try:
        if sa.inspect(engine).get_table_names():
            raise errors.InvalidRequestError(
                "db: the database is not empty; restore into a new one and keep this", field="db"
            )
        try:
            migrate(engine, revision)
        except Exception as raised:
            raise errors.InvalidRequestError(
                f"the backup's schema {revision!r} is not known to this version: {raised}",
                field="from_backup",
            ) from raised
        known = sa.MetaData()
        known.reflect(engine)
        with engine.begin() as connection:
            rows = sum(_load(connection, known.tables[each.name], each, folder) for each in dumped)
            begin_line(connection, at_us)
            return rows
    except sa.exc.DBAPIError as raised:
        raise errors.UnavailableError(f"the control plane's database: {raised.orig}") from raised
    finally:
        engine.dispose()


def _load(connection: Connection, table: sa.Table, dumped: DumpedTable, folder: Path) -> int:
    path, count = folder / f"{table.name}.jsonl", 0
    if digest_of(path) != dumped.digest:
        raise errors.CorruptDataError(f"{path}: it is not what the backup wrote")
    rows = _rows(path)
    while chunk := list(islice(rows, _ROWS_AT_ONCE)):
        connection.execute(sa.insert(table), chunk)
        count += len(chunk)
    if "row" in table.columns and connection.dialect.name == "postgresql":
        # What is counted up goes on behind what was loaded.
        top = f'SELECT coalesce(max("row"), 0) + 1 FROM "{table.name}"'
        sequence = f"pg_get_serial_sequence('{table.name}', 'row')"
        connection.exec_driver_sql(f"SELECT setval({sequence}, ({top}), false)")
    return count


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as reading:
        columns = msgspec.json.decode(reading.readline())
        for line in reading:
            yield dict(zip(columns, msgspec.json.decode(line), strict=True))
