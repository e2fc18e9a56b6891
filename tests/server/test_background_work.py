"""Background work of a real server: expiry is booked by the sweep, checkpoints on demand and by time."""

import time
from pathlib import Path

import msgspec
from drawdown.v1 import account_pb2, admin_pb2, grant_pb2
from google.protobuf import timestamp_pb2

from tests.server.calls import Calls, available, batch, set_up
from tests.server.processes import eventually, serving


def test_the_sweep_books_breakage_after_the_grace(tmp_path: Path) -> None:
    with serving(tmp_path / "data", late_grace_s=1, sweep_interval_ms=50) as server:
        calls = Calls(server.address)
        set_up(calls)
        ends = timestamp_pb2.Timestamp()
        ends.FromMicroseconds(int((time.time() + 0.7) * 1_000_000))
        calls.call(
            "GrantService/CreateGrant",
            grant_pb2.CreateGrantRequest(
                account_id="acme",
                grant=grant_pb2.GrantContent(
                    grant_id="short", credit_type="credits", amount="5", priority=1, expires_at=ends
                ),
            ),
        )
        assert available(calls) == "105"
        calls.call("UsageService/RecordUsage", batch(1, ("e", 2)))

        def booked() -> grant_pb2.Grant | None:
            request = grant_pb2.GetGrantRequest(account_id="acme", grant_id="short")
            grant: grant_pb2.Grant = calls.call("GrantService/GetGrant", request).grant
            return grant if grant.expired != "0" else None

        grant = eventually(booked, "breakage is booked")
        assert (grant.burned, grant.expired, grant.remaining) == ("2", "3", "0")
        assert grant.state == grant_pb2.GRANT_STATE_EXPIRED
        assert available(calls) == "100"
        assert calls.call("AdminService/Verify", admin_pb2.VerifyRequest()).holds
        calls.close()


def test_checkpoints_are_written_on_demand_and_by_time(tmp_path: Path) -> None:
    with serving(tmp_path / "data", checkpoint_interval_s=1) as server:
        calls = Calls(server.address)
        set_up(calls)
        first = calls.call("AdminService/Checkpoint", admin_pb2.CheckpointRequest())
        assert first.checkpoint_seq > 0
        calls.call("UsageService/RecordUsage", batch(1, ("e", 2)))

        def checkpoint_seq() -> int:
            stats = calls.call("AdminService/GetStats", admin_pb2.GetStatsRequest())
            seq: int = msgspec.json.decode(stats.engine_json)["checkpoint_seq"]
            return seq

        eventually(lambda: checkpoint_seq() > first.checkpoint_seq, "a checkpoint by time")
        calls.close()


def test_a_test_clock_moves_only_by_command(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        calls = Calls(server.address)
        set_up(calls)
        start = timestamp_pb2.Timestamp(seconds=1_700_000_000)
        calls.call(
            "AccountService/CreateAccount",
            account_pb2.CreateAccountRequest(account_id="clocked", test_clock=start),
        )
        calls.call(
            "GrantService/CreateGrant",
            grant_pb2.CreateGrantRequest(
                account_id="clocked",
                grant=grant_pb2.GrantContent(
                    grant_id="g",
                    credit_type="credits",
                    amount="5",
                    expires_at=timestamp_pb2.Timestamp(seconds=1_700_000_100),
                ),
            ),
        )
        assert available(calls, "clocked") == "5"
        for seconds, left in ((1_700_000_099, "5"), (1_700_000_100, "0")):
            calls.call(
                "AdminService/AdvanceClock",
                admin_pb2.AdvanceClockRequest(
                    account_id="clocked", to=timestamp_pb2.Timestamp(seconds=seconds)
                ),
            )
            assert available(calls, "clocked") == left
        assert available(calls) == "100"
        calls.close()
