"""The same snapshot through Sentinel and through Cluster, each a real one on free ports."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from drawdown import errors
from drawdown.storage import open_client, restore_from_redis

from tests.server.processes import eventually
from tests.storage.conftest import open_engine, populate, snapshotter
from tests.storage.valkey import ValkeyProcess, free_port, server_binary


@pytest.fixture
def cluster_url(tmp_path: Path) -> Iterator[str]:
    """A cluster of one node that owns every slot."""
    node = ValkeyProcess(
        tmp_path / "node", "--cluster-enabled", "yes", "--cluster-port", str(free_port())
    ).start()
    client = node.client()
    client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    eventually(lambda: "'ok'" in repr(client.cluster("info")), "the cluster is up")
    yield f"redis+cluster://127.0.0.1:{node.port}"
    node.kill()


@pytest.fixture
def sentinel_url(tmp_path: Path) -> Iterator[str]:
    """One master watched by one sentinel."""
    master = ValkeyProcess(tmp_path / "master").start()
    port = free_port()
    settings = tmp_path / "sentinel.conf"
    settings.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor balances 127.0.0.1 {master.port} 1\n")
    process = subprocess.Popen(
        [server_binary(), str(settings), "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    watcher: Any = redis.Redis(port=port, socket_timeout=5)

    def knows_the_master() -> bool:
        try:
            return bool(watcher.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "balances"))
        except redis.exceptions.RedisError:
            return False

    eventually(knows_the_master, "the sentinel knows the master")
    yield f"redis+sentinel://127.0.0.1:{port}/balances"
    process.kill()
    process.wait()
    master.kill()


def passes_and_restores(url: str, tmp_path: Path) -> None:
    with open_engine(tmp_path / "one") as engine:
        populate(engine, 30)
        taker = snapshotter(engine, url)
        assert taker.take_now(False).accounts_written == 30
        engine.record("a1", meter="tokens", quantity=5)
        assert taker.take_now(False).accounts_written == 1
        assert taker.take_now(True).generation == 2
        digest = engine.digest()
        taker.close()
    assert restore_from_redis(url, str(tmp_path / "two")).accounts == 30
    with open_engine(tmp_path / "two") as again:
        assert again.digest() == digest


def test_cluster(cluster_url: str, tmp_path: Path) -> None:
    passes_and_restores(cluster_url, tmp_path)


def test_sentinel(sentinel_url: str, tmp_path: Path) -> None:
    passes_and_restores(sentinel_url, tmp_path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1", "scheme 'http'"),
        ("redis+sentinel://127.0.0.1:1", "/SERVICE"),
        ("redis+cluster://127.0.0.1:x", "HOST:PORT"),
    ],
)
def test_a_url_that_names_nothing_says_so(url: str, said: str) -> None:
    with pytest.raises(errors.ConfigError, match=said) as refused:
        open_client(url, timeout_ms=100)
    assert refused.value.field == "redis"
