"""Streams of callers without a key: so many of a host, so many of all, and room for those with a key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from drawdown.model.rights import Right
from drawdown.server.gate import HOST_STREAMS_MAX, STRANGERS_BYTES_MAX, STRANGERS_STREAMS_MAX
from drawdown.server.open_calls import CALLS_MAX
from drawdown.server.open_streams import OpenStreams
from drawdown.storage.key_file import KeyFile
from grpc_health.v1 import health_pb2

from tests.server.calls import Calls, error_info
from tests.server.processes import ServerProcess, eventually, serving
from tests.server.test_hostile_clients import resident_bytes

MIB = 1 << 20
WATCH = "/grpc.health.v1.Health/Watch"
CHECK = "/grpc.health.v1.Health/Check"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
OWN = [("grpc.use_local_subchannel_pool", 1)]
CONNECTIONS, WATCHES_EACH = 8, 200
GROWTH_MAX = 64 * MIB


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    """A server that wants keys, and a key's text."""
    data: Path = tmp_path_factory.mktemp("kept") / "data"
    _, text = KeyFile(data).create("root", set(Right))
    with serving(data) as server:
        yield server, text


def test_of_one_and_of_all() -> None:
    streams = OpenStreams(2, 3)
    assert [streams.begin("a") for _ in range(3)] == [True, True, False]
    assert [streams.begin(whose) for whose in "bbc"] == [True, False, False]
    assert (len(streams), streams.of("a"), streams.of("b"), streams.of("c")) == (3, 2, 1, 0)
    streams.end("a")
    assert streams.begin("c")
    for whose in "abc":
        streams.end(whose)
    assert (len(streams), streams.of("a")) == (0, 0)


def test_strangers_leave_room_for_those_with_a_key() -> None:
    assert STRANGERS_STREAMS_MAX <= CALLS_MAX // 4
    assert HOST_STREAMS_MAX <= STRANGERS_STREAMS_MAX // 4


def test_watches_without_a_key_over_many_connections_take_nothing_from_others(
    kept: tuple[ServerProcess, str],
) -> None:
    server, text = kept
    before = resident_bytes(server)

    async def watched() -> None:
        channels = [grpc.aio.insecure_channel(server.address, options=OWN) for _ in range(CONNECTIONS)]
        watches, first = [], []
        for _ in range(WATCHES_EACH):
            # Of more at once the oldest is cut off while its message comes.
            some = [channel.unary_stream(WATCH)(b"") for channel in channels]
            first += await asyncio.gather(*(each.read() for each in some), return_exceptions=True)
            watches += some
        refused = [each for each in first if isinstance(each, grpc.aio.AioRpcError)]
        assert len(first) - len(refused) == HOST_STREAMS_MAX
        assert {each.code() for each in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert "this host" in (refused[0].details() or "")
        assert resident_bytes(server) - before < GROWTH_MAX
        # Asking once is no stream, and who has a key is counted apart.
        answer = await channels[0].unary_unary(CHECK)(b"", timeout=20)
        assert health_pb2.HealthCheckResponse.FromString(answer).status == 1
        caller = Calls(server.address, text)
        caller.raw("AccountService/ListAccounts", b"")
        caller.close()
        for channel in channels:
            await channel.close()

    asyncio.run(watched())

    def has_room() -> bool:
        with grpc.insecure_channel(server.address, options=OWN) as channel:
            stream = channel.unary_stream(WATCH)(b"", timeout=20)
            try:
                return bool(next(stream))
            except grpc.RpcError:
                return False

    eventually(has_room, "streams that ended are still counted")


def test_a_stream_that_asks_for_reflection_is_counted_too(kept: tuple[ServerProcess, str]) -> None:
    server, _ = kept
    with grpc.insecure_channel(server.address, options=OWN) as channel:
        watches = []

        def one_more() -> bool:
            watch = channel.unary_stream(WATCH)(b"", timeout=60)
            try:
                next(watch)
            except grpc.RpcError:
                return False
            watches.append(watch)
            return True

        for _ in range(HOST_STREAMS_MAX):
            # Streams of the test before may be counted for a moment yet.
            eventually(one_more, "streams that ended are still counted")
        with (
            grpc.insecure_channel(server.address, options=OWN) as other,
            pytest.raises(grpc.RpcError) as failure,
        ):
            next(other.stream_stream(REFLECT)(iter([b""]), timeout=20))
        assert failure.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert error_info(failure.value).reason == "TOO_MANY_STREAMS"


def test_a_large_question_of_a_caller_without_a_key_is_not_kept(kept: tuple[ServerProcess, str]) -> None:
    server, _ = kept
    asked = health_pb2.HealthCheckRequest(service="s" * STRANGERS_BYTES_MAX).SerializeToString()
    with grpc.insecure_channel(server.address, options=OWN) as channel:
        for begin in (
            lambda: next(channel.unary_stream(WATCH)(asked, timeout=20)),
            lambda: channel.unary_unary(CHECK)(asked, timeout=20),
            lambda: next(channel.stream_stream(REFLECT)(iter([asked]), timeout=20)),
        ):
            with pytest.raises(grpc.RpcError) as failure:
                begin()
            assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT
