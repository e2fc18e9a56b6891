"""Events straight into an open engine: decoded, decided, journalled and on disk, without gRPC."""

from __future__ import annotations

import time
from collections import deque

import msgspec
from drawdown.cli.bench_preparation import METER, QUANTITY
from drawdown.engine import Engine, LoadGenerator, decode_ack
from drawdown.model import now_us

from benches.figures import require

# As a server's streams do together: enough for the writer never to wait, far below shedding.
WINDOW_BATCHES = 16
LAYER = "engine in process, encoded batches, journal on disk"


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of batches cost."""

    events: int
    seconds: float
    latencies_ns: list[int]
    """From submitting a batch to the wait for its being durable; as the window allows."""

    @property
    def events_per_s(self) -> float:
        return self.events / self.seconds

    @property
    def ns_per_event(self) -> float:
        return self.seconds * 1e9 / self.events


def batches_of(
    *, accounts: int, batch: int, count: int, skew: str = "uniform", encoding: str = "rows"
) -> list[bytes]:
    """``count`` encoded batches with ids nobody has used."""
    generator = LoadGenerator(
        accounts=accounts,
        batch=batch,
        skew=skew,
        encoding=encoding,
        seed=time.time_ns(),
        meter=METER,
        quantity=QUANTITY,
    )
    return [generator.next(number, now_us()) for number in range(count)]


def ingest(engine: Engine, batches: list[bytes], batch: int, window: int = WINDOW_BATCHES) -> Ingested:
    """Submit every batch and wait until all are durable. Every event must have been applied."""
    acks: list[bytes] = []
    latencies: list[int] = []
    waiting: deque[tuple[int, int]] = deque()
    clock = time.perf_counter_ns
    began = clock()
    for encoded in batches:
        submitted = clock()
        seq, ack = engine.submit(encoded)
        acks.append(ack)
        waiting.append((seq, submitted))
        if len(waiting) >= window:
            oldest, since = waiting.popleft()
            engine.wait_durable(oldest)
            latencies.append(clock() - since)
    while waiting:
        oldest, since = waiting.popleft()
        engine.wait_durable(oldest)
        latencies.append(clock() - since)
    seconds = (clock() - began) / 1e9
    applied = sum(decode_ack(ack)[2] for ack in acks)
    events = batch * len(batches)
    require(applied == events, f"{events:,} events were submitted, {applied:,} applied")
    return Ingested(events=events, seconds=seconds, latencies_ns=latencies)


def percentile(latencies_ns: list[int], percent: int) -> float:
    """Milliseconds; of at least one latency."""
    ordered = sorted(latencies_ns)
    return ordered[(len(ordered) - 1) * percent // 100] / 1e6
