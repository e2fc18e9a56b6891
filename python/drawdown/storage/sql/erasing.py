"""Replace personal texts in every stored value of some accounts, whatever table it is in."""

from collections.abc import Sequence
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Column, Connection, Table

from drawdown.storage.sql import tables
from drawdown.subscriptions.erasing import erased_document
from drawdown.subscriptions.identifiers import lane_aside, lane_of

# Tables with rows of an account, and their columns that hold JSON.
_OF_ACCOUNTS: Final[tuple[tuple[Table, tuple[str, ...]], ...]] = (
    (tables.subscriptions.subscription, ("body",)),
    (tables.subscriptions.account_closing, ("body",)),
    (tables.billing.invoice, ("body",)),
    (tables.invoice_credits.invoice_credit, ("body",)),
    (tables.payments.purchase, ("body",)),
    (tables.payments.recharge, ("body",)),
    (tables.flow.notice, ("body",)),
    (tables.flow.outbox, ("commands", "outcomes")),
)


def erase_texts(connection: Connection, accounts: Sequence[str], texts: Sequence[str]) -> int:
    """Answers in how many places one of the texts stood."""
    count = 0
    for account in accounts:
        for table, columns in _OF_ACCOUNTS:
            count += _erase_in(connection, table, columns, table.c.account == account, texts)
        lane = tables.flow.job.c.lane.in_((lane_of(account), lane_aside(lane_of(account))))
        count += _erase_in(connection, tables.flow.job, ("body",), lane, texts)
        # Of a failure the time and the place matter, not the words.
        connection.execute(sa.update(tables.flow.job).where(lane).values(failure=""))
    return count


def _erase_in(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    where: sa.ColumnElement[bool],
    texts: Sequence[str],
) -> int:
    key = list(table.primary_key.columns)
    count = 0
    for row in connection.execute(sa.select(*key, *(table.c[name] for name in columns)).where(where)).all():
        changed = {}
        for name in columns:
            stored = getattr(row, name)
            value, places = erased_document(msgspec.json.decode(stored), texts) if stored else (None, 0)
            if places:
                changed[name] = msgspec.json.encode(value).decode()
                count += places
        if changed:
            connection.execute(sa.update(table).where(*_same(key, row)).values(changed))
    return count


def _same(key: Sequence[Column[object]], row: sa.Row[tuple[object, ...]]) -> list[sa.ColumnElement[bool]]:
    return [column == getattr(row, column.name) for column in key]
