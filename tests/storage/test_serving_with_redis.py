"""A real server with a real Redis that dies, empties, hangs or is another's: ingest goes on."""

from pathlib import Path

import grpc
import pytest
from drawdown.storage import restore_from_redis
from drawdown.v1 import admin_pb2

from tests.server.calls import Calls, available, batch, error_info, set_up
from tests.server.processes import eventually, serving
from tests.storage.valkey import ValkeyProcess


def ingest(calls: Calls, label: str, count: int) -> None:
    acks = list(calls.stream(batch(number, (f"{label}-{number}", 1)) for number in range(count)))
    assert sum(ack.applied for ack in acks) == count


def snapshot(calls: Calls) -> admin_pb2.SnapshotNowResponse:
    answer: admin_pb2.SnapshotNowResponse = calls.call(
        "AdminService/SnapshotNow", admin_pb2.SnapshotNowRequest()
    )
    return answer


def test_redis_may_die_and_come_back_empty(valkey: ValkeyProcess, tmp_path: Path) -> None:
    flags = {"redis": valkey.url, "snapshot_interval_s": 1, "redis_timeout_ms": 300}
    with serving(tmp_path / "data", **flags) as server:
        calls = Calls(server.address)
        set_up(calls, amount="10000")
        ingest(calls, "before", 100)
        assert snapshot(calls).snapshot_seq > 0
        valkey.kill()
        ingest(calls, "down", 300)
        with pytest.raises(grpc.RpcError) as failure:
            snapshot(calls)
        assert failure.value.code() == grpc.StatusCode.UNAVAILABLE
        assert error_info(failure.value).reason == "SNAPSHOT_UNAVAILABLE"
        valkey.start()
        ingest(calls, "after", 100)
        eventually(lambda: _try_snapshot(calls), "a snapshot after Redis came back")
        assert available(calls) == "9500"
        calls.close()
        code, _ = server.end()
        assert code == 0
    restored = restore_from_redis(valkey.url, str(tmp_path / "two"))
    assert restored.accounts == 1
    with serving(tmp_path / "two") as again:
        calls = Calls(again.address)
        assert available(calls) == "9500"
        calls.close()


def _try_snapshot(calls: Calls) -> bool:
    try:
        return snapshot(calls).snapshot_seq > 0
    except grpc.RpcError:
        return False


def test_a_hanging_redis_delays_nothing(valkey: ValkeyProcess, tmp_path: Path) -> None:
    flags = {"redis": valkey.url, "snapshot_interval_s": 1, "redis_timeout_ms": 30_000}
    with serving(tmp_path / "data", **flags) as server:
        calls = Calls(server.address)
        set_up(calls, amount="10000")
        valkey.freeze()
        try:
            ingest(calls, "hanging", 500)
            assert available(calls) == "9500"
        finally:
            valkey.thaw()
        calls.close()


def test_a_server_starts_and_ends_without_its_redis(valkey: ValkeyProcess, tmp_path: Path) -> None:
    valkey.kill()
    with serving(tmp_path / "data", redis=valkey.url, redis_timeout_ms=300) as server:
        calls = Calls(server.address)
        set_up(calls)
        ingest(calls, "alone", 50)
        calls.close()
        code, _ = server.end()
    assert code == 0


def test_a_foreign_namespace_stops_snapshots_not_ingest(valkey: ValkeyProcess, tmp_path: Path) -> None:
    valkey.client().set("{drawdown}:owner", "another-store 7")
    with serving(tmp_path / "data", redis=valkey.url, snapshot_interval_s=1) as server:
        calls = Calls(server.address)
        set_up(calls)
        ingest(calls, "mine", 50)
        with pytest.raises(grpc.RpcError) as failure:
            snapshot(calls)
        assert failure.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert error_info(failure.value).reason == "SNAPSHOT_FOREIGN"
        assert available(calls) == "50"
        calls.close()
    assert valkey.client().get("{drawdown}:owner") == b"another-store 7"
