"""A ``grpc.aio`` server whose only handler takes raw bytes and answers none: what a call costs by itself.

It runs as ``drawdown serve`` does: uvloop, the same channel arguments, the same table of methods. Prints
its address on stdout and serves until it is ended.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

import grpc
import uvloop
from drawdown.config import ProcessConfig
from drawdown.server.method_table import MethodTable
from drawdown.server.options import channel_arguments
from drawdown.server.serve import SWITCH_S

SERVICE = "drawdown.benches.Empty"
METHOD = f"/{SERVICE}/Nothing"


async def _nothing(request: bytes, context: Any) -> bytes:
    return b""


async def _serve() -> None:
    server = grpc.aio.server(options=channel_arguments(ProcessConfig()))
    handlers = {"Nothing": grpc.unary_unary_rpc_method_handler(_nothing)}
    table = MethodTable()
    table.add(SERVICE, handlers)
    server.add_generic_rpc_handlers((table,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    gc.collect()
    gc.freeze()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_S)
    uvloop.run(_serve())
