"""Gap-free numbers: one is taken in the transaction that uses it, so none is ever lost."""

from collections.abc import Iterable
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.storage.sql.bulk import write_many
from drawdown.storage.sql.pending import ABSENT, Pending, put_back
from drawdown.storage.sql.stored_keys import SERIES_CHARACTERS_MAX, stored_key
from drawdown.storage.sql.tables.billing import number_series
from drawdown.storage.sql.tables.flow import cursor

# Built once: putting a statement together costs more than running it.
_LAST: Final = sa.select(number_series.c.series, number_series.c.last).where(
    number_series.c.series.in_(sa.bindparam("wanted", expanding=True))
)
_MOVE: Final = sa.text(
    "INSERT INTO number_series (series, last) VALUES (:series, :last)"
    " ON CONFLICT (series) DO UPDATE SET last = excluded.last"
)


class Series:
    """Counters by name, and cursors by name."""

    def __init__(self, connection: Connection, pending: Pending) -> None:
        self._connection = connection
        self._pending = pending
        self._last: dict[str, int] = {}
        self._moved: dict[str, int] = {}

    def bring(self, names: Iterable[str]) -> None:
        """Have the last numbers of these series at hand, asked for together."""
        wanted = [name for name in dict.fromkeys(names) if name not in self._last]
        if not wanted:
            return
        self._last.update(dict.fromkeys(wanted, 0))
        # SQLite may have a long name as it was given: it goes on from there.
        named = {stored: name for name in wanted for stored in (name, _stored(name))}
        for stored, last in self._connection.execute(_LAST, {"wanted": list(named)}):
            name = named[stored]
            self._last[name] = max(self._last[name], int(last))

    def last(self, series: str) -> int:
        """The number that was given out last; 0 at first."""
        self.bring((series,))
        return self._last[series]

    def following(self, series: str, *, above: int = 0) -> int:
        """The next number, from 1 on, or from the first above ``above``."""
        self.bring((series,))
        self._pending.note(partial(put_back, self._last, series, self._last[series]))
        self._pending.note(partial(put_back, self._moved, series, self._moved.get(series, ABSENT)))
        number = max(self._last[series], above) + 1
        self._last[series] = self._moved[series] = number
        return number

    def write_out(self) -> None:
        """The numbers that were taken are in the database, though not committed."""
        if not self._moved:
            return
        rows = [{"series": _stored(series), "last": last} for series, last in self._moved.items()]
        write_many(self._connection, _MOVE, rows)
        self._moved.clear()
        self._pending.wrote_out()

    def cursor(self, name: str) -> int:
        """Where a reader stands; 0 at first."""
        found = self._connection.execute(
            sa.select(cursor.c.position).where(cursor.c.name == name)
        ).scalar_one_or_none()
        return 0 if found is None else int(found)

    def move_cursor(self, name: str, position: int) -> None:
        """The reader has read up to here."""
        self._pending.wrote()
        changed = self._connection.execute(
            sa.update(cursor).where(cursor.c.name == name).values(position=position)
        )
        if changed.rowcount == 0:
            self._connection.execute(sa.insert(cursor).values(name=name, position=position))


def _stored(series: str) -> str:
    return stored_key(series, SERIES_CHARACTERS_MAX)
