"""Calls find their handlers by one look-up, and a server of many methods waits for calls with few tasks."""

import asyncio

import grpc
import grpc.aio
from drawdown.server.method_table import MethodTable
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

METHODS = 200


async def _echo(request: bytes, _: object) -> bytes:
    return request


def test_many_methods_are_served_and_an_idle_server_waits_with_few_tasks() -> None:
    asyncio.run(_serve_many())


async def _serve_many() -> None:
    table = MethodTable()
    handler = grpc.unary_unary_rpc_method_handler(_echo)
    table.add("test.Many", {f"Method{number}": handler for number in range(METHODS)})
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, table)
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    before = len(asyncio.all_tasks())
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((table,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            for number in (0, METHODS - 1):
                assert await channel.unary_unary(f"/test.Many/Method{number}")(b"said") == b"said"
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            try:
                await channel.unary_unary("/test.Many/Unknown")(b"")
            except grpc.aio.AioRpcError as refused:
                assert refused.code() is grpc.StatusCode.UNIMPLEMENTED
            else:
                raise AssertionError("an unknown method was answered")
            # One task per registered method is what the table is there to avoid.
            assert len(asyncio.all_tasks()) - before < METHODS // 10
    finally:
        await server.stop(None)
