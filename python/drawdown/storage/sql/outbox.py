"""Groups of engine commands on their way: written with the rows they belong to, delivered afterwards.

``waiting`` → ``done`` (the engine applied it, or had before) or ``refused`` (a rule of the engine was
against it; the outcome says which). Delivery twice is harmless: every command carries an id.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.model.commands import Command, encode_group
from drawdown.storage.sql.bulk import write_many
from drawdown.storage.sql.pending import Pending
from drawdown.storage.sql.tables.flow import outbox

WAITING: Final = "waiting"
DONE: Final = "done"
REFUSED: Final = "refused"

# Built once: putting a statement together costs more than running it.
_INSERT: Final = sa.insert(outbox)
_GROUPS: Final = (
    sa.select(outbox.c.row, outbox.c.account, outbox.c.commands)
    .order_by(outbox.c.row)
    .limit(sa.bindparam("at_most"))
)
_WAITING: Final = _GROUPS.where(outbox.c.state == WAITING)
_ABOVE: Final = _GROUPS.where(
    outbox.c.state == DONE, outbox.c.seq > sa.bindparam("above"), outbox.c.row > sa.bindparam("after")
)
_DELIVERED: Final = (
    sa.update(outbox)
    .where(outbox.c.row == sa.bindparam("of_row"))
    .values(state=sa.bindparam("to_state"), seq=sa.bindparam("at_seq"), outcomes=sa.bindparam("as_told"))
)


class OutboxGroup(msgspec.Struct, frozen=True):
    """One atomic group."""

    row: int
    account: str
    commands: bytes


class DeliveredGroup(msgspec.Struct, frozen=True):
    """What became of a group: the engine's answer, at this position of its journal."""

    row: int
    seq: int
    outcomes: str
    refused: bool


class Outbox:
    """The groups of one transaction's view."""

    def __init__(self, connection: Connection, pending: Pending) -> None:
        self._connection = connection
        self._pending = pending
        self._put: list[dict[str, Any]] = []

    def put(self, account: str, group: Sequence[Command]) -> None:
        """Send this group once the transaction is durable."""
        self._put.append({"account": account, "commands": encode_group(group).decode(), "state": WAITING})

    def write_out(self) -> None:
        """What was put is in the database, though not committed."""
        if self._put:
            write_many(self._connection, _INSERT, self._put)
            self._put.clear()
            self._pending.wrote()

    def waiting(self, limit: int) -> list[OutboxGroup]:
        """Groups not yet delivered, oldest first."""
        return self._groups(_WAITING, {"at_most": limit})

    def delivered_above(self, seq: int, after_row: int, limit: int) -> list[OutboxGroup]:
        """Groups whose delivery a restored engine may have forgotten, oldest first."""
        return self._groups(_ABOVE, {"above": seq, "after": after_row, "at_most": limit})

    def _groups(self, statement: sa.Select[Any], bound: dict[str, int]) -> list[OutboxGroup]:
        self.write_out()
        rows = self._connection.execute(statement, bound)
        return [OutboxGroup(row, account, commands.encode()) for row, account, commands in rows]

    def delivered(self, groups: Sequence[DeliveredGroup]) -> None:
        """What became of these groups."""
        if not groups:
            return
        self._pending.wrote()
        write_many(
            self._connection,
            _DELIVERED,
            [
                {
                    "of_row": each.row,
                    "to_state": REFUSED if each.refused else DONE,
                    "at_seq": each.seq,
                    "as_told": each.outcomes,
                }
                for each in groups
            ],
        )
