"""The one collection of tables; each concept declares its own in ``tables/``.

A table has the columns that something asks by, and ``body``: the whole value as JSON of its Struct.
Instants in columns are UTC microseconds, so that they compare the same everywhere.
"""

from sqlalchemy import BigInteger, Column, Integer, MetaData, Text

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


def instant(name: str, *, nullable: bool = False) -> Column[int]:
    """UTC microseconds."""
    return Column(name, BigInteger, nullable=nullable)
