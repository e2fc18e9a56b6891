"""Clients of the crash loop that work under reservations: reserve, then settle, release or walk away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import Any

import grpc
import grpc.aio
from drawdown.v1 import admin_pb2, admin_pb2_grpc

from tests.stress.sent_reservations import ReservationBook, SentReservation, now_us

SHORT_TTL_US = 150_000
LONG_TTL_US = 20 * 60 * 1_000_000


class ReservationClient:
    """One program: at most one command in flight; what was not answered is sent again, word for word."""

    def __init__(self, accounts: list[str], prices: dict[str, int], seed: int, book: ReservationBook) -> None:
        self.random = random.Random(seed)
        self.accounts = accounts
        self.prices = prices
        self.seed = seed
        self.book = book
        self.open: list[SentReservation] = []
        self.in_flight: SentReservation | None = None
        self.made = 0

    async def run(self, target: str, *, fresh: bool = True) -> None:
        """Work until the server is gone; without ``fresh`` until everything is answered and ended."""
        async with grpc.aio.insecure_channel(target) as channel:
            stub = admin_pb2_grpc.AdminServiceStub(channel)
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                while self.in_flight or fresh or self.open:
                    await self._step(stub, fresh)
                    await asyncio.sleep(0)
                return
        if not fresh:
            self.book.wrong.append(f"reservation client {self.seed}: the server went away at the end")

    async def _step(self, stub: Any, fresh: bool) -> None:
        hold = self.in_flight or self._next(fresh)
        self.in_flight = hold
        if not hold.is_reserved:
            hold.last_sent_us = now_us()
            hold.first_sent_us = hold.first_sent_us or hold.last_sent_us
            hold.sendings += 1
            self.book.answered_reserve(hold, await send(stub, hold.reserve_command()))
            if not hold.ended_as:
                self.open.append(hold)
        else:
            assert hold.end is not None
            hold.end_sendings += 1
            self.book.answered_end(hold, await send(stub, hold.end))
            if hold.ended_as:
                self.open.remove(hold)
        self.in_flight = None

    def _next(self, fresh: bool) -> SentReservation:
        """A new reservation, or one that ends now."""
        ripe = [hold for hold in self.open if not fresh or hold.ttl_us != SHORT_TTL_US]
        if self.open and (not fresh or (ripe and self.random.random() < 0.5) or len(self.open) > 20):
            hold = self.random.choice(ripe or self.open)
            used = self.random.choice([0, hold.quantity // 2, hold.quantity, hold.quantity + 3])
            is_release = not fresh or self.random.random() < 0.3
            hold.end = hold.release_command() if is_release else hold.settle_command(used)
            hold.end_sendings = 0
            return hold
        return self._reservation()

    def _reservation(self) -> SentReservation:
        self.made += 1
        meter = self.random.choice(sorted(self.prices))
        hold = SentReservation(
            reservation_id=f"hold-{self.seed}-{self.made}",
            account=self.random.choice(self.accounts),
            meter=meter,
            quantity=self.random.choice([1, 2, 7, 40]),
            price=self.prices[meter],
            ttl_us=SHORT_TTL_US if self.random.random() < 0.2 else LONG_TTL_US,
        )
        self.book.sent[hold.reservation_id] = hold
        return hold


async def send(stub: Any, command: dict[str, Any]) -> dict[str, Any]:
    """The outcome of one command, once durable."""
    request = admin_pb2.ExecuteCommandsRequest(commands_json=json.dumps([command]).encode())
    answer = await stub.ExecuteCommands(request, timeout=30)
    outcome: dict[str, Any] = json.loads(answer.outcomes_json)[0]
    return outcome


async def repeat_reservations(target: str, book: ReservationBook) -> None:
    """Send every acknowledged command once more: each is a duplicate; another content is a conflict."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub = admin_pb2_grpc.AdminServiceStub(channel)
        for hold in book.sent.values():
            if not hold.is_reserved:
                continue
            repeats = [(hold.reserve_command(), "DUPLICATE")]
            repeats.append(({**hold.reserve_command(), "quantity": hold.quantity + 1}, "CONFLICT"))
            if hold.ended_as == "settled" and hold.end is not None:
                repeats.append((hold.end, "DUPLICATE"))
                repeats.append(({**hold.end, "quantity": hold.end["quantity"] + 1}, "CONFLICT"))
                repeats.append((hold.release_command(), "CONFLICT"))
            elif hold.ended_as:
                repeats.append((hold.release_command(), "DUPLICATE"))
                repeats.append((hold.settle_command(1), "CONFLICT"))
            for command, wanted in repeats:
                book.repeated(command, (await send(stub, command))["status"], wanted)
