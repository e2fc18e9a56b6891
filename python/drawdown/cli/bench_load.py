"""The load of a bench: usage streams with raw bytes, each with a window of batches in flight."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from drawdown.cli.bench_preparation import METER, QUANTITY
from drawdown.cli.options import target_tls
from drawdown.client.usage_stream import UsageStream, open_streams
from drawdown.engine import LoadGenerator, decode_ack
from drawdown.errors import InternalError
from drawdown.model import now_us

SEED_STEP = 1_000_003


class LoadShape(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent."""

    streams: int
    batch: int
    inflight: int
    accounts: int
    skew: str
    encoding: str
    duration_s: float
    warmup_s: float
    pregenerate: int
    """Batches per stream made before the clock starts; 0: made while sending."""
    seed: int


class LoadFigures(msgspec.Struct, kw_only=True):
    """What came back. The counts are of the whole run, the rates of the measured part."""

    sent_events: int = 0
    applied: int = 0
    duplicates: int = 0
    refused: int = 0
    sent_bytes: int = 0
    measured_events: int = 0
    measured_batches: int = 0
    measured_s: float = 0.0
    server_cpu_s: float = 0.0
    client_cpu_s: float = 0.0
    latencies_ns: list[int] = []


class _Clock:
    """When measuring begins and when sending ends, in nanoseconds of the monotonic clock."""

    def __init__(self, shape: LoadShape) -> None:
        self.begins = time.monotonic_ns() + int(shape.warmup_s * 1e9)
        self.ends = self.begins + int(shape.duration_s * 1e9)


def run_load(
    target: str, api_key: str | None, shape: LoadShape, server_cpu_s: Callable[[], float]
) -> LoadFigures:
    """Send the load and wait for every ack; ``server_cpu_s`` reads the server's processor time so far."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_run(target, api_key, shape, server_cpu_s))
    return uvloop.run(_run(target, api_key, shape, server_cpu_s))


async def _run(
    target: str, api_key: str | None, shape: LoadShape, server_cpu_s: Callable[[], float]
) -> LoadFigures:
    batches = [_batches(shape, number) for number in range(shape.streams)]
    figures = LoadFigures()
    async with open_streams(target, shape.streams, api_key=api_key, tls=target_tls()) as streams:
        clock = _Clock(shape)
        sent = asyncio.Event()
        watch = asyncio.create_task(_watch(clock, figures, server_cpu_s, sent))
        await asyncio.gather(
            *(
                _drive(stream, source, shape, clock, figures)
                for stream, source in zip(streams, batches, strict=True)
            )
        )
        sent.set()
        await watch
    figures.latencies_ns.sort()
    return figures


def _batches(shape: LoadShape, number: int) -> Iterator[tuple[int, bytes]]:
    """Batch ids and batches of one stream; with ``pregenerate`` they exist before this returns."""
    generator = LoadGenerator(
        accounts=shape.accounts,
        batch=shape.batch,
        skew=shape.skew,
        encoding=shape.encoding,
        seed=shape.seed + number * SEED_STEP,
        meter=METER,
        quantity=QUANTITY,
    )
    if shape.pregenerate:
        made = [(n, generator.next(n, now_us())) for n in range(1, shape.pregenerate + 1)]
        return iter(made)
    return _endless(generator)


def _endless(generator: LoadGenerator) -> Iterator[tuple[int, bytes]]:
    number = 0
    while True:
        number += 1
        yield number, generator.next(number, now_us())


async def _watch(
    clock: _Clock, figures: LoadFigures, server_cpu_s: Callable[[], float], sent: asyncio.Event
) -> None:
    """Read the processor times when measuring begins and when it ends: in time, or when all is ``sent``."""
    await asyncio.sleep(max(0, clock.begins - time.monotonic_ns()) / 1e9)
    server, client, since = server_cpu_s(), _own_cpu_s(), time.monotonic()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0, clock.ends - time.monotonic_ns()) / 1e9):
            await sent.wait()
    figures.measured_s = time.monotonic() - since
    figures.server_cpu_s = server_cpu_s() - server
    figures.client_cpu_s = _own_cpu_s() - client


def _own_cpu_s() -> float:
    used = os.times()
    return used.user + used.system


async def _drive(
    stream: UsageStream,
    batches: Iterator[tuple[int, bytes]],
    shape: LoadShape,
    clock: _Clock,
    figures: LoadFigures,
) -> None:
    """Keep ``inflight`` batches un-acknowledged until the time is over, then wait for the rest."""
    in_flight: deque[tuple[int, int]] = deque()
    exhausted = False
    while True:
        while not exhausted and len(in_flight) < shape.inflight:
            sent_at = time.monotonic_ns()
            following = None if sent_at >= clock.ends else next(batches, None)
            if following is None:
                exhausted = True
                break
            batch_id, encoded = following
            in_flight.append((batch_id, time.monotonic_ns()))
            figures.sent_events += shape.batch
            figures.sent_bytes += len(encoded)
            await stream.write(encoded)
        if not in_flight:
            await stream.done_writing()
            return
        ack = decode_ack(await stream.read())
        acked_at = time.monotonic_ns()
        batch_id, sent_at = in_flight.popleft()
        if ack[0] != batch_id:
            raise InternalError(f"acks out of order: batch {ack[0]} instead of {batch_id}")
        figures.applied += ack[2]
        figures.duplicates += ack[3]
        figures.refused += ack[4]
        if clock.begins <= acked_at < clock.ends:
            figures.measured_events += ack[2] + ack[3] + ack[4]
            figures.measured_batches += 1
            figures.latencies_ns.append(acked_at - sent_at)
