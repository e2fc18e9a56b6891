"""The feed of notices: per account a sequence without gaps, over all one order of rows.

Both go on far above what was given out before where the rows came out of a backup (``new_line.py``).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.model.decision import Notice
from drawdown.model.instants import instant_from_us
from drawdown.notices.notice import Notice as StoredNotice
from drawdown.storage.sql.bulk import write_many
from drawdown.storage.sql.documents import begins_with
from drawdown.storage.sql.new_line import NOTICES_BEGIN, last_row
from drawdown.storage.sql.pending import Pending
from drawdown.storage.sql.series import Series
from drawdown.storage.sql.stored_keys import stored_key
from drawdown.storage.sql.tables.flow import notice
from drawdown.storage.sql.wakes import NOTICES, Written

_PREFIX: Final = "notice-"

# Built once: putting a statement together costs more than running it.
_KNOWN: Final = sa.select(notice.c.key).where(notice.c.key.in_(sa.bindparam("wanted", expanding=True)))
_INSERT: Final = sa.insert(notice)


def notice_id_of(row: int) -> str:
    """The id of the notice in this row."""
    return f"{_PREFIX}{row}"


def row_of_notice_id(notice_id: str) -> int | None:
    """The row that the id names; ``None`` for what is no id of a notice."""
    digits = notice_id.removeprefix(_PREFIX)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


class NoticeFeed:
    """Notices of one transaction's view."""

    def __init__(self, connection: Connection, pending: Pending, series: Series, written: Written) -> None:
        self._connection = connection
        self._pending = pending
        self._series = series
        self._written = written
        self._put: list[dict[str, Any]] = []
        self._keys_put: set[str] = set()

    def put_many(self, given: Sequence[Notice], at_us: int) -> None:
        """Append these in their order; one whose key exists was told before and is not again."""
        if not given:
            return
        keys = [stored_key(each.key) for each in given]
        known = self._known([key for key in keys if key])
        self._series.bring((NOTICES_BEGIN, *(f"notice:{each.account}" for each in given)))
        begins = self._series.last(NOTICES_BEGIN)
        for each, key in zip(given, keys, strict=True):
            if key in known:
                continue
            if key:
                known.add(key)
                self._keys_put.add(key)
            self._put.append(
                {
                    "account": each.account,
                    "sequence": self._series.following(f"notice:{each.account}", above=begins),
                    "kind": each.kind,
                    "key": key or None,
                    "at": at_us,
                    "body": msgspec.json.encode(each.body).decode(),
                }
            )

    def _known(self, keys: list[str]) -> set[str]:
        if not keys:
            return set()
        known = {key for (key,) in self._connection.execute(_KNOWN, {"wanted": keys})}
        return known.union(self._keys_put.intersection(keys))

    def write_out(self) -> None:
        """What was put is in the database, though not committed."""
        if self._put:
            if self._series.last(NOTICES_BEGIN):
                # By itself the database would go on behind the newest that came out of the backup.
                for row, each in enumerate(self._put, last_row(self._connection) + 1):
                    each["row"] = row
            write_many(self._connection, _INSERT, self._put)
            self._put.clear()
            self._keys_put.clear()
            self._pending.wrote()
            self._written.note(NOTICES)

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
        self.write_out()
        statement = sa.select(notice).where(notice.c.row > row).order_by(notice.c.row).limit(limit)
        if account:
            statement = statement.where(notice.c.account == account)
        if account_prefix:
            statement = statement.where(begins_with(notice.c.account, account_prefix))
        if kinds is not None:
            statement = statement.where(notice.c.kind.in_(list(kinds)))
        return list(_stored(self._connection.execute(statement)))

    def get(self, notice_id: str) -> tuple[int, StoredNotice] | None:
        """One notice with its row, or ``None``."""
        self.write_out()
        row = row_of_notice_id(notice_id)
        if row is None:
            return None
        found = self._connection.execute(sa.select(notice).where(notice.c.row == row))
        return next(_stored(found), None)

    def last_row(self) -> int:
        """The row behind which the next notice is put; 0 at first."""
        self.write_out()
        return last_row(self._connection)


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
