"""A table whose rows are values: key columns to ask by, and the value as JSON.

Inside a transaction a value is read once and written once: what is put stays at hand and reaches the
database with everything else, before the table is searched or the transaction ends.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any, Generic, TypeVar, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Table

from drawdown.storage.sql.bulk import write_many
from drawdown.storage.sql.pending import ABSENT, Pending, put_back

ValueT = TypeVar("ValueT", bound=msgspec.Struct)
Key = tuple[Any, ...]
_encoder = msgspec.json.Encoder()


def begins_with(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Whether the text begins so, letter by letter; LIKE would take capitals for small ones on SQLite."""
    return sa.func.substr(column, 1, len(prefix)) == prefix


@cache
def _decoder_of(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


# Statements are built once: putting one together costs more than running it.
@cache
def _select_of(table: Table, key: tuple[str, ...]) -> sa.Select[Any]:
    bound = [table.c[name] == sa.bindparam(f"key_{name}") for name in key]
    return sa.select(table.c.body).where(*bound).limit(1)


@cache
def _select_many_of(table: Table, key: tuple[str, ...]) -> sa.Select[Any]:
    columns = [table.c[name] for name in key]
    wanted: sa.BindParameter[Any] = sa.bindparam("wanted", expanding=True)
    among = columns[0].in_(wanted) if len(columns) == 1 else sa.tuple_(*columns).in_(wanted)
    return sa.select(*columns, table.c.body).where(among)


@cache
def _select_lists_of(table: Table, by: str, order: str, fixed: tuple[str, ...], since: str) -> sa.Select[Any]:
    bound = [table.c[name] == sa.bindparam(f"key_{name}") for name in fixed]
    if since:
        bound.append(table.c[since] >= sa.bindparam("since"))
    wanted: sa.BindParameter[Any] = sa.bindparam("wanted", expanding=True)
    return (
        sa.select(table.c[by], table.c.body).where(table.c[by].in_(wanted), *bound).order_by(table.c[order])
    )


@cache
def _upsert_of(table: Table, key: tuple[str, ...], columns: tuple[str, ...]) -> sa.TextClause:
    """Insert, or replace the row of the same key; both databases have these words."""
    quoted = [f'"{name}"' for name in columns]
    bound = [f":{name}" for name in columns]
    changed = [f'"{name}" = excluded."{name}"' for name in columns if name not in key]
    unique = [f'"{name}"' for name in key]
    return sa.text(
        f'INSERT INTO "{table.name}" ({", ".join(quoted)}) VALUES ({", ".join(bound)})'
        f" ON CONFLICT ({', '.join(unique)}) DO UPDATE SET {', '.join(changed)}"
    )


class _Listing(msgspec.Struct, frozen=True):
    """A question for lists of values that was answered for many accounts at once."""

    by: str
    order: str
    fixed: frozenset[tuple[str, Any]]
    since: str
    """A column in which only values from some on were asked for, if any."""


class Since(msgspec.Struct, frozen=True):
    """Only values with at least so much in this column."""

    column: str
    least: int


class _List(msgspec.Struct, Generic[ValueT], frozen=True):
    """Values of one list, and from what on they were asked for."""

    least: int
    values: list[ValueT]


class Documents(Generic[ValueT]):
    """Read and write the values of one table inside one transaction."""

    def __init__(
        self,
        connection: Connection,
        pending: Pending,
        table: Table,
        kind: type[ValueT],
        columns: Callable[[ValueT], Mapping[str, Any]],
        key: tuple[str, ...],
    ) -> None:
        self._connection = connection
        self._pending = pending
        self.table = table
        self._decoder = _decoder_of(kind)
        self._columns = columns
        self._key = key
        self._key_names = frozenset(key)
        self._at_hand: dict[Key, ValueT | None] = {}
        self._unwritten: dict[Key, ValueT] = {}
        self._asked: dict[frozenset[tuple[str, Any]], ValueT | None] = {}
        self._lists: dict[_Listing, dict[Any, _List[ValueT]]] = {}

    def get(self, **key: Any) -> ValueT | None:
        """The value with these columns, or ``None``; asked for again in this transaction it is at hand."""
        if key.keys() == self._key_names:
            at = tuple([key[name] for name in self._key])
            found = self._at_hand.get(at, ABSENT)
            if found is ABSENT:
                found = self._at_hand[at] = self._read(key)
            return cast("ValueT | None", found)
        asked = frozenset(key.items())
        if asked not in self._asked:
            self.write_out()
            self._asked[asked] = self._read(key)
        return self._asked[asked]

    def _read(self, key: Mapping[str, Any]) -> ValueT | None:
        statement = _select_of(self.table, tuple(key))
        row = self._connection.execute(statement, {f"key_{name}": key[name] for name in key}).first()
        return None if row is None else self._decoder.decode(row[0])

    def bring(self, keys: Iterable[Key]) -> None:
        """Have the values of these keys at hand, asked for together; absent ones are known as absent."""
        wanted = [at for at in dict.fromkeys(keys) if at not in self._at_hand]
        if not wanted:
            return
        width = len(self._key)
        asked = [at[0] for at in wanted] if width == 1 else wanted
        self._at_hand.update(dict.fromkeys(wanted))
        for row in self._connection.execute(_select_many_of(self.table, self._key), {"wanted": asked}):
            self._at_hand[tuple(row[:width])] = self._decoder.decode(row[width])

    def bring_lists(
        self, values: Iterable[Any], *, by: str, order: str, since: Since | None = None, **fixed: Any
    ) -> None:
        """Have answers of ``find(by=value, order=order, since=since, **fixed)`` at hand, for these values."""
        column, least = ("", 0) if since is None else (since.column, since.least)
        lists = self._lists.setdefault(_Listing(by, order, frozenset(fixed.items()), column), {})
        wanted = [
            value for value in dict.fromkeys(values) if value not in lists or lists[value].least > least
        ]
        if not wanted:
            return
        self.write_out()
        lists.update({value: _List(least, []) for value in wanted})
        statement = _select_lists_of(self.table, by, order, tuple(fixed), column)
        bound = {f"key_{name}": value for name, value in fixed.items()}
        bound |= {"since": least} if column else {}
        for value, body in self._connection.execute(statement, {"wanted": wanted, **bound}):
            lists[value].values.append(self._decoder.decode(body))

    def put(self, value: ValueT) -> ValueT:
        """Insert the value, or replace the one of the same key."""
        columns = self._columns(value)
        at = tuple([columns[name] for name in self._key])
        note = self._pending.note
        note(partial(put_back, self._at_hand, at, self._at_hand.get(at, ABSENT)))
        note(partial(put_back, self._unwritten, at, self._unwritten.get(at, ABSENT)))
        self._at_hand[at] = self._unwritten[at] = value
        self._asked.clear()
        for listing, lists in self._lists.items():
            lists.pop(columns[listing.by], None)
        return value

    def write_out(self) -> None:
        """What was put is in the database, though not committed."""
        if not self._unwritten:
            return
        rows = [
            {**self._columns(value), "body": _encoder.encode(value).decode()}
            for value in self._unwritten.values()
        ]
        write_many(self._connection, _upsert_of(self.table, self._key, tuple(rows[0])), rows)
        self._unwritten.clear()
        self._pending.wrote_out()

    def delete(self, **key: Any) -> None:
        """Remove the values with these columns."""
        self.write_out()
        self._connection.execute(sa.delete(self.table).where(*self._matching(key)))
        self._pending.wrote()
        self.forget()

    def forget(self) -> None:
        """What is at hand may be old; what was put is written first."""
        self.write_out()
        self._at_hand.clear()
        self._asked.clear()
        self._lists.clear()

    def find(
        self,
        *where: ColumnElement[bool],
        order: str = "",
        descending: bool = False,
        limit: int | None = None,
        since: Since | None = None,
        **key: Any,
    ) -> list[ValueT]:
        """Values with these columns and conditions, in order of a column (default: the key)."""
        if not where and not descending and limit is None:
            known = self._list_at_hand(order, key, since)
            if known is not None:
                return known
        self.write_out()
        if since is not None:
            where = (*where, self.table.c[since.column] >= since.least)
        column = self.table.c[order or self._key[0]]
        statement = (
            sa.select(self.table.c.body)
            .where(*self._matching(key), *where)
            .order_by(column.desc() if descending else column)
            .limit(limit)
        )
        return [self._decoder.decode(body) for (body,) in self._connection.execute(statement)]

    def _list_at_hand(self, order: str, key: Mapping[str, Any], since: Since | None) -> list[ValueT] | None:
        column, least = ("", 0) if since is None else (since.column, since.least)
        for listing, lists in self._lists.items():
            if listing.order == order and listing.since == column and listing.by in key:
                fixed = frozenset(each for each in key.items() if each[0] != listing.by)
                known = lists.get(key[listing.by])
                if fixed == listing.fixed and known is not None and known.least <= least:
                    if not column:
                        return list(known.values)
                    return [each for each in known.values if self._columns(each)[column] >= least]
        return None

    def each(self, *where: ColumnElement[bool]) -> Iterator[ValueT]:
        """Values with these conditions, some at a time, for sums over many."""
        self.write_out()
        statement = sa.select(self.table.c.body).where(*where).execution_options(yield_per=1_000)
        for (body,) in self._connection.execute(statement):
            yield self._decoder.decode(body)

    def _matching(self, key: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        return [self.table.c[name] == value for name, value in key.items()]
