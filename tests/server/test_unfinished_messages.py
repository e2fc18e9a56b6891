"""Messages that are announced and never end: who has no key has next to nothing kept for him."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from drawdown.model.rights import Right
from drawdown.storage.key_file import KeyFile
from drawdown.v1 import usage_pb2

from tests.server.calls import Calls
from tests.server.processes import ServerProcess, serving
from tests.server.test_hostile_clients import resident_bytes
from tests.stress.hostile.windowed import WindowedPeer, hold

MIB = 1 << 20
CONNECTIONS = 50
GROWTH_MAX = 256 * MIB
FOUR_GIBIBYTES = 2**32 - 1
STRANGERS_GROWTH_MAX = 200 * MIB
# One of each way a message is received: by itself, in a stream, and open to all.
PATHS = [
    "/drawdown.v1.UsageService/RecordUsage",
    "/drawdown.v1.EntitlementService/Check",
    "/drawdown.v1.AccountService/GetAccount",
    "/drawdown.v1.AccountService/WatchBalances",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    """A server that wants keys, with few streams for each, and a key's text."""
    data: Path = tmp_path_factory.mktemp("kept") / "data"
    _, text = KeyFile(data).create("root", set(Right))
    with serving(data, key_streams_max=3) as server:
        yield server, text


def attack(
    server: ServerProcess, connections: int, streams: range, size: int, path: str, announced: int
) -> int:
    """The most bytes by which the server grew while the messages were sent and held."""
    host, _, port = server.address.rpartition(":")
    before = resident_bytes(server)
    peers = [WindowedPeer((host, int(port))) for _ in range(connections)]
    try:
        for each in peers:
            each.read(0.02)
            for stream in streams:
                each.open(stream, announced, path.encode())
        hold(peers, streams, size)
        return resident_bytes(server) - before
    finally:
        for each in peers:
            each.close()


@pytest.mark.parametrize("path", [PATHS[0], PATHS[1], PATHS[4]])
def test_four_gibibytes_announced_and_sent_slowly_over_fifty_connections(
    kept: tuple[ServerProcess, str], path: str
) -> None:
    server, text = kept
    growth = attack(server, CONNECTIONS, range(1, 2, 2), 64 * MIB, path, FOUR_GIBIBYTES)
    assert growth < GROWTH_MAX, f"{growth >> 20} MiB"
    honest(server, text)


@pytest.mark.parametrize("path", PATHS)
def test_who_has_no_key_has_no_messages_kept(kept: tuple[ServerProcess, str], path: str) -> None:
    """250 calls of one connection, each a message within the limit whose last byte never comes."""
    server, text = kept
    growth = attack(server, 1, range(1, 501, 2), 2 * MIB, path, 2 * MIB + 1)
    assert growth < STRANGERS_GROWTH_MAX, f"{growth >> 20} MiB of 500 were kept"
    honest(server, text)


def honest(server: ServerProcess, text: str) -> None:
    """Health answers everybody, and a call with a key is done."""
    calls = Calls(server.address, text)
    assert calls.channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=20)
    calls.raw("AccountService/ListAccounts", b"")
    calls.close()


def test_a_key_has_so_many_streams_open_and_no_more(kept: tuple[ServerProcess, str]) -> None:
    server, text = kept
    calls = [Calls(server.address, text) for _ in range(2)]
    watch = "/drawdown.v1.NoticeService/WatchNotices"

    def opened(caller: Calls) -> grpc.Call:
        stream = caller.channel.unary_stream(watch)(b"", timeout=30, metadata=caller.metadata)
        next(stream)
        return stream

    streams = [opened(calls[number % 2]) for number in range(3)]
    with pytest.raises(grpc.RpcError) as failure:
        opened(calls[0])
    assert failure.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "key_streams_max" in (failure.value.details() or "")
    with pytest.raises(grpc.RpcError) as failure:
        next(calls[1].stream([usage_pb2.UsageBatch(batch_id=1)]))
    assert failure.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    # Calls that are no streams go on, and a stream that ends makes room.
    calls[0].raw("AccountService/ListAccounts", b"")
    streams[0].cancel()
    until = time.monotonic() + 20
    while True:
        try:
            streams.append(opened(calls[0]))
            break
        except grpc.RpcError:
            assert time.monotonic() < until, "a stream that has ended is still counted"
            time.sleep(0.05)
    for each in streams:
        each.cancel()
    for caller in calls:
        caller.close()
