"""The process: readiness, health, reflection, metrics, drain, exit codes."""

import json
import signal
import threading
import time
import urllib.request
from pathlib import Path

import grpc
from drawdown.v1 import usage_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.server.calls import Calls, available, batch, set_up
from tests.server.processes import ServerProcess, eventually, serving


def test_every_service_is_serving_when_the_line_is_printed(server: ServerProcess, calls: Calls) -> None:
    stub = health_pb2_grpc.HealthStub(calls.channel)
    for name in (
        "",
        "drawdown.v1.UsageService",
        "drawdown.v1.EntitlementService",
        "drawdown.v1.GrantService",
    ):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, name
    assert server.announced["pid"] == server.process.pid


def test_reflection_lists_the_services(calls: Calls) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(calls.channel)
    (answer,) = stub.ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=10
    )
    names = {each.name for each in answer.list_services_response.service}
    assert {"drawdown.v1.UsageService", "drawdown.v1.AdminService"} <= names


def test_metrics_are_served(server: ServerProcess, calls: Calls) -> None:
    calls.call("UsageService/RecordUsage", batch(1, ("metric", 1)))
    with urllib.request.urlopen(f"http://{server.announced['metrics']}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert float(values["drawdown_server_batches_total"]) >= 1
    assert float(values["drawdown_engine_events_applied_total"]) >= 1
    assert float(values['drawdown_engine_events_by_status_total{status="OK"}']) >= 1
    assert float(values['drawdown_engine_fsync_seconds_bucket{le="+Inf"}']) >= 1
    assert float(values['drawdown_server_typed_calls_total{call="GrantService/CreateGrant OK"}']) >= 1
    assert float(values["drawdown_engine_halted"]) == 0


def test_a_second_server_on_the_port_fails(server: ServerProcess, tmp_path: Path) -> None:
    other = ServerProcess(data=str(tmp_path / "other"), listen=server.address)
    code, log = other.wait()
    assert code == 69
    assert "cannot serve" in log


def test_a_second_server_on_the_folder_fails(tmp_path: Path) -> None:
    with serving(tmp_path / "data"):
        other = ServerProcess(data=str(tmp_path / "data"))
        code, log = other.wait()
    assert code == 75
    assert "cannot serve" in log


def test_plaintext_off_loopback_is_refused(tmp_path: Path) -> None:
    other = ServerProcess(data=str(tmp_path / "data"), listen="0.0.0.0:0")
    code, log = other.wait()
    assert code == 64
    assert "--insecure-listen" in log


def test_logs_are_json_lines(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        code, log = server.end()
    assert code == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"recovered", "serving", "draining", "drained"} <= {line["message"] for line in lines}
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)


def test_drain_flushes_acks_and_ends_streams_with_ok(tmp_path: Path) -> None:
    """Every batch acknowledged before the stream ended is there after the restart, and no other."""
    sent_enough = threading.Event()
    acked = 0
    with serving(tmp_path / "data") as server:
        calls = Calls(server.address)
        set_up(calls, amount="1000000")
        ended = threading.Event()

        def endless() -> object:
            number = 0
            while not ended.is_set():
                yield batch(number, (f"e{number}", 1))
                number += 1

        answers = calls.stream(endless())
        for ack in answers:
            acked += ack.applied
            if acked == 200:
                server.send(signal.SIGTERM)
                sent_enough.set()
        ended.set()
        assert answers.code() == grpc.StatusCode.OK
        code, _ = server.wait()
        calls.close()
    assert code == 0
    assert sent_enough.is_set()
    with serving(tmp_path / "data") as again:
        calls = Calls(again.address)
        assert available(calls) == str(1_000_000 - acked)
        calls.close()


def test_an_idle_stream_does_not_hold_up_the_drain(tmp_path: Path) -> None:
    with serving(tmp_path / "data", drain_s=30) as server:
        calls = Calls(server.address)
        set_up(calls)
        hold = threading.Event()

        def one_then_wait() -> object:
            yield batch(1, ("e1", 1))
            hold.wait(60)

        answers = calls.stream(one_then_wait())
        assert next(answers).applied == 1
        server.send(signal.SIGTERM)
        eventually(lambda: server.process.poll() is not None, "the server ends", seconds=15)
        hold.set()
        assert server.process.returncode == 0
        calls.close()


def test_a_second_signal_cuts_the_drain_short_and_loses_nothing(tmp_path: Path) -> None:
    """A caller that never reads its acks holds up the drain for as long as it may take."""
    with serving(tmp_path / "data", drain_s=300, dedupe_budget_bytes=128 << 20) as server:
        calls = Calls(server.address)
        set_up(calls, amount="1000000000")
        sent = []

        def many() -> object:
            for number in range(100_000):
                each = batch(number, *((f"e{number}-{index}", 1) for index in range(200)))
                each.detail = usage_pb2.RESULT_DETAIL_ALL
                sent.append(each)
                yield each

        unread = calls.stream(many(), timeout=300)

        def stands_still() -> bool:
            before = len(sent)
            time.sleep(1)
            return len(sent) == before > 0

        eventually(stands_still, "neither side takes more", seconds=60)
        server.send(signal.SIGTERM)
        time.sleep(3)
        assert server.process.poll() is None, "one signal waits for the caller"
        server.send(signal.SIGTERM)
        code, log = server.wait()
        assert code == 0, log
        unread.cancel()
        calls.close()
    with serving(tmp_path / "data", dedupe_budget_bytes=128 << 20) as again:
        calls = Calls(again.address)
        acks = list(calls.stream(sent[:100]))
        assert sum(ack.duplicates for ack in acks) == 200 * 100, "what was taken first is there"
        applied = 1_000_000_000 - int(available(calls))
        assert applied % 200 == 0 and 200 * 100 <= applied <= 200 * len(sent)
        calls.close()


def test_kill_loses_nothing_acknowledged(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        calls = Calls(server.address)
        set_up(calls)
        acks = list(calls.stream(batch(number, (f"e{number}", 1)) for number in range(30)))
        assert sum(ack.applied for ack in acks) == 30
        calls.close()
        server.end(signal.SIGKILL)
    with serving(tmp_path / "data") as again:
        calls = Calls(again.address)
        assert available(calls) == "70"
        repeated = list(calls.stream(batch(number, (f"e{number}", 1)) for number in range(30)))
        assert sum(ack.duplicates for ack in repeated) == 30
        assert again.announced["recovered_seq"] > 0
        calls.close()
