"""How large a measurement is: the small form takes seconds and is run as a test, the large one counts."""

from __future__ import annotations

from typing import Any

import msgspec


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of every measurement."""

    name: str
    rounds: int
    """Of what is compared in turn."""
    accounts: int
    seconds: float
    """Measured time of an ingest figure."""
    warmup: float
    streams: int = 1
    inflight: int = 4
    engine: dict[str, Any]
    """Settings of the engine under ingest: the key table's budget and window."""
    checks: int
    """Calls of ``check()`` per sample; of redis-py GET a tenth."""
    calls: int
    """Unary calls per round."""
    callers: int
    batch_checks: int
    """BatchCheck calls per round, of 1,000 checks each."""
    batches: int
    """Batches of 1,000 events per round, where the engine is measured in process."""
    cost_accounts: int
    """Accounts where grants per account are compared."""
    memory_accounts: int
    memory_events: int
    replay_events: int
    dirty: tuple[int, int]
    """Dirty accounts of two snapshot passes."""
    due_grants: int
    redis_events: int
    subscriptions: int
    many_accounts: int = 0
    """Accounts beside ``accounts`` for the cost of many; 0: not measured."""


SMALL = Form(
    name="small",
    rounds=1,
    accounts=500,
    seconds=0.4,
    warmup=0.1,
    engine={},
    checks=1_000,
    calls=200,
    callers=16,
    batch_checks=20,
    batches=20,
    cost_accounts=200,
    memory_accounts=8_000,
    memory_events=40_000,
    replay_events=20_000,
    dirty=(100, 400),
    due_grants=2_000,
    redis_events=5_000,
    subscriptions=60,
)

LARGE = Form(
    name="large",
    rounds=3,
    accounts=1_000_000,
    seconds=60.0,
    # Long enough for the key table to fill: the figures are of one that evicts.
    warmup=15.0,
    # Ids leave by the bucket: narrow ones let a budget of seconds evict, and go with a shorter window.
    engine={
        "dedupe_budget_bytes": 2 << 30,
        "guaranteed_window_s": 5,
        "dedupe_bucket_s": 1,
        "dedupe_window_s": 43_200,
    },
    checks=100_000,
    calls=30_000,
    callers=64,
    batch_checks=2_000,
    batches=2_000,
    cost_accounts=10_000,
    memory_accounts=1_000_000,
    memory_events=10_000_000,
    replay_events=10_000_000,
    dirty=(10_000, 100_000),
    due_grants=1_000_000,
    redis_events=500_000,
    subscriptions=10_000,
)
