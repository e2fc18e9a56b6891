"""What the audit log says of typed calls: a line for each that changes or administers, before its answer."""

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from google.protobuf import message

from drawdown.server.access import Principal, Right
from drawdown.storage.audit_file import AuditFile

AUDITED: Final = frozenset({Right.MANAGE, Right.ADMIN})
# Lines per second of calls refused before any work: a flood of them must not fill the disk.
REFUSALS_PER_S: Final = 10

AuditedCall = Callable[[str], None]


class Connection(Protocol):
    """Where a call came from: that of a gRPC call is its context."""

    def peer(self) -> str: ...


def _not_audited(_: str) -> None:
    return


class Audit:
    """Writes lines of typed calls."""

    def __init__(self, file: AuditFile) -> None:
        self._file = file
        self._second = 0
        self._in_second = 0
        self.suppressed = 0

    def call(
        self,
        path: str,
        right: Right,
        caller: Principal,
        request: message.Message | None,
        connection: Connection,
    ) -> AuditedCall:
        """What a worker thread tells the outcome to, once, when the work is done."""
        if right not in AUDITED:
            return _not_audited
        facts = {**_facts(path, connection), "caller": caller.name, "account": _account_of(request)}
        if caller.key_id:
            facts["key"] = caller.key_id
        durable = right is Right.ADMIN
        return lambda outcome: self._file.append(durable=durable, outcome=outcome, **facts)

    def refused(
        self, path: str, right: Right, caller: Principal | None, connection: Connection, reason: str
    ) -> None:
        """A call that did not come to its work."""
        if right not in AUDITED:
            return
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        if self._in_second > REFUSALS_PER_S:
            self.suppressed += 1
            return
        facts = _facts(path, connection)
        if caller is not None:
            facts |= {"caller": caller.name, "key": caller.key_id}
        self._file.append(durable=False, outcome=reason, **facts)


def _facts(path: str, connection: Connection) -> dict[str, Any]:
    return {"call": path, "peer": connection.peer()}


def _account_of(request: message.Message | None) -> str:
    return str(getattr(request, "account_id", ""))
