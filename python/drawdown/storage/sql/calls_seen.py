"""Idempotent creates: the same id with the same content is the same call.

Of the content a digest is kept, enough to tell it from another: what people are called stands in one
place only, and can be erased there.
"""

import hashlib

import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.errors import AlreadyExistsError
from drawdown.storage.sql.pending import Pending
from drawdown.storage.sql.stored_keys import stored_key
from drawdown.storage.sql.tables.flow import call_seen

# Built once: putting a statement together costs more than running it.
_CONTENT = sa.select(call_seen.c.content).where(
    call_seen.c.kind == sa.bindparam("of_kind"), call_seen.c.id == sa.bindparam("of_id")
)
_INSERT = sa.insert(call_seen)


class CallsSeen:
    """Contents of calls by kind and caller's id; and what else happens once."""

    def __init__(self, connection: Connection, pending: Pending) -> None:
        self._connection = connection
        self._pending = pending

    def first_time(self, kind: str, call_id: str, content: str, as_sent: str, *, exists: bool) -> bool:
        """Remember the call. False for the same again.

        Raises ``AlreadyExistsError`` for other content, and for a new call where what it would make
        ``exists``. Calls used to be remembered ``as_sent``, which told "1.0" from "1".
        """
        digest = _digest(content)
        known = self._connection.execute(_CONTENT, {"of_kind": kind, "of_id": call_id}).first()
        if known is None and not exists:
            self._pending.wrote()
            self._connection.execute(_INSERT, {"kind": kind, "id": call_id, "content": digest})
            return True
        if known is None or known[0] not in (digest, _digest(as_sent)):
            raise AlreadyExistsError(
                f"{call_id!r} exists with other content; nothing changed, use another id"
            )
        return False

    def note(self, kind: str, name: str) -> bool:
        """Remember that something has happened. False where it had before."""
        return self.first_time(kind, stored_key(name), "", "", exists=False)

    def has(self, kind: str, name: str) -> bool:
        """Whether it has happened."""
        return (
            self._connection.execute(_CONTENT, {"of_kind": kind, "of_id": stored_key(name)}).first()
            is not None
        )


def _digest(content: str) -> str:
    return hashlib.blake2b(content.encode(), digest_size=32).hexdigest()
