"""A running Valkey per module, emptied for each test, and engines over temporary folders."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from drawdown.config import Config, load
from drawdown.engine import Engine
from drawdown.model import commands
from drawdown.runtime.snapshotter import Snapshotter
from drawdown.storage import RedisSnapshotStore, open_client

from tests.storage.valkey import ValkeyProcess


@pytest.fixture(scope="module")
def running_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyProcess]:
    server = ValkeyProcess(tmp_path_factory.mktemp("valkey")).start()
    yield server
    server.kill()


@pytest.fixture
def valkey(running_valkey: ValkeyProcess) -> ValkeyProcess:
    """A running server without keys."""
    if running_valkey.process is None:
        running_valkey.start()
    running_valkey.client().flushall()
    return running_valkey


def settings(url: str = "", **flags: object) -> Config:
    """Settings of a small engine."""
    small = {"dedupe_budget_bytes": 8 << 20, "segment_bytes": 1 << 20, "reserve_bytes": 0}
    return load(environment={}, flags={"redis": url, **small, **flags})


def open_engine(folder: Path) -> Engine:
    """An engine over ``folder``."""
    return Engine.open(str(folder), settings().engine_settings())


def snapshotter(engine: Engine, url: str, **flags: object) -> Snapshotter:
    """A snapshotter that is driven by hand."""
    process = settings(url, redis_timeout_ms=500, **flags).process
    store = RedisSnapshotStore(
        lambda: open_client(process.redis, timeout_ms=process.redis_timeout_ms),
        process.redis_namespace,
        takeover=process.redis_takeover,
    )
    return Snapshotter(engine, store, process, early_margin_s=300)


def populate(engine: Engine, accounts: int = 40) -> None:
    """A catalog at 1 credit per token and accounts with 100 credits each."""
    engine.create_credit_type("credits", scale=6)
    engine.create_meter("tokens")
    engine.set_rate(meter="tokens", credits=1)
    group: list[commands.Command] = []
    for number in range(accounts):
        grant = commands.grant_input("g", "credits", 100)
        group += [
            commands.CreateAccount(account=f"a{number}"),
            commands.CreateGrant(account=f"a{number}", grant=grant),
        ]
    assert all(result.applied for result in engine.execute(group))
