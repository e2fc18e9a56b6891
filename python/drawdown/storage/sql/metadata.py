"""The one collection of tables; each concept declares its own in ``tables/``.

A table has the columns that something asks by, and ``body``: the whole value as JSON of its Struct.
Instants in columns are UTC microseconds, so that they compare the same everywhere.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    Text,
    literal_column,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

# 64 bits that number rows: SQLite counts up by itself only for INTEGER.
RowNumber = BigInteger().with_variant(Integer(), "sqlite")


def body() -> Column[str]:
    """The value itself."""
    return Column("body", Text, nullable=False)


def is_in(state: Column[Any], value: str) -> ColumnElement[bool]:
    """The column has this state, in the words of a partial index: with a parameter neither database sees
    that the index has all that is asked for."""
    return state == literal_column(f"'{value}'")


def index_of(name: str, *columns: str, where: str) -> Index:
    """An index of those rows only for which ``where`` holds."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


def instant(name: str, *, nullable: bool = False) -> Column[int]:
    """UTC microseconds."""
    return Column(name, BigInteger, nullable=nullable)
