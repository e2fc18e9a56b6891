"""The feed of notices: per account a sequence without gaps, over all one order of rows."""

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.model.decision import Notice
from drawdown.storage.sql.series import Series
from drawdown.storage.sql.tables.flow import notice


class NoticeFeed:
    """Notices of one transaction's view."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

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
        (row,) = added.inserted_primary_key or (0,)
        return int(row)

    def _known(self, key: str) -> bool:
        found = self._connection.execute(sa.select(notice.c.row).where(notice.c.key == key)).first()
        return found is not None
