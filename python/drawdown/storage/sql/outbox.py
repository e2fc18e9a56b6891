"""Groups of engine commands on their way: written with the rows they belong to, delivered afterwards.

``waiting`` → ``done`` (the engine applied it, or had before) or ``refused`` (a rule of the engine was
against it; the outcome says which). Delivery twice is harmless: every command carries an id. After a
restore what was delivered above the engine's recovery point waits once more.

``announced`` → ``done`` or ``refused``: a caller's command that takes the same way to the engine without us.
One that is still announced at a start was under way when the process ended, and nobody was answered.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.model.commands import Command, encode_group
from drawdown.storage.sql.bulk import write_many
from drawdown.storage.sql.metadata import is_in
from drawdown.storage.sql.pending import Pending
from drawdown.storage.sql.tables.flow import outbox

WAITING: Final = "waiting"
ANNOUNCED: Final = "announced"
DONE: Final = "done"
REFUSED: Final = "refused"

# Built once: putting a statement together costs more than running it.
_INSERT: Final = sa.insert(outbox)
_GROUPS: Final = (
    sa.select(outbox.c.row, outbox.c.account, outbox.c.commands)
    .order_by(outbox.c.row)
    .limit(sa.bindparam("at_most"))
)
_WAITING: Final = _GROUPS.where(is_in(outbox.c.state, WAITING))
_WAITING_COMMANDS: Final = (
    sa.select(outbox.c.commands).where(is_in(outbox.c.state, WAITING)).execution_options(yield_per=1_024)
)
# By the index over positions: what has none is little.
_ANNOUNCED: Final = sa.select(outbox.c.row, outbox.c.account, outbox.c.commands).where(
    outbox.c.seq.is_(None), outbox.c.state == ANNOUNCED
)
_FORGOTTEN: Final = sa.and_(
    outbox.c.state == DONE,
    sa.or_(
        outbox.c.seq > sa.bindparam("above"),
        sa.and_(outbox.c.seq > sa.bindparam("gap_above"), outbox.c.seq <= sa.bindparam("gap_end")),
    ),
)
_AGAIN: Final = (
    sa.update(outbox).where(_FORGOTTEN).values(state=WAITING, seq=None, outcomes=None, delivered_at=None)
)
_LAST: Final = sa.select(sa.func.max(outbox.c.seq))
_DELIVERED: Final = (
    sa.update(outbox)
    .where(outbox.c.row == sa.bindparam("of_row"))
    .values(
        state=sa.bindparam("to_state"),
        seq=sa.bindparam("at_seq"),
        outcomes=sa.bindparam("as_told"),
        delivered_at=sa.bindparam("at_us"),
    )
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


class _Addressed(msgspec.Struct, frozen=True):
    """Of a command: what it is, and for whom."""

    type: str
    account: str = ""


_addressed = msgspec.json.Decoder(list[_Addressed])


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

    def note(self, account: str, group: Sequence[Command], seq: int, at_us: int) -> None:
        """The engine has this group already, at ``seq`` or before: kept for a restore."""
        self.write_out()
        row = {"account": account, "commands": encode_group(group).decode(), "state": DONE}
        self._connection.execute(_INSERT, {**row, "seq": seq, "outcomes": "[]", "delivered_at": at_us})
        self._pending.wrote()

    def announce(self, account: str, group: Sequence[Command]) -> int:
        """A caller's commands are about to go to the engine: kept for a restore; answers the row.

        It has its place among the groups from now on, and counts once ``delivered`` says that they are done.
        """
        self.write_out()
        row = {"account": account, "commands": encode_group(group).decode(), "state": ANNOUNCED}
        inserted = self._connection.execute(_INSERT, row).inserted_primary_key
        assert inserted is not None
        self._pending.wrote()
        return int(inserted[0])

    def announced(self) -> list[OutboxGroup]:
        """What was announced and never said to be done or refused."""
        return self._groups(_ANNOUNCED, {})

    def last_seq(self) -> int:
        """The highest journal position that a group was delivered at; 0 where there was none."""
        self.write_out()
        return int(self._connection.execute(_LAST).scalar_one() or 0)

    def issue_again(self, above_seq: int, gap: tuple[int, int] = (0, 0)) -> int:
        """Whatever was delivered above this position waits once more, in its old order; answers how many.

        So does what was delivered above the first position of ``gap`` and up to its second.
        """
        self.write_out()
        self._pending.wrote()
        bound = {"above": above_seq, "gap_above": gap[0], "gap_end": gap[1]}
        return int(self._connection.execute(_AGAIN, bound).rowcount)

    def waiting_accounts(self) -> list[str]:
        """Whom commands of waiting groups are for, but for those that a waiting group creates."""
        self.write_out()
        named: set[str] = set()
        created: set[str] = set()
        for (group,) in self._connection.execute(_WAITING_COMMANDS):
            for command in _addressed.decode(group):
                (created if command.type == "create_account" else named).add(command.account)
        return sorted(named - created)

    def _groups(self, statement: sa.Select[Any], bound: dict[str, int]) -> list[OutboxGroup]:
        self.write_out()
        rows = self._connection.execute(statement, bound)
        return [OutboxGroup(row, account, commands.encode()) for row, account, commands in rows]

    def delivered(self, groups: Sequence[DeliveredGroup], at_us: int) -> None:
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
                    "at_us": at_us,
                }
                for each in groups
            ],
        )
