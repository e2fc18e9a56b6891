"""Rows out of a backup begin a new line of history: what was told after it was told under numbers that these
rows know nothing of, and they would give them out again.

::

    backup ──3──4──5──6   told, then lost
       └────T──T+1──…     restored at T: microseconds, and nobody is told of a million notices in a second

So two lines out of one backup do not meet either.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.storage.sql.tables.billing import number_series
from drawdown.storage.sql.tables.flow import cursor, notice

# The series of an account is named notice:<account>.
NOTICES_BEGIN: Final = "notice"
# How often positions of the journal were given out anew, or the instant at which a line began.
RESTORES: Final = "restores"

_LAST_TOLD: Final = sa.union_all(
    sa.select(sa.func.max(notice.c.row).label("told")),
    sa.select(number_series.c.last).where(number_series.c.series == NOTICES_BEGIN),
).subquery()
_LAST_ROW: Final = sa.select(sa.func.max(_LAST_TOLD.c.told))


def begin_line(connection: Connection, at_us: int) -> None:
    """Rows and sequences of notices go on above this instant, and names of journal positions are new."""
    begins = max(at_us, last_row(connection) + 1)
    connection.execute(sa.delete(number_series).where(number_series.c.series == NOTICES_BEGIN))
    connection.execute(sa.insert(number_series).values(series=NOTICES_BEGIN, last=begins))
    known = connection.execute(sa.select(cursor.c.position).where(cursor.c.name == RESTORES)).scalar()
    connection.execute(sa.delete(cursor).where(cursor.c.name == RESTORES))
    restores = max(at_us, (known or 0) + 1)
    connection.execute(sa.insert(cursor).values(name=RESTORES, position=restores))


def last_row(connection: Connection) -> int:
    """The row behind which the next notice is put; 0 at first."""
    return int(connection.execute(_LAST_ROW).scalar_one() or 0)
