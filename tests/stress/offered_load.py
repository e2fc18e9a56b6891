"""Unary usage at a rate that does not wait for answers, from a process of its own.

``python -m tests.stress.offered_load HOST:PORT JSON`` sends batches of fresh events at ``calls_per_s`` for
``seconds``, each call with a deadline and never repeated, and prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc
import grpc.aio
from drawdown.cli.bench_preparation import METER, QUANTITY
from drawdown.client.call_window import AioWindowedMethod
from drawdown.client.channel import OPTIONS, RECORD_USAGE, STREAM_USAGE
from drawdown.client.rpc_errors import error_of, retry_after_s
from drawdown.engine import LoadGenerator, decode_ack
from drawdown.errors import OverloadedError
from drawdown.model import now_us

TICK_S = 0.005
STREAM_WINDOW = 4


@dataclass(frozen=True)
class Offer:
    """What is offered."""

    calls_per_s: float
    seconds: float
    batch: int
    seed: int
    deadline_s: float = 1.0
    connections: int = 4
    accounts: int = 1_000
    concurrent: int = 0
    """As many callers that wait for each answer, and after a refusal as long as they are asked to, instead
    of a rate: finds what the server can do."""
    streams: int = 0
    """As many usage streams, ``STREAM_WINDOW`` batches in flight on each, instead of calls."""
    windows: bool = False
    """Calls of a connection go through the client library's window instead of each for itself."""


@dataclass
class Answers:
    """What came of it. ``refused`` counts calls by reason, of which nothing may have been applied."""

    calls: int = 0
    events_ok: int = 0
    calls_ok: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    unsent: int = 0
    """Calls that the client kept back until their time was over; not among ``calls``."""
    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)

    @property
    def goodput(self) -> float:
        """Events acknowledged per second."""
        return self.events_ok / self.seconds

    def report(self) -> dict[str, Any]:
        found = {
            name: getattr(self, name)
            for name in ("calls", "calls_ok", "events_ok", "refused", "unknown", "unsent")
        }
        return {
            **found,
            "seconds": self.seconds,
            "goodput": self.goodput,
            "p50_ms": _percentile(self.latencies_ms, 50),
            "p99_ms": _percentile(self.latencies_ms, 99),
            "refused_p50_ms": _percentile(self.refused_ms, 50),
            "refused_p99_ms": _percentile(self.refused_ms, 99),
        }


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) * percent // 100] if ordered else 0.0


async def offer(target: str, shape: Offer) -> Answers:
    """Send it all, wait for every answer."""
    answers = Answers()
    generator = LoadGenerator(
        accounts=shape.accounts,
        batch=shape.batch,
        skew="uniform",
        encoding="columns",
        seed=shape.seed,
        meter=METER,
        quantity=QUANTITY,
    )
    # A connection each: gRPC would share one between channels of the same arguments.
    channels = [
        grpc.aio.insecure_channel(target, options=[*OPTIONS, ("grpc.use_local_subchannel_pool", 1)])
        for _ in range(shape.connections)
    ]

    def sending(method: Any) -> Any:
        # The batch is made when it is sent: a client that keeps calls back has no work by them either.
        def send(number: int, timeout: float) -> Any:
            return method(generator.next(number, now_us()), timeout=timeout)

        return AioWindowedMethod(send) if shape.windows else send

    stubs = [sending(channel.unary_unary(RECORD_USAGE)) for channel in channels]

    async def call(number: int) -> float:
        """How long the server asks to wait before the next one."""
        answers.calls += 1
        began = time.perf_counter()
        try:
            ack = decode_ack(await stubs[number % len(stubs)](number, timeout=shape.deadline_s))
        except grpc.RpcError as failure:
            fault = error_of(failure)
            (answers.refused if fault.definite else answers.unknown)[fault.reason] += 1
            answers.refused_ms.append((time.perf_counter() - began) * 1000)
            return retry_after_s(failure)
        except OverloadedError:
            answers.calls -= 1
            answers.unsent += 1
            return 0.0
        answers.calls_ok += 1
        answers.events_ok += ack[2]
        answers.latencies_ms.append((time.perf_counter() - began) * 1000)
        return 0.0

    began = time.perf_counter()
    ends = began + shape.seconds
    if shape.streams:
        await asyncio.gather(
            *(
                _stream(channels[number % len(channels)], generator, answers, ends)
                for number in range(shape.streams)
            )
        )
    elif shape.concurrent:
        await _closed(call, shape.concurrent, ends)
    else:
        await _open(call, shape.calls_per_s, began, ends)
    answers.seconds = time.perf_counter() - began
    for channel in channels:
        await channel.close()
    return answers


async def _open(call: Any, rate: float, began: float, ends: float) -> None:
    sent = 0
    flying: set[asyncio.Task[float]] = set()
    while (now := time.perf_counter()) < ends:
        for _ in range(int((now - began) * rate) - sent):
            sent += 1
            task = asyncio.create_task(call(sent))
            flying.add(task)
            task.add_done_callback(flying.discard)
            if sent % 8 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(TICK_S)
    if flying:
        await asyncio.wait(flying)


async def _closed(call: Any, callers: int, ends: float) -> None:
    async def caller(number: int) -> None:
        turn = 0
        while time.perf_counter() < ends:
            await asyncio.sleep(await call(number + turn * callers))
            turn += 1

    await asyncio.gather(*(caller(number + 1) for number in range(callers)))


async def _stream(channel: grpc.aio.Channel, generator: LoadGenerator, answers: Answers, ends: float) -> None:
    stream = channel.stream_stream(STREAM_USAGE)()
    sent: deque[float] = deque()
    number = 0
    while sent or time.perf_counter() < ends:
        while len(sent) < STREAM_WINDOW and time.perf_counter() < ends:
            number += 1
            answers.calls += 1
            sent.append(time.perf_counter())
            await stream.write(generator.next(number, now_us()))
        if sent:
            ack = decode_ack(await stream.read())
            answers.calls_ok += 1
            answers.events_ok += ack[2]
            answers.latencies_ms.append((time.perf_counter() - sent.popleft()) * 1000)
    await stream.done_writing()


class OfferProcess:
    """An offer under way in a process of its own."""

    def __init__(self, target: str, shape: Offer) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stress.offered_load", target, json.dumps(asdict(shape))],
            stdout=subprocess.PIPE,
            text=True,
        )

    def report(self) -> dict[str, Any]:
        """Wait for its end; what it found."""
        found, _ = self._process.communicate(timeout=120)
        report: dict[str, Any] = json.loads(found)
        return report

    def kill(self) -> None:
        """If it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def main() -> None:
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run
    print(json.dumps(run(offer(sys.argv[1], Offer(**json.loads(sys.argv[2])))).report()))


if __name__ == "__main__":
    main()
