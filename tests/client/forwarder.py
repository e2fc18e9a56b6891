"""A gRPC proxy in front of a real server, that answers some calls itself: before they reach it, or after."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
from drawdown.errors import DrawdownError
from drawdown.server import status

Verdict = DrawdownError | grpc.StatusCode | None
"""How a call fails: as the server would say it, as a proxy or a break would, or not at all."""


class Forwarder(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Passes unary calls on as bytes. ``instead`` and ``after`` judge each by its method and number, from 1.

    A call with a verdict of ``instead`` never reaches the server; one with a verdict of ``after`` is done
    there, and its answer is lost.
    """

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target)
        self._calls: Counter[str] = Counter()
        self.instead: Callable[[str, int], Verdict] = lambda method, number: None
        self.after: Callable[[str, int], Verdict] = lambda method, number: None
        self.address = ""

    def calls(self, method: str) -> int:
        """How many of these came."""
        return self._calls[method]

    def forget(self) -> None:
        """Pass everything on again, and count from the beginning."""
        self._calls.clear()
        self.instead = self.after = lambda method, number: None

    def service(self, handler_call_details: Any) -> Any:
        path = handler_call_details.method

        def forward(body: bytes, context: Any) -> bytes:
            method = path.rpartition("/")[2]
            self._calls[method] += 1
            number = self._calls[method]
            _fail(context, self.instead(method, number))
            metadata = [each for each in context.invocation_metadata() if each.key == "authorization"]
            try:
                answer: bytes = self._channel.unary_unary(path)(body, metadata=metadata, timeout=30)
            except grpc.RpcError as failure:
                context.set_trailing_metadata(tuple(failure.trailing_metadata() or ()))
                context.abort(failure.code(), failure.details())
            _fail(context, self.after(method, number))
            return answer

        return grpc.unary_unary_rpc_method_handler(forward)

    def close(self) -> None:
        self._channel.close()


def _fail(context: Any, verdict: Verdict) -> None:
    if isinstance(verdict, DrawdownError):
        context.set_trailing_metadata((("grpc-status-details-bin", status.details_of(verdict)),))
        context.abort(status.code_of(verdict), verdict.message)
    elif verdict is not None:
        context.abort(verdict, "the connection broke")


@contextlib.contextmanager
def forwarding(target: str) -> Iterator[Forwarder]:
    """A proxy in front of the server at ``target``."""
    made = Forwarder(target)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((made,))
    made.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield made
    finally:
        server.stop(0).wait()
        made.close()
