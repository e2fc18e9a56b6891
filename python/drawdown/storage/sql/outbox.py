"""Groups of engine commands on their way: written with the rows they belong to, delivered afterwards.

``waiting`` → ``done`` (the engine applied it, or had before) or ``refused`` (a rule of the engine was
against it; the outcome says which). Delivery twice is harmless: every command carries an id.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.model.commands import Command, encode_group
from drawdown.storage.sql.tables.flow import outbox

WAITING: Final = "waiting"
DONE: Final = "done"
REFUSED: Final = "refused"


class OutboxGroup(msgspec.Struct, frozen=True):
    """One atomic group."""

    row: int
    account: str
    commands: bytes


class Outbox:
    """The groups of one transaction's view."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, account: str, group: Sequence[Command]) -> None:
        """Send this group once the transaction is durable."""
        self._connection.execute(
            sa.insert(outbox).values(account=account, commands=encode_group(group).decode(), state=WAITING)
        )

    def waiting(self, limit: int) -> list[OutboxGroup]:
        """Groups not yet delivered, oldest first."""
        return self._groups(outbox.c.state == WAITING, limit)

    def delivered_above(self, seq: int, after_row: int, limit: int) -> list[OutboxGroup]:
        """Groups whose delivery a restored engine may have forgotten, oldest first."""
        return self._groups(
            sa.and_(outbox.c.state == DONE, outbox.c.seq > seq, outbox.c.row > after_row), limit
        )

    def _groups(self, condition: sa.ColumnElement[bool], limit: int) -> list[OutboxGroup]:
        rows = self._connection.execute(
            sa.select(outbox.c.row, outbox.c.account, outbox.c.commands)
            .where(condition)
            .order_by(outbox.c.row)
            .limit(limit)
        )
        return [OutboxGroup(row, account, commands.encode()) for row, account, commands in rows]

    def delivered(self, row: int, *, seq: int, outcomes: str, refused: bool) -> None:
        """What became of a group."""
        self._connection.execute(
            sa.update(outbox)
            .where(outbox.c.row == row)
            .values(state=REFUSED if refused else DONE, seq=seq, outcomes=outcomes)
        )
