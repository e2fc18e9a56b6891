"""64 clients on one account: exactly what was granted is burned, and nobody ever reads less than zero."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from drawdown import _engine
from drawdown.v1 import admin_pb2, usage_pb2

from tests.model.engine_side import SMALL
from tests.model.worlds import catalog
from tests.stress.server_process import ServerProcess
from tests.stress.usage_streams import STREAM_USAGE

CLIENTS = 64
GRANTED = 6_400
BATCH = 20
BATCHES_EACH = 8
QUERY = "/drawdown.v1.AdminService/Query"

SET_UP = [
    *catalog(scale=0)[:3],
    {"type": "set_rate", "table": "default", "meter": "calls", "credit_type": "credits", "credits": "1"},
    {"type": "create_account", "account": "hot"},
    *(
        {
            "type": "create_grant",
            "account": "hot",
            "grant": {
                "grant_id": f"g{n}",
                "credit_type": "credits",
                "amount": GRANTED // 4,
                "priority": n + 1,
            },
        }
        for n in range(4)
    ),
]


def batch(client: int, number: int) -> bytes:
    message = usage_pb2.UsageBatch(batch_id=number, detail=usage_pb2.RESULT_DETAIL_ALL)
    for index in range(BATCH):
        message.events.add(
            event_id=f"hot-{client}-{number}-{index}", account_id="hot", meter="calls", quantity=1
        )
    return message.SerializeToString()


async def one_client(target: str, client: int) -> list[tuple[int, int]]:
    """Status and available of each of its events; its own channel, so its own connection."""

    async def messages() -> AsyncIterator[bytes]:
        for number in range(BATCHES_EACH):
            yield batch(client, number)

    answers: list[tuple[int, int]] = []
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        async for ack in channel.stream_stream(STREAM_USAGE)(messages()):
            results = usage_pb2.UsageAck.FromString(ack).results
            answers += zip(results.status, results.available, strict=True)
    return answers


async def watch(target: str, done: asyncio.Event) -> list[int]:
    """Balances as another client reads them, all along."""
    request = json.dumps({"type": "balance", "account": "hot", "credit_type": "credits"}).encode()
    message = admin_pb2.QueryRequest(query_json=request).SerializeToString()
    seen: list[int] = []
    async with grpc.aio.insecure_channel(target) as channel:
        call = channel.unary_unary(QUERY)
        while not done.is_set() and len(seen) < 10_000:
            answer = admin_pb2.QueryResponse.FromString(await call(message))
            seen.append(json.loads(answer.answer_json)["available"])
    return seen


async def everyone(target: str) -> tuple[list[tuple[int, int]], list[int]]:
    done = asyncio.Event()
    watcher = asyncio.create_task(watch(target, done))
    answers = await asyncio.gather(*(one_client(target, client) for client in range(CLIENTS)))
    done.set()
    return [answer for client in answers for answer in client], await watcher


@pytest.mark.stress
@pytest.mark.behaviour("S2-11")
def test_64_streams_burn_exactly_what_was_granted(tmp_path: Path) -> None:
    """10,240 uses of 1 on 6,400 credits: each taken one saw a balance of its own, from 6,399 to 0."""
    server = ServerProcess(tmp_path / "data")
    server.start()
    try:
        assert set(server.execute(*SET_UP)) == {"OK"}
        answers, seen = asyncio.run(everyone(server.target))
        grants = server.query(type="grants", account="hot", limit=10)["grants"]
        assert server.query(type="conservation")["holds"] is True
    finally:
        server.kill()
    assert len(answers) == CLIENTS * BATCH * BATCHES_EACH
    taken = [available for status, available in answers if status == usage_pb2.STATUS_OK]
    refused = [available for status, available in answers if status == usage_pb2.STATUS_INSUFFICIENT]
    assert list(range(GRANTED - 1, -1, -1)) == sorted(taken, reverse=True)
    assert {0} == set(refused)
    assert len(answers) == len(taken) + len(refused)
    assert seen and min(seen) >= 0 and sorted(seen, reverse=True) == seen
    assert [(grant["remaining"], grant["burned"]) for grant in grants] == [(0, GRANTED // 4)] * 4


@pytest.mark.stress
def test_64_threads_on_the_embedded_engine_burn_exactly_what_was_granted(tmp_path: Path) -> None:
    engine = _engine.Engine.open(str(tmp_path / "data"), SMALL)
    engine.execute(json.dumps(SET_UP).encode())
    answers: list[list[tuple[str, int | None]]] = [[] for _ in range(CLIENTS)]
    start = threading.Barrier(CLIENTS)

    def use(client: int) -> None:
        start.wait()
        for number in range(BATCH * BATCHES_EACH):
            recorded = engine.record("hot", "calls", 1, f"hot-{client}-{number}")
            answers[client].append((recorded.status, recorded.available))

    threads = [threading.Thread(target=use, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    try:
        flat = [answer for client in answers for answer in client]
        taken = [available for status, available in flat if status == "OK"]
        assert list(range(GRANTED)) == sorted(left for left in taken if left is not None)
        assert len(taken) == GRANTED
        assert {("INSUFFICIENT", 0)} == {answer for answer in flat if answer[0] != "OK"}
        for client in answers:
            own = [left for status, left in client if status == "OK" and left is not None]
            assert own == sorted(own, reverse=True)
    finally:
        engine.close()
