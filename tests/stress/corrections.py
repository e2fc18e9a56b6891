"""Corrections in the crash loop: a client that changes what happened, and the book that knows by how much."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from drawdown.v1 import admin_pb2, admin_pb2_grpc

from tests.stress.reservation_clients import send
from tests.stress.sent_events import Book, SentEvent


@dataclass
class SentCorrection:
    """One correction of one applied event, with both prices worked out here."""

    command: dict[str, Any]
    account: str
    event_id: str
    old_price: int
    new_price: int
    sendings: int = 0

    @property
    def difference(self) -> int:
        return self.new_price - self.old_price


@dataclass
class CorrectionBook:
    """Every correction in flight or acknowledged, and every contradiction found so far."""

    events: Book
    price_now: dict[str, int] = field(default_factory=dict)
    """Of corrected events, as last acknowledged."""
    final: set[str] = field(default_factory=set)
    """Cancelled, or under a client's hand: nobody else takes them up."""
    in_flight: dict[int, SentCorrection] = field(default_factory=dict)
    acknowledged: list[SentCorrection] = field(default_factory=list)
    refused: int = 0
    duplicates: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def answered(self, client: int, outcome: dict[str, Any]) -> None:
        """Take in the answer to what the client has in flight."""
        sent = self.in_flight.pop(client)
        if not sent.command.get("cancel"):
            self.final.discard(sent.event_id)
        status = outcome["status"]
        if status == "INSUFFICIENT" and sent.difference > 0:
            self.refused += 1
        elif status in ("OK", "DUPLICATE"):
            self._applied(sent, outcome)
        else:
            self.wrong.append(f"{sent.event_id}: correction answered {outcome}")

    def _applied(self, sent: SentCorrection, outcome: dict[str, Any]) -> None:
        if outcome["status"] == "DUPLICATE":
            self.duplicates += 1
            if sent.sendings < 2:
                self.wrong.append(f"{sent.event_id}: correction DUPLICATE at its first sending")
        elif (outcome["charged"], outcome["difference"]) != (sent.new_price, sent.difference):
            self.wrong.append(f"{sent.event_id}: {outcome}, expected {sent.new_price} in all")
        self.price_now[sent.event_id] = sent.new_price
        self.events.charged[sent.account] += sent.difference
        self.acknowledged.append(sent)

    def unanswered(self, account: str) -> tuple[int, int]:
        """How much less and how much more may be burned by corrections in flight."""
        differences = [sent.difference for sent in self.in_flight.values() if sent.account == account]
        return -sum(d for d in differences if d < 0), sum(d for d in differences if d > 0)

    def repeated(self, sent: SentCorrection, status: str, wanted: str) -> None:
        """Take in the answer to a correction whose first answer is known."""
        if status != wanted:
            self.lost.append(f"{sent.event_id}: its correction again answered {status}, not {wanted}")

    @property
    def faults(self) -> list[str]:
        return [*self.lost, *self.wrong]


class CorrectionClient:
    """One program: corrects events that were acknowledged; repeats word for word what was not answered."""

    def __init__(self, number: int, prices: dict[str, int], seed: int, book: CorrectionBook) -> None:
        self.number = number
        self.random = random.Random(seed)
        self.prices = prices
        self.seed = seed
        self.book = book
        self.made = 0

    async def run(self, target: str, *, fresh: bool = True) -> None:
        """Correct until the server is gone; without ``fresh`` until what is in flight is answered."""
        async with grpc.aio.insecure_channel(target) as channel:
            stub = admin_pb2_grpc.AdminServiceStub(channel)
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                while fresh or self.number in self.book.in_flight:
                    await self._step(stub)
                return
        if not fresh:
            self.book.wrong.append(f"correction client {self.number}: the server went away at the end")

    async def _step(self, stub: Any) -> None:
        sent = self.book.in_flight.get(self.number) or self._next()
        if sent is None:
            # Who only waits would never learn that the server is gone.
            await stub.Query(admin_pb2.QueryRequest(query_json=b'{"type": "catalog"}'), timeout=30)
            await asyncio.sleep(0.01)
            return
        self.book.in_flight[self.number] = sent
        sent.sendings += 1
        self.book.answered(self.number, await send(stub, sent.command))

    def _next(self) -> SentCorrection | None:
        """Of an event that an ack called applied; ``None`` while there is none."""
        applied = self.book.events.applied
        for event_id in self.random.sample(list(applied), min(3, len(applied))):
            if event_id not in self.book.final:
                return self._of(applied[event_id])
        return None

    def _of(self, event: SentEvent) -> SentCorrection:
        self.made += 1
        self.book.final.add(event.event_id)
        command: dict[str, Any] = {
            "type": "correct",
            "account": event.account,
            "event_id": event.event_id,
            "correction_id": f"correction-{self.seed}-{self.made}",
        }
        quantity = self.random.choice([0, 1, event.quantity // 2, event.quantity + 5])
        if self.random.random() < 0.2:
            command["cancel"], quantity = True, 0
        else:
            command["quantity"] = quantity
        price = self.prices[event.meter]
        old_price = self.book.price_now.get(event.event_id, event.charge)
        return SentCorrection(command, event.account, event.event_id, old_price, quantity * price)


async def repeat_corrections(target: str, book: CorrectionBook) -> None:
    """Send every acknowledged correction once more: a duplicate; its id for another one is a conflict."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub = admin_pb2_grpc.AdminServiceStub(channel)
        for sent in book.acknowledged:
            book.repeated(sent, (await send(stub, sent.command))["status"], "DUPLICATE")
            if "quantity" in sent.command:
                other = {**sent.command, "quantity": sent.command["quantity"] + 1}
                book.repeated(sent, (await send(stub, other))["status"], "CONFLICT")
