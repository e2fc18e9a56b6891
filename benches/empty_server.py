"""A ``grpc.aio`` server whose only handler takes raw bytes and answers none: what a call costs by itself.

It runs as ``drawdown serve`` does: uvloop, the same channel arguments, methods registered by name. Prints
its address on stdout and serves until it is ended.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

import grpc
import uvloop
from drawdown.config import ProcessConfig
from drawdown.server.options import channel_arguments
from drawdown.server.serve import SWITCH_S

SERVICE = "drawdown.benches.Empty"
METHOD = f"/{SERVICE}/Nothing"


async def _nothing(request: bytes, context: Any) -> bytes:
    return b""


async def _serve() -> None:
    server = grpc.aio.server(options=channel_arguments(ProcessConfig()))
    handlers = {"Nothing": grpc.unary_unary_rpc_method_handler(_nothing)}
    server.add_registered_method_handlers(SERVICE, handlers)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    gc.collect()
    gc.freeze()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_S)
    uvloop.run(_serve())
