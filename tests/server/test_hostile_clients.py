"""Clients that send too much, badly, or never read: they are refused, and honest ones go on."""

import json
import random
import threading
import time
from pathlib import Path

import drawdown
import grpc
import pytest
from drawdown.v1 import admin_pb2, usage_pb2

from tests.server.calls import Calls, available, batch, set_up
from tests.server.processes import ServerProcess, serving
from tests.stress.hostile.http2 import END_HEADERS, END_STREAM, HEADERS, frame, peer, request_headers


def honest(calls: Calls, label: str, count: int = 20) -> None:
    acks = list(calls.stream(batch(number, (f"{label}-{number}", 0)) for number in range(count)))
    assert sum(ack.applied for ack in acks) == count


def resident_bytes(server: ServerProcess) -> int:
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


def test_a_message_beyond_the_limit_is_refused(calls: Calls) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        calls.raw("UsageService/RecordUsage", bytes(9 << 20))
    assert failure.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    honest(calls, "large")


def test_compressed_messages_are_refused_whatever_they_inflate_to(
    server: ServerProcess, calls: Calls
) -> None:
    before = resident_bytes(server)
    bomb = grpc.insecure_channel(server.address, compression=grpc.Compression.Gzip)
    with pytest.raises(grpc.RpcError) as failure:
        bomb.unary_unary("/drawdown.v1.UsageService/RecordUsage")(bytes(64 << 20), timeout=20)
    bomb.close()
    assert failure.value.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert resident_bytes(server) - before < 256 << 20
    honest(calls, "bomb")


def test_oversized_metadata_is_refused(server: ServerProcess, calls: Calls) -> None:
    channel = grpc.insecure_channel(server.address, options=[("grpc.max_metadata_size", 4 << 20)])
    with pytest.raises(grpc.RpcError):
        channel.unary_unary("/drawdown.v1.UsageService/RecordUsage")(
            b"", metadata=(("x-much", "y" * (1 << 20)),), timeout=10
        )
    channel.close()
    honest(calls, "metadata")


def test_a_path_that_is_no_text_does_not_end_the_service(tmp_path: Path) -> None:
    """grpcio's server dies of it; another takes its port, and what callers repeat is applied once."""
    with serving(tmp_path / "data") as server:
        calls = Calls(server.address)
        set_up(calls)
        honest(calls, "before")
        host, _, port = server.address.rpartition(":")
        for number in range(3):
            with peer((host, int(port))) as attacker:
                attacker.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request_headers(b"/a/\xf4")))
                attacker.read_some(1.0)
            with drawdown.connect(server.address, timeout_s=30) as database:
                answers = [
                    database.record("acme", "tokens", quantity=1, event_id=f"after-{number}-{each}").status
                    for each in range(5)
                ]
            assert answers == ["OK"] * 5
        calls.close()
        calls = Calls(server.address)
        assert available(calls) == "85"
        stats = json.loads(calls.call("AdminService/GetStats", admin_pb2.GetStatsRequest()).server_json)
        assert stats["listener_restarts_total"] == 3
        calls.close()
        code, log = server.end()
    assert code == 0
    assert log.count("its port is opened again") == 3


def test_unknown_methods_are_unimplemented(calls: Calls) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        calls.channel.unary_unary("/drawdown.v1.UsageService/Nothing")(b"", timeout=10)
    assert failure.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_mutated_batches_never_end_the_server(calls: Calls) -> None:
    """Every answer is an ack or INVALID_ARGUMENT; the seed is fixed."""
    dice = random.Random(20261120)
    whole = batch(7, *((f"m{number}", 0) for number in range(8))).SerializeToString()
    for _ in range(400):
        body = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            place = dice.randrange(len(body))
            action = dice.randrange(3)
            if action == 0:
                body[place] = dice.randrange(256)
            elif action == 1:
                del body[place : place + dice.randint(1, 9)]
            else:
                body[place:place] = dice.randbytes(dice.randint(1, 9))
            if not body:
                break
        try:
            calls.raw("UsageService/RecordUsage", bytes(body))
        except grpc.RpcError as failure:
            assert failure.code() == grpc.StatusCode.INVALID_ARGUMENT, failure
    honest(calls, "mutated")


def test_cancelled_streams_leave_nothing_behind(server: ServerProcess, calls: Calls) -> None:
    for number in range(100):
        answers = calls.stream(batch(each, (f"c{number}-{each}", 0)) for each in range(50))
        if number % 2:
            next(answers)
        answers.cancel()
    honest(calls, "cancelled")


def test_readers_that_never_read_do_not_stop_the_others(tmp_path: Path) -> None:
    with serving(tmp_path / "data", window_batches=8) as server:
        calls = Calls(server.address)
        set_up(calls)
        hold = threading.Event()

        def stuck(label: int) -> object:
            for number in range(200):
                yield batch(number, (f"s{label}-{number}", 0))
            hold.wait(60)

        others = [Calls(server.address) for _ in range(20)]
        streams = [each.stream(stuck(label)) for label, each in enumerate(others)]
        honest(calls, "beside", 200)
        assert available(calls) == "100"
        for stream in streams:
            stream.cancel()
        hold.set()
        for each in others:
            each.close()
        calls.close()
        code, _ = server.end()
        assert code == 0


def batches_taken(calls: Calls) -> int:
    """How many, once none has come for a second."""
    taken, since = -1, time.monotonic()
    while time.monotonic() - since < 1.0:
        stats = json.loads(calls.call("AdminService/GetStats", admin_pb2.GetStatsRequest()).server_json)
        if stats["batches_total"] != taken:
            taken, since = stats["batches_total"], time.monotonic()
        time.sleep(0.05)
    return taken


def test_large_acks_that_nobody_reads_soon_stop_the_reading(tmp_path: Path) -> None:
    """Each of these is half a megabyte: a window of 256 would be kept for every stream."""
    count = 100
    nothing = usage_pb2.UsageBatch(events=[usage_pb2.UsageEvent()] * 65_536)
    with serving(tmp_path / "data") as server:
        calls, stuck = Calls(server.address), Calls(server.address)
        set_up(calls)
        before = resident_bytes(server)
        answers = stuck.stream(nothing for _ in range(count))
        assert 1 <= batches_taken(calls) <= 20
        assert resident_bytes(server) - before < 48 << 20
        assert [len(ack.exceptions) for ack in answers] == [65_536] * count
        honest(calls, "after")
        stuck.close()
        calls.close()
