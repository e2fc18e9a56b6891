"""From the outbox to the engine, in order, as often as it takes."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from drawdown.engine import Engine
from drawdown.runtime.control.fault_points import pass_point
from drawdown.storage.sql import SqlDatabase
from drawdown.storage.sql.outbox import DeliveredGroup, OutboxGroup

_log = logging.getLogger("drawdown.control")
_GROUPS_AT_ONCE: Final = 1_024
_APPLIED: Final = frozenset({"OK", "DUPLICATE"})


class _Outcome(msgspec.Struct, frozen=True):
    status: str


_outcomes = msgspec.json.Decoder(list[_Outcome])


class Delivery:
    """Delivers groups one by one; one deliverer at a time keeps their order."""

    def __init__(self, engine: Engine, sql: SqlDatabase) -> None:
        self._engine = engine
        self._sql = sql
        self._one_at_a_time = threading.Lock()
        self.refused = 0

    def deliver(self) -> int:
        """Deliver what waits; answers how many groups. Durable in the engine when this returns."""
        count = 0
        with self._one_at_a_time:
            delivered: list[DeliveredGroup] = []
            while True:
                with self._sql.transaction() as work:
                    work.outbox.delivered(delivered, self._engine.now_us())
                    groups = work.outbox.waiting(_GROUPS_AT_ONCE)
                if not groups:
                    return count
                delivered = self._deliver_all(groups)
                count += len(groups)

    def answered(self, announced: Sequence[int], seq: int, *, refused: bool) -> None:
        """The engine has answered, at ``seq``, the group that these rows of the outbox were announced for."""
        if not announced:
            return
        with self._sql.transaction() as work:
            answer = [DeliveredGroup(row, seq, "[]", refused) for row in announced]
            work.outbox.delivered(answer, self._engine.now_us())

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Nothing is on its way to the engine inside the block."""
        with self._one_at_a_time:
            yield

    def _deliver_all(self, groups: list[OutboxGroup]) -> list[DeliveredGroup]:
        delivered = [self._deliver_one(group) for group in groups]
        # One wait for all: what is noted as delivered is on disk.
        self._engine.wait_durable(max(each.seq for each in delivered))
        pass_point("groups.durable")
        return delivered

    def _deliver_one(self, group: OutboxGroup) -> DeliveredGroup:
        pass_point("group.delivering")
        seq, outcomes = self._engine.apply_json(group.commands)
        pass_point("group.applied")
        text = outcomes.decode()
        refused = is_refused(outcomes)
        if refused:
            self.refused += 1
            _log.error(
                "the engine refused a command of the control plane",
                extra={"account": group.account, "outbox": group.row, "outcomes": text[:500]},
            )
        return DeliveredGroup(group.row, seq, text, refused)


def is_refused(outcomes: bytes) -> bool:
    """Whether the engine applied nothing of the group that it answered so."""
    return any(each.status not in _APPLIED for each in _outcomes.decode(outcomes))
