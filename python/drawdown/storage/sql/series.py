"""Gap-free numbers: one is taken in the transaction that uses it, so none is ever lost."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.storage.sql.tables.billing import number_series
from drawdown.storage.sql.tables.flow import cursor

# Built once: putting a statement together costs more than running it.
_FOLLOWING: Final = (
    sa.update(number_series)
    .where(number_series.c.series == sa.bindparam("of_series"))
    .values(last=number_series.c.last + 1)
    .returning(number_series.c.last)
)
_BEGIN: Final = sa.insert(number_series)


class Series:
    """Counters by name, and cursors by name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def following(self, series: str) -> int:
        """The next number, from 1 on."""
        found = self._connection.execute(_FOLLOWING, {"of_series": series}).scalar_one_or_none()
        if found is None:
            self._connection.execute(_BEGIN, {"series": series, "last": 1})
            return 1
        return int(found)

    def cursor(self, name: str) -> int:
        """Where a reader stands; 0 at first."""
        found = self._connection.execute(
            sa.select(cursor.c.position).where(cursor.c.name == name)
        ).scalar_one_or_none()
        return 0 if found is None else int(found)

    def move_cursor(self, name: str, position: int) -> None:
        """The reader has read up to here."""
        changed = self._connection.execute(
            sa.update(cursor).where(cursor.c.name == name).values(position=position)
        )
        if changed.rowcount == 0:
            self._connection.execute(sa.insert(cursor).values(name=name, position=position))
