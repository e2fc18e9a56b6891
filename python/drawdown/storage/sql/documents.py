"""A table whose rows are values: key columns to ask by, and the value as JSON."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Table

ValueT = TypeVar("ValueT", bound=msgspec.Struct)
_encoder = msgspec.json.Encoder()


@cache
def _decoder_of(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


# Statements are built once: putting one together costs more than running it.
@cache
def _select_of(table: Table, key: tuple[str, ...]) -> sa.Select[Any]:
    return sa.select(table.c.body).where(*_bound(table, key)).limit(1)


@cache
def _writes_of(table: Table, key: tuple[str, ...], columns: tuple[str, ...]) -> tuple[sa.Update, sa.Insert]:
    bound: dict[str, Any] = {name: sa.bindparam(name) for name in columns}
    return sa.update(table).where(*_bound(table, key)).values(bound), sa.insert(table)


def _bound(table: Table, key: tuple[str, ...]) -> list[ColumnElement[bool]]:
    return [table.c[name] == sa.bindparam(f"key_{name}") for name in key]


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
        self._decoder = _decoder_of(kind)
        self._columns = columns
        self._key = key
        self._at_hand: dict[frozenset[tuple[str, Any]], ValueT | None] = {}

    def get(self, **key: Any) -> ValueT | None:
        """The value with these columns, or ``None``; asked for again in this transaction it is at hand."""
        asked = frozenset(key.items())
        if asked not in self._at_hand:
            statement = _select_of(self.table, tuple(key))
            row = self._connection.execute(statement, {f"key_{name}": key[name] for name in key}).first()
            self._at_hand[asked] = None if row is None else self._decoder.decode(row[0])
        return self._at_hand[asked]

    def put(self, value: ValueT) -> ValueT:
        """Insert the value, or replace the one of the same key."""
        columns = {**self._columns(value), "body": _encoder.encode(value).decode()}
        update, insert = _writes_of(self.table, self._key, tuple(columns))
        keys = {f"key_{name}": columns[name] for name in self._key}
        changed = self._connection.execute(update, {**keys, **columns})
        if changed.rowcount == 0:
            self._connection.execute(insert, columns)
        self.forget()
        self._at_hand[frozenset((name, columns[name]) for name in self._key)] = value
        return value

    def forget(self) -> None:
        """What was at hand may have changed."""
        self._at_hand.clear()

    def delete(self, **key: Any) -> None:
        """Remove the values with these columns."""
        self._connection.execute(sa.delete(self.table).where(*self._matching(key)))
        self.forget()

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

    def each(self, *where: ColumnElement[bool]) -> Iterator[ValueT]:
        """Values with these conditions, some at a time, for sums over many."""
        statement = sa.select(self.table.c.body).where(*where).execution_options(yield_per=1_000)
        for (body,) in self._connection.execute(statement):
            yield self._decoder.decode(body)

    def _matching(self, key: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        return [self.table.c[name] == value for name, value in key.items()]
