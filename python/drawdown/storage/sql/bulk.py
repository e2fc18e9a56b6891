"""Many rows through one statement, without SQLAlchemy's share of the cost per row."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Executable
from sqlalchemy.sql.compiler import SQLCompiler


@lru_cache(maxsize=256)
def _compiled(statement: Any, dialect: Dialect, names: tuple[str, ...]) -> tuple[str, tuple[str, ...] | None]:
    """The statement in the database's words, and the order of its parameters where they have no names."""
    compiled: SQLCompiler = statement.compile(dialect=dialect, column_keys=list(names))
    places = compiled.positiontup
    return str(compiled), None if places is None else tuple(places)


def write_many(connection: Connection, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run ``statement`` once per row. Every row has a plain value for each parameter."""
    sql, places = _compiled(statement, connection.dialect, tuple(rows[0]))
    if places is None:
        connection.exec_driver_sql(sql, list(rows))
    elif len(places) == 1:
        (name,) = places
        connection.exec_driver_sql(sql, [(row[name],) for row in rows])
    else:
        connection.exec_driver_sql(sql, list(map(itemgetter(*places), rows)))
