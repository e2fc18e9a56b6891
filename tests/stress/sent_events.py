"""The outside checker's book: every event that was ever sent, and what was certainly said about it.

It knows nothing of the engine but the answers that arrived. From them follows what must be true
of balances, whatever happened to the server in between.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from drawdown.v1 import usage_pb2

OK, DUPLICATE, INSUFFICIENT = usage_pb2.STATUS_OK, usage_pb2.STATUS_DUPLICATE, usage_pb2.STATUS_INSUFFICIENT


@dataclass(frozen=True)
class SentEvent:
    """One event with its price, worked out here: every rate of the loop is whole credits per unit."""

    event_id: str
    account: str
    meter: str
    quantity: int
    time_us: int
    charge: int


@dataclass
class SentBatch:
    batch_id: int
    events: list[SentEvent]
    sendings: int = 0

    def message(self) -> bytes:
        """The encoded ``UsageBatch``; the same bytes each time."""
        batch = usage_pb2.UsageBatch(batch_id=self.batch_id, detail=usage_pb2.RESULT_DETAIL_ALL)
        for event in self.events:
            batch.events.add(
                event_id=event.event_id,
                account_id=event.account,
                meter=event.meter,
                quantity=event.quantity,
                time_us=event.time_us,
            )
        return batch.SerializeToString()


@dataclass
class Book:
    """What the acks said, event by event, and every contradiction found so far."""

    applied: dict[str, SentEvent] = field(default_factory=dict)
    """Events that an ack called applied: ``OK``, or ``DUPLICATE`` after an unanswered sending."""
    charged: Counter[str] = field(default_factory=Counter)
    granted: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    duplicates: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    overspent: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def answered(self, batch: SentBatch, ack: usage_pb2.UsageAck) -> None:
        """Take in one ack of a batch whose events had no answer before."""
        results = ack.results
        if ack.batch_id != batch.batch_id or len(results.status) != len(batch.events):
            self.wrong.append(f"batch {batch.batch_id} was answered as {ack.batch_id}")
            return
        counts: Counter[int] = Counter(results.status)
        if (ack.applied, ack.duplicates) != (counts[OK], counts[DUPLICATE]):
            self.wrong.append(f"batch {batch.batch_id}: totals and results differ")
        for event, status, charged, available in zip(
            batch.events, results.status, results.charged, results.available, strict=True
        ):
            if available < 0:
                self.overspent.append(f"{event.event_id}: available {available} on {event.account}")
            if status in (OK, DUPLICATE):
                self._applied(batch, event, status, charged)
            elif status == INSUFFICIENT:
                self.refused += 1
            else:
                self.wrong.append(f"{event.event_id}: status {status}")

    def _applied(self, batch: SentBatch, event: SentEvent, status: int, charged: int) -> None:
        if event.event_id in self.applied:
            self.wrong.append(f"{event.event_id}: answered twice as unanswered")
            return
        if status == OK and charged != event.charge:
            self.wrong.append(f"{event.event_id}: charged {charged}, priced {event.charge}")
        if status == DUPLICATE:
            self.duplicates += 1
            if batch.sendings < 2:
                self.wrong.append(f"{event.event_id}: DUPLICATE at its first sending")
        self.applied[event.event_id] = event
        self.charged[event.account] += event.charge

    def repeated(self, batch: SentBatch, ack: usage_pb2.UsageAck) -> None:
        """Take in the answer to a batch made of applied events: every one must be a DUPLICATE."""
        for event, status in zip(batch.events, ack.results.status, strict=True):
            if status == OK:
                self.lost.append(f"{event.event_id}: acknowledged once, applied again now")
            elif status != DUPLICATE:
                self.lost.append(f"{event.event_id}: acknowledged once, now status {status}")

    def compare(
        self,
        account: str,
        *,
        burned: int,
        available: int,
        unanswered: int,
        less: int = 0,
        held: int = 0,
        settled: int = 0,
    ) -> None:
        """Hold a durable reading of one account against the book.

        ``unanswered`` is the price of what is in flight: nobody knows whether it was applied.
        ``less`` is what corrections in flight may have taken back.
        ``settled`` is what acknowledged settles of reservations charged, ``held`` what is set aside now.
        """
        least = self.charged[account] + settled
        if burned < least - less:
            self.lost.append(f"{account}: {burned} burned, acknowledged {least}")
        if burned > least + unanswered:
            self.doubled.append(f"{account}: {burned} burned, at most {least + unanswered} was sent")
        if burned > self.granted[account] or available < 0:
            self.overspent.append(f"{account}: {burned} burned of {self.granted[account]}, {available} left")
        if burned + available + held != self.granted[account]:
            parts = f"{burned} + {available} + {held} held"
            self.wrong.append(f"{account}: {parts} is not {self.granted[account]}")

    @property
    def faults(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.overspent, *self.wrong]
