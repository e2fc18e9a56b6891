"""What is over and done with, and how it is forgotten: a bounded number of rows at a time, the oldest first.

::

    job               done                      by the instant it was done
    webhook_delivery  delivered                 by its last attempt
    outbox            done, refused             from the front; the cursor says up to which journal position
    notice            spread to the webhooks    from the front; the cursor says up to which row

Of each table the newest row stays whatever its age: SQLite would give its number out again, and numbers of
rows are cursors and ids.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.storage.sql.jobs import DONE as JOB_DONE
from drawdown.storage.sql.metadata import is_in
from drawdown.storage.sql.notice_feed import notice_id_of
from drawdown.storage.sql.outbox import WAITING
from drawdown.storage.sql.series import Series
from drawdown.storage.sql.tables.flow import job, notice, outbox
from drawdown.storage.sql.tables.notices import webhook_delivery

# Journal position of the last command that is not kept any more: an engine that stands before it cannot be
# brought to where the rows are.
COMMANDS_FORGOTTEN: Final = "commands_forgotten"
# Row of the last notice that is not kept any more: a reader that stands before it may have missed some.
NOTICES_FORGOTTEN: Final = "notices_forgotten"

_DONE_JOBS: Final = (
    sa.select(job.c.row)
    .where(is_in(job.c.state, JOB_DONE), job.c.finished_at < sa.bindparam("before"))
    .order_by(job.c.finished_at)
    .limit(sa.bindparam("at_most"))
)
_DELIVERED: Final = (
    sa.select(webhook_delivery.c.row)
    .where(
        is_in(webhook_delivery.c.state, "delivered"),
        webhook_delivery.c.next_attempt_at < sa.bindparam("before"),
    )
    .order_by(webhook_delivery.c.next_attempt_at)
    .limit(sa.bindparam("at_most"))
)
_FIRST_COMMANDS: Final = (
    sa.select(outbox.c.row, outbox.c.state, outbox.c.delivered_at, outbox.c.seq)
    .order_by(outbox.c.row)
    .limit(sa.bindparam("at_most"))
)
_FIRST_NOTICES: Final = (
    sa.select(notice.c.row, notice.c.at).order_by(notice.c.row).limit(sa.bindparam("at_most"))
)
_WAITING_NOTICES: Final = sa.select(webhook_delivery.c.notice_id).where(
    is_in(webhook_delivery.c.state, "pending"),
    webhook_delivery.c.notice_id.in_(sa.bindparam("wanted", expanding=True)),
)


class Finished:
    """Forgetting in one transaction's view.

    Each call answers how many rows it took: fewer than ``limit`` means that there are no more.
    """

    def __init__(self, connection: Connection, series: Series) -> None:
        self._connection = connection
        self._series = series

    def forget_jobs(self, before_us: int, limit: int) -> int:
        """Jobs done before this instant; their keys are free again. Waiting and parked ones stay."""
        return self._delete_found(job, _DONE_JOBS, before_us, limit)

    def forget_deliveries(self, before_us: int, limit: int) -> int:
        """Webhook deliveries that reached their endpoint before this instant."""
        return self._delete_found(webhook_delivery, _DELIVERED, before_us, limit)

    def forget_commands(self, before_us: int, limit: int) -> int:
        """Groups that the engine answered before this instant, up to the first that is younger or waits."""
        front = []
        for each in self._connection.execute(_FIRST_COMMANDS, {"at_most": limit + 1}):
            if each.state == WAITING or each.delivered_at is None or each.delivered_at >= before_us:
                break
            front.append(each)
        position_of = {each.row: each.seq or 0 for each in front[:limit]}
        taken = self._delete(outbox, list(position_of))
        if taken:
            last = max(position_of[row] for row in taken)
            known = self._series.cursor(COMMANDS_FORGOTTEN)
            self._series.move_cursor(COMMANDS_FORGOTTEN, max(last, known))
        return len(taken)

    def forget_notices(self, before_us: int, limit: int, spread_up_to: int) -> int:
        """Notices told before this instant, up to the first that is younger or still on its way.

        ``spread_up_to`` is the row up to which they have been given to the endpoints. What is known of
        their deliveries, parked ones included, goes with them.
        """
        rows = []
        for row, at_us in self._connection.execute(_FIRST_NOTICES, {"at_most": limit}):
            if at_us >= before_us or row > spread_up_to:
                break
            rows.append(row)
        names = [notice_id_of(row) for row in rows]
        waiting = {name for (name,) in self._connection.execute(_WAITING_NOTICES, {"wanted": names})}
        taken = self._delete(notice, list(takewhile(lambda row: notice_id_of(row) not in waiting, rows)))
        if taken:
            self._delete_deliveries_of([notice_id_of(row) for row in taken])
            self._series.move_cursor(NOTICES_FORGOTTEN, taken[-1])
        return len(taken)

    def _delete_deliveries_of(self, names: list[str]) -> None:
        table = webhook_delivery
        found = self._connection.execute(sa.select(table.c.row).where(table.c.notice_id.in_(names)))
        self._delete(table, [row for (row,) in found])

    def _delete_found(self, table: sa.Table, statement: sa.Select[Any], before_us: int, limit: int) -> int:
        found = self._connection.execute(statement, {"before": before_us, "at_most": limit})
        return len(self._delete(table, [row for (row,) in found]))

    def _delete(self, table: sa.Table, rows: list[int]) -> list[int]:
        """Delete these rows but the newest of the table; answers those that are gone."""
        newest = self._connection.execute(sa.select(sa.func.max(table.c.row))).scalar_one() if rows else None
        gone = [row for row in rows if row != newest]
        if gone:
            self._connection.execute(sa.delete(table).where(table.c.row.in_(gone)))
        return gone
