"""The user of Redis that docs/operations.md recommends: enough for snapshots, and nothing more."""

from pathlib import Path

import pytest
import redis
from drawdown.model import now_us
from drawdown.storage import open_client, restore_from_redis

from tests.storage.conftest import open_engine, populate, snapshotter
from tests.storage.valkey import ValkeyProcess, snapshot_user


def test_the_recommended_user_may_do_what_snapshots_need_and_nothing_else(
    valkey: ValkeyProcess, tmp_path: Path
) -> None:
    with open_engine(tmp_path / "one") as engine:
        populate(engine)
        taker = snapshotter(engine, valkey.snapshot_url)
        assert taker.take_now(False).full
        engine.record("a1", meter="tokens", quantity=1, event_id="e", time=now_us())
        assert taker.take_now(True).generation == 2
        digest = engine.digest()
    assert restore_from_redis(valkey.snapshot_url, str(tmp_path / "two")).digest == digest
    client = open_client(valkey.snapshot_url, timeout_ms=2000)
    for command in (
        ("EVAL", "return 1", "0"),
        ("FUNCTION", "LIST"),
        ("CONFIG", "GET", "dir"),
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("KEYS", "*"),
        ("ACL", "WHOAMI"),
        ("MODULE", "LIST"),
        ("REPLICAOF", "NO", "ONE"),
        ("SAVE",),
        ("CLIENT", "LIST"),
        ("PUBLISH", "x", "y"),
        ("GET", "another"),
        ("SET", "{another}:owner", "x"),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command)
    client.close()
    rules = snapshot_user()
    assert not [each for each in rules if each.startswith("+@") or each in ("allkeys", "~*", "allcommands")]
    assert len([each for each in rules if each.startswith("+")]) <= 20
