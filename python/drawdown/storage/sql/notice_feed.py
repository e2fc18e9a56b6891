"""The feed of notices: per account a sequence without gaps, over all one order of rows."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.model.decision import Notice
from drawdown.model.instants import instant_from_us
from drawdown.notices.notice import Notice as StoredNotice
from drawdown.storage.sql.series import Series
from drawdown.storage.sql.tables.flow import notice
from drawdown.storage.sql.wakes import NOTICES, Written

_PREFIX: Final = "notice-"


def notice_id_of(row: int) -> str:
    """The id of the notice in this row."""
    return f"{_PREFIX}{row}"


class NoticeFeed:
    """Notices of one transaction's view."""

    def __init__(self, connection: Connection, written: Written) -> None:
        self._connection = connection
        self._written = written

    def put(self, given: Notice, at_us: int) -> int | None:
        """Append; answers its row, or ``None`` where a notice of the same key exists."""
        if given.key and self._known(given.key):
            return None
        sequence = Series(self._connection).following(f"notice:{given.account}")
        added = self._connection.execute(
            sa.insert(notice).values(
                account=given.account,
                sequence=sequence,
                kind=given.kind,
                key=given.key or None,
                at=at_us,
                body=msgspec.json.encode(given.body).decode(),
            )
        )
        self._written.note(NOTICES)
        (row,) = added.inserted_primary_key or (0,)
        return int(row)

    def _known(self, key: str) -> bool:
        found = self._connection.execute(sa.select(notice.c.row).where(notice.c.key == key)).first()
        return found is not None

    def after(
        self,
        row: int,
        limit: int,
        *,
        account: str = "",
        account_prefix: str = "",
        kinds: Iterable[str] | None = None,
    ) -> list[tuple[int, StoredNotice]]:
        """At most ``limit`` notices behind a row, with their rows, oldest first; ``kinds`` absent: all."""
        statement = sa.select(notice).where(notice.c.row > row).order_by(notice.c.row).limit(limit)
        if account:
            statement = statement.where(notice.c.account == account)
        if account_prefix:
            statement = statement.where(notice.c.account.startswith(account_prefix, autoescape=True))
        if kinds is not None:
            statement = statement.where(notice.c.kind.in_(list(kinds)))
        return list(_stored(self._connection.execute(statement)))

    def get(self, notice_id: str) -> tuple[int, StoredNotice] | None:
        """One notice with its row, or ``None``."""
        digits = notice_id.removeprefix(_PREFIX)
        if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
            return None
        found = self._connection.execute(sa.select(notice).where(notice.c.row == int(digits)))
        return next(_stored(found), None)

    def last_row(self) -> int:
        """The row of the newest notice, or 0."""
        return int(self._connection.execute(sa.select(sa.func.max(notice.c.row))).scalar_one() or 0)


def _stored(rows: Iterable[Any]) -> Iterator[tuple[int, StoredNotice]]:
    for each in rows:
        yield (
            int(each.row),
            StoredNotice(
                notice_id=notice_id_of(each.row),
                account=each.account,
                sequence=each.sequence,
                kind=each.kind,
                at=instant_from_us(each.at),
                data=msgspec.json.decode(each.body),
            ),
        )
