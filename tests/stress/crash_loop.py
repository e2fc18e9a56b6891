"""kill -9 under load, again and again, with an outside checker: ``python -m tests.stress.crash_loop``.

Each cycle starts the server, checks every balance and every open reservation against what was
acknowledged, re-sends what was not, streams and reserves on, and kills the process at a random moment.
At the end every event and every reservation ever acknowledged is sent once more: each must be a
duplicate, no balance may move, and nothing may stay held.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stress.corrections import CorrectionBook, CorrectionClient, repeat_corrections
from tests.stress.reservation_clients import ReservationClient, repeat_reservations
from tests.stress.sent_events import Book, SentBatch, SentEvent
from tests.stress.sent_reservations import ReservationBook, now_us
from tests.stress.server_process import ServerProcess
from tests.stress.usage_streams import EventMaker, UsageStream, repeat

PRICES = {"calls": 1, "tokens": 3}
STREAMS = 4
RESERVATION_CLIENTS = 12
CORRECTION_CLIENTS = 3
ACCOUNTS = 24
BATCH_EVENTS = 50
POOR_GRANT = 3_000
RICH_GRANT = 10**12


@dataclass
class Cycle:
    """One life of the server."""

    number: int
    restart_s: float
    load_s: float
    acknowledged: int
    unanswered: int


@dataclass
class CrashLoop:
    """The server, its clients and the book over all cycles."""

    folder: Path
    seed: int
    load_s_max: float = 0.8
    flags: tuple[str, ...] = ()
    load_s_min: float = 0.02
    cycles: list[Cycle] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.book = Book()
        self.server = ServerProcess(self.folder, *self.flags)
        self.accounts = [f"account-{number:02}" for number in range(ACCOUNTS)]
        self.makers = [
            EventMaker(self.accounts, PRICES, self.seed * 100 + number, BATCH_EVENTS)
            for number in range(STREAMS)
        ]
        self.streams = [UsageStream(n, maker.batch, self.book) for n, maker in enumerate(self.makers)]
        self.holds = ReservationBook()
        self.corrections = CorrectionBook(self.book)
        self.correctors = [
            CorrectionClient(number, PRICES, self.seed * 100 + number, self.corrections)
            for number in range(CORRECTION_CLIENTS)
        ]
        self.reservers = [
            ReservationClient(self.accounts, PRICES, self.seed * 100 + number, self.holds)
            for number in range(RESERVATION_CLIENTS)
        ]

    async def run(self, cycles: int) -> None:
        """All cycles and the final judgement; the findings are in the book."""
        try:
            self.server.start()
            self._set_up()
            for number in range(cycles):
                await self._live_and_die(number)
                if self.faults:
                    # Clients would ask for ever after what was lost.
                    return
            await self._finish()
        finally:
            if self.server.is_running:
                self.server.kill()

    def _set_up(self) -> None:
        group: list[dict[str, Any]] = [{"type": "create_credit_type", "name": "credits", "scale": 0}]
        for meter, price in PRICES.items():
            group.append({"type": "create_meter", "key": meter})
            rate = {"table": "default", "meter": meter, "credit_type": "credits", "credits": str(price)}
            group.append({"type": "set_rate", **rate})
        group += [{"type": "create_account", "account": account} for account in self.accounts]
        self._must(self.server.execute(*group), {"OK"})
        for number, account in enumerate(self.accounts):
            self._grant(account, "first", RICH_GRANT if number % 3 == 0 else POOR_GRANT)

    def _grant(self, account: str, grant_id: str, amount: int) -> None:
        grant = {"grant_id": grant_id, "credit_type": "credits", "amount": amount}
        command = {"type": "create_grant", "account": account, "grant": grant}
        self._must(self.server.execute(command), {"OK"})
        self.book.granted[account] += amount

    def _must(self, statuses: list[str], wanted: set[str]) -> None:
        if not set(statuses) <= wanted:
            self.book.wrong.append(f"commands answered {sorted(set(statuses))}")

    async def _live_and_die(self, number: int) -> None:
        before = len(self.book.applied)
        load_s = self.random.uniform(self.load_s_min, self.load_s_max)
        clients = [*self.streams, *self.reservers, *self.correctors]
        running = [asyncio.create_task(client.run(self.server.target)) for client in clients]
        await asyncio.sleep(load_s)
        await asyncio.to_thread(self._end)
        await asyncio.gather(*running)
        unanswered = sum(len(stream.unanswered) for stream in self.streams)
        acknowledged = len(self.book.applied) - before
        restart_s = await asyncio.to_thread(self.server.start)
        self.cycles.append(Cycle(number, restart_s, load_s, acknowledged, unanswered))
        await asyncio.to_thread(self._compare)
        await asyncio.to_thread(self._top_up, number)

    def _end(self) -> None:
        """End the server under load, without warning."""
        self.server.kill()

    def _top_up(self, number: int) -> None:
        """A grant to one account that may have run dry, so that refused and taken events mix."""
        self._grant(self.accounts[number % ACCOUNTS], f"top-up-{number}", POOR_GRANT)

    def _compare(self) -> None:
        in_flight: Counter[str] = Counter()
        for stream in self.streams:
            for batch in stream.unanswered:
                for event in batch.events:
                    in_flight[event.account] += event.charge
        for account in self.accounts:
            grants, available, listed, read_us = self._read(account)
            held = sum(grant["held"] for grant in grants)
            self.holds.compare(account, listed, held, read_us)
            less, more = self.corrections.unanswered(account)
            self.book.compare(
                account,
                burned=sum(grant["burned"] for grant in grants),
                available=available,
                held=held,
                settled=self.holds.charged[account],
                unanswered=in_flight[account] + self.holds.unanswered_charge(account) + more,
                less=less,
            )
        conservation = self.server.query(type="conservation")
        if conservation["violations"] or not conservation["holds"]:
            self.book.wrong.append(f"conservation: {conservation['violations'][:3]}")

    def _read(self, account: str) -> tuple[list[dict[str, Any]], int, list[dict[str, Any]], int]:
        """Grants, available and open reservations of one moment: nothing lapsed between the readings."""
        while True:
            read_us = now_us()
            grants = self.server.query(type="grants", account=account, limit=1_000)["grants"]
            balance = self.server.query(type="balance", account=account, credit_type="credits")
            listed = self.server.query(type="reservations", account=account, limit=10_000)["reservations"]
            if grants == self.server.query(type="grants", account=account, limit=1_000)["grants"]:
                return grants, balance["available"], listed, read_us

    async def _finish(self) -> None:
        """Answer everything, then repeat everything that was ever acknowledged."""
        clients = [*self.streams, *self.reservers, *self.correctors]
        await asyncio.gather(*(client.run(self.server.target, fresh=False) for client in clients))
        await asyncio.to_thread(self._compare)
        if any(self._read(account)[2] for account in self.accounts):
            self.holds.leaked.append("something is held after every reservation ended")
        await repeat_reservations(self.server.target, self.holds)
        await repeat_corrections(self.server.target, self.corrections)
        await repeat(self.server.target, _batches(list(self.book.applied.values())), self.book)
        await asyncio.to_thread(self._compare)
        code = await asyncio.to_thread(self.server.stop)
        if code != 0:
            self.book.wrong.append(f"the drained server ended with {code}")

    def summary(self) -> dict[str, Any]:
        restarts = sorted(cycle.restart_s for cycle in self.cycles)
        return {
            "cycles": len(self.cycles),
            "seed": self.seed,
            "sent": sum(maker.events for maker in self.makers),
            "acknowledged": len(self.book.applied),
            "known_by_duplicate": self.book.duplicates,
            "refused": self.book.refused,
            "lost": len(self.book.lost),
            "doubled": len(self.book.doubled),
            "overspent": len(self.book.overspent),
            "wrong": len([*self.book.wrong, *self.holds.wrong, *self.corrections.wrong]),
            "reserved": self.holds.reserved,
            "settled": self.holds.settled,
            "released": self.holds.released,
            "lapsed": self.holds.lapsed,
            "holds_refused": self.holds.refused,
            "holds_known_by_duplicate": self.holds.duplicates,
            "holds_lost": len(self.holds.lost),
            "holds_leaked": len(self.holds.leaked),
            "corrected": len(self.corrections.acknowledged),
            "corrections_known_by_duplicate": self.corrections.duplicates,
            "corrections_refused": self.corrections.refused,
            "corrections_lost": len(self.corrections.lost),
            "restart_s": {
                "p50": round(restarts[len(restarts) // 2], 3) if restarts else None,
                "max": round(restarts[-1], 3) if restarts else None,
            },
            "faults": self.faults[:20],
        }

    @property
    def faults(self) -> list[str]:
        """Of events, reservations and corrections."""
        return [*self.book.faults, *self.holds.faults, *self.corrections.faults]


def _batches(events: list[SentEvent], size: int = 1_000) -> list[SentBatch]:
    return [SentBatch(n, events[n : n + size]) for n in range(0, len(events), size)]


def run(folder: Path, *, cycles: int, seed: int, load_s_max: float = 0.8) -> CrashLoop:
    loop = CrashLoop(folder, seed, load_s_max)
    asyncio.run(loop.run(cycles))
    return loop


def main() -> int:
    """Print a table and one JSON line; 0 iff nothing was lost, doubled or overspent."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.crash_loop")
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000)
    parser.add_argument("--load-s-max", type=float, default=0.8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drawdown-crash-") as root:
        loop = run(
            Path(root) / "data", cycles=arguments.cycles, seed=arguments.seed, load_s_max=arguments.load_s_max
        )
    print(f"{'cycle':>6} {'load s':>8} {'acknowledged':>13} {'in flight':>10} {'restart s':>10}")
    for cycle in loop.cycles:
        print(
            f"{cycle.number:>6} {cycle.load_s:>8.2f} {cycle.acknowledged:>13}"
            f" {cycle.unanswered:>10} {cycle.restart_s:>10.2f}"
        )
    summary = loop.summary()
    print(json.dumps(summary))
    return 1 if loop.faults else 0


if __name__ == "__main__":
    sys.exit(main())
