"""One asyncio program that awaits many checks and records at once: coalesced onto few calls."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable

import drawdown.aio
from drawdown.cli.bench_preparation import METER, account_id
from drawdown.cli.server_process import ServerProcess

from benches.figures import Figure, Goal, figure_of, require
from benches.folders import Folders
from benches.form import Form

GRANTS = 3
CALLERS = 1000
"""Coroutines that each await one call after the other."""
LAYER = "one asyncio program over gRPC, coalesced"


async def _all(callers: int, calls: int, one: Callable[[int], Awaitable[object]]) -> list[int]:
    """``calls`` calls by ``callers`` coroutines; nanoseconds that each call took, in no order."""
    clock = time.perf_counter_ns
    numbers = iter(range(calls))
    took: list[int] = []

    async def caller() -> None:
        for number in numbers:
            began = clock()
            await one(number)
            took.append(clock() - began)

    await asyncio.gather(*(caller() for _ in range(callers)))
    return took


class _Round:
    """Rates and latencies of the rounds of one kind of call."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.p50: list[float] = []
        self.p99: list[float] = []
        self.cpu: list[float] = []

    async def measure(self, callers: int, calls: int, one: Callable[[int], Awaitable[object]]) -> None:
        cpu = resource.getrusage(resource.RUSAGE_SELF)
        began = time.perf_counter()
        took = sorted(await _all(callers, calls, one))
        self.rates.append(calls / (time.perf_counter() - began))
        used = resource.getrusage(resource.RUSAGE_SELF)
        self.cpu.append((used.ru_utime + used.ru_stime - cpu.ru_utime - cpu.ru_stime) / calls * 1e6)
        self.p50.append(took[len(took) // 2] / 1e6)
        self.p99.append(took[len(took) * 99 // 100] / 1e6)

    def figures(self, name: str, unit: str, goal: Goal | None, note: str) -> list[Figure]:
        return [
            figure_of(name, LAYER, self.rates, unit, goal, note),
            figure_of(f"{name}: p50", LAYER, self.p50, "ms"),
            figure_of(f"{name}: p99", LAYER, self.p99, "ms"),
            figure_of(
                f"{name}: client CPU per call", LAYER, self.cpu, "µs", note="both threads of the client"
            ),
        ]


def coalesced_calls(form: Form, folders: Folders) -> list[Figure]:
    """``await db.check()`` and ``await db.record()`` of a thousand coroutines on one connection."""
    callers = min(CALLERS, form.checks)
    checks, records = _Round(), _Round()

    async def run(target: str) -> tuple[int, int]:
        async with drawdown.aio.connect(target) as db:

            async def check(number: int) -> None:
                answer = await db.check(account_id(number % form.accounts), METER)
                require(answer.allowed, f"{answer.reason}: a check was refused")

            async def record(number: int) -> None:
                result = await db.record(account_id(number % form.accounts), METER)
                require(result.status == "OK", f"{result.status}: a record was refused")

            await check(0)
            await record(0)
            before = (await db.stats())["events_applied"]
            for _ in range(form.rounds):
                await checks.measure(callers, form.checks, check)
                await records.measure(callers, form.checks // 2, record)
            applied = (await db.stats())["events_applied"] - before
            require(
                applied == form.rounds * (form.checks // 2),
                f"{form.rounds * (form.checks // 2)} records, {applied} applied",
            )
            return db.coalesced.asked, db.coalesced.calls

    with ServerProcess(folders.copy(folders.prepared(form.accounts, GRANTS))) as server:
        asked, calls = asyncio.run(run(server.target))
    note = f"{callers} coroutines, one connection; {asked / calls:.0f} checks per BatchCheck"
    return [
        *checks.figures("await check(), coalesced", "checks/s", Goal(50_000), note),
        *records.figures(
            "await record(), coalesced", "records/s", None, f"{callers} coroutines; durable when answered"
        ),
    ]
