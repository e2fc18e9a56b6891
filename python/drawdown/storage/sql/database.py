"""Opening the SQL database: SQLite with the promises of a ledger, or PostgreSQL.

One process owns the data folder, so transactions are taken one at a time: a lock in front of the
database, whatever it is. The schema is brought up to date when it is opened.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from drawdown import errors
from drawdown.storage.small_file import close_to_others, keep_to_owner
from drawdown.storage.sql.metadata import metadata
from drawdown.storage.sql.wakes import Wakes
from drawdown.storage.sql.work import Work

FILE_NAME: Final = "control.sqlite3"
_MIGRATIONS: Final = str(Path(__file__).parent / "migrations")


def url_of(db: str, folder: str) -> str:
    """``db`` as SQLAlchemy's URL; empty means SQLite in the data folder."""
    if not db:
        return f"sqlite:///{Path(folder) / FILE_NAME}"
    for prefix in ("postgresql://", "postgres://"):
        if db.startswith(prefix):
            return "postgresql+psycopg://" + db.removeprefix(prefix)
    return db


class SqlDatabase:
    """The open database. ``transaction`` is the only way in."""

    def __init__(self, engine: sqlalchemy.Engine) -> None:
        self._engine = engine
        self._one_at_a_time = threading.RLock()
        self.wakes = Wakes()

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    @contextmanager
    def transaction(self) -> Iterator[Work]:
        """One transaction: all of it is durable when the block ends, or none of it.

        Raises ``UnavailableError`` where the database cannot be reached or written.
        """
        with self._one_at_a_time:
            try:
                with self._engine.begin() as connection:
                    work = Work(connection)
                    yield work
                    work.write_out()
            except DBAPIError as raised:
                raise _translated(raised) from raised
        self.wakes.tell(work.written)

    @contextmanager
    def still(self, meanwhile: Callable[[], None]) -> Iterator[sqlalchemy.Connection]:
        """A view of the database as it is while ``meanwhile`` runs: no transaction is under way then.

        Afterwards work goes on; the view stays what it was until the block ends.
        """
        reading = sqlalchemy.create_engine(self._engine.url)
        if self.dialect == "sqlite":
            event.listen(reading, "connect", _leave_transactions_to_us)
            event.listen(reading, "begin", _begin_reading)
        else:
            reading = reading.execution_options(isolation_level="REPEATABLE READ")
        try:
            with reading.connect() as connection, connection.begin():
                with self._one_at_a_time:
                    # The view is taken by the first read.
                    connection.exec_driver_sql("SELECT version_num FROM alembic_version").fetchall()
                    meanwhile()
                yield connection
        except DBAPIError as raised:
            raise _translated(raised) from raised
        finally:
            reading.dispose()

    def compact(self) -> None:
        """Rewrite the database, so that nothing that was overwritten can be read from its files."""
        with self._one_at_a_time:
            borrowed = self._engine.raw_connection()
            try:
                connection: Any = borrowed.driver_connection
                connection.rollback()
                if self.dialect == "postgresql":
                    connection.autocommit = True
                    connection.execute("VACUUM")
                else:
                    connection.execute("VACUUM")
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except (sqlite3.Error, OSError) as raised:
                raise errors.UnavailableError(
                    f"the control plane's database: {raised}", reason="SQL_UNAVAILABLE"
                ) from raised
            finally:
                # Its settings were changed: the pool gets a new one.
                borrowed.invalidate()

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def is_begun(url: str, *, with_rows: bool = False) -> bool:
    """Whether the database has a control plane's tables; ``with_rows``: and something in them. Makes none.

    Raises ``ConfigError`` for a URL it cannot use, ``UnavailableError`` where it cannot be reached.
    """
    engine = _create_engine(url)
    file = engine.url.database or ""
    if engine.dialect.name == "sqlite" and not file.startswith("file:") and not Path(file).is_file():
        return False
    try:
        with engine.connect() as connection:
            found = set(sqlalchemy.inspect(connection).get_table_names())
            tables = [table for table in metadata.sorted_tables if table.name in found]
            if not with_rows:
                return bool(tables)
            one = sqlalchemy.literal(1)
            return any(
                connection.execute(sqlalchemy.select(one).select_from(table).limit(1)).first() is not None
                for table in tables
            )
    except DBAPIError as raised:
        raise _translated(raised) from raised
    finally:
        engine.dispose()


def _translated(raised: DBAPIError) -> errors.DrawdownError:
    if isinstance(raised, sqlalchemy.exc.OperationalError):
        return errors.UnavailableError(
            f"the control plane's database: {raised.orig}", reason="SQL_UNAVAILABLE"
        )
    return errors.InternalError(f"the control plane's database refused a statement: {raised.orig}")


def open_sql(db: str, folder: str) -> SqlDatabase:
    """Open and migrate. Raises ``ConfigError`` for a URL it cannot use and for a database of a later version,
    ``UnavailableError`` otherwise."""
    engine = open_engine(url_of(db, folder))
    try:
        migrate(engine)
    except DBAPIError as raised:
        raise _translated(raised) from raised
    except errors.ConfigError:
        engine.dispose()
        raise
    return SqlDatabase(engine)


def open_engine(url: str) -> sqlalchemy.Engine:
    """Connections as the control plane wants them; SQLite's file is readable by its owner only.

    Raises ``ConfigError`` for a URL it cannot use.
    """
    engine = _create_engine(url)
    if engine.dialect.name == "sqlite":
        _keep_to_owner(engine.url.database or "")
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_engine(url: str) -> sqlalchemy.Engine:
    """Connections as SQLAlchemy makes them. Raises ``ConfigError`` for a URL it cannot use."""
    try:
        engine = sqlalchemy.create_engine(url)
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError, ModuleNotFoundError) as raised:
        raise errors.ConfigError(f"db: {raised}; give postgresql://…", field="db") from raised
    if engine.dialect.name not in ("sqlite", "postgresql"):
        raise errors.ConfigError(f"db: {engine.dialect.name} is not SQLite or PostgreSQL", field="db")
    return engine


def _keep_to_owner(database: str) -> None:
    """There are secrets of webhooks in it. SQLite gives -wal and -shm, when it makes them, the same mode."""
    if not database or database == ":memory:" or database.startswith("file:"):
        return
    keep_to_owner(Path(database))
    for beside in (f"{database}-wal", f"{database}-shm"):
        close_to_others(Path(beside))


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # The driver's own transactions would begin late and end early: begin is ours.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _leave_transactions_to_us(connection: Any, _: Any) -> None:
    connection.isolation_level = None


def _begin_reading(connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_sqlite(connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def migrate(engine: sqlalchemy.Engine, revision: str = "head") -> None:
    """Bring the schema to the newest version, or to a named one; all steps are one transaction.

    Raises ``ConfigError`` for a database of a later version, which stays as it is.
    """
    with engine.begin() as connection:
        found, newest = _version_of(connection), _newest_version()
        if revision == "head" and found == newest:
            return
        if found is not None and found > newest:
            raise errors.ConfigError(
                f"db: the control plane's database has schema {found}, this program knows schemas up to "
                f"{newest}: a newer version wrote it, start that one; nothing was changed",
                field="db",
            )
        # Seldom needed, and a quarter of what a start after a kill loads.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", _MIGRATIONS.replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _version_of(connection: sqlalchemy.Connection) -> str | None:
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
    return str(found[0]) if len(found) == 1 else None


def _newest_version() -> str:
    """Steps are named by their version, in order."""
    return max(step.name.partition("_")[0] for step in Path(_MIGRATIONS, "versions").glob("[0-9]*_*.py"))
