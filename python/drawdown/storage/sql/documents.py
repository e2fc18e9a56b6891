"""A table whose rows are values: key columns to ask by, and the value as JSON."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Table

ValueT = TypeVar("ValueT", bound=msgspec.Struct)
_encoder = msgspec.json.Encoder()


class Documents(Generic[ValueT]):
    """Read and write the values of one table inside one transaction."""

    def __init__(
        self,
        connection: Connection,
        table: Table,
        kind: type[ValueT],
        columns: Callable[[ValueT], Mapping[str, Any]],
        key: tuple[str, ...],
    ) -> None:
        self._connection = connection
        self.table = table
        self._decoder = msgspec.json.Decoder(kind)
        self._columns = columns
        self._key = key

    def get(self, **key: Any) -> ValueT | None:
        """The value with these columns, or ``None``."""
        row = self._connection.execute(
            sa.select(self.table.c.body).where(*self._matching(key)).limit(1)
        ).first()
        return None if row is None else self._decoder.decode(row[0])

    def put(self, value: ValueT) -> ValueT:
        """Insert the value, or replace the one of the same key."""
        columns = {**self._columns(value), "body": _encoder.encode(value).decode()}
        key = {name: columns[name] for name in self._key}
        changed = self._connection.execute(
            sa.update(self.table).where(*self._matching(key)).values(**columns)
        )
        if changed.rowcount == 0:
            self._connection.execute(sa.insert(self.table).values(**columns))
        return value

    def delete(self, **key: Any) -> None:
        """Remove the values with these columns."""
        self._connection.execute(sa.delete(self.table).where(*self._matching(key)))

    def find(
        self,
        *where: ColumnElement[bool],
        order: str = "",
        descending: bool = False,
        limit: int | None = None,
        **key: Any,
    ) -> list[ValueT]:
        """Values with these columns and conditions, in order of a column (default: the key)."""
        column = self.table.c[order or self._key[0]]
        statement = (
            sa.select(self.table.c.body)
            .where(*self._matching(key), *where)
            .order_by(column.desc() if descending else column)
            .limit(limit)
        )
        return [self._decoder.decode(body) for (body,) in self._connection.execute(statement)]

    def _matching(self, key: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        return [self.table.c[name] == value for name, value in key.items()]
