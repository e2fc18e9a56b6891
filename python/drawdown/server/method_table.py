"""Every method of the server in one table: a call finds its handler with one look.

gRPC asks each generic handler in turn, so one per service would be asked a dozen times for one call. Its
registered methods are no help either: ``grpc.aio`` waits for the next call of each registered method with a
task of its own and goes through all of these tasks at every call, which with a hundred methods costs half as
much as the call itself.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import grpc

from drawdown.server.arrivals import Arrivals
from drawdown.server.context import Handler
from drawdown.server.open_calls import REFUSING, OpenCalls

Opened = Callable[[Mapping[str, Handler]], Mapping[str, Handler]]
"""Handlers as they are made by gRPC's own services → as they are served."""


class MethodTable(grpc.GenericRpcHandler):
    """Handlers by the path of their method.

    To the functions that gRPC generates for a service the table is the server they add handlers to; those
    are handlers of services open to everybody, and go through ``opened`` first.

    What is added again is served so from the next call on.
    """

    def __init__(
        self,
        arrivals: Arrivals | None = None,
        open_calls: OpenCalls | None = None,
    ) -> None:
        self._by_path: dict[str, Handler] = {}
        self._arrivals = arrivals
        self.opened: Opened | None = None
        self._open_calls = open_calls

    def add(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Serve these methods of the service as well."""
        for method, handler in handlers.items():
            self._by_path[f"/{service}/{method}"] = handler

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """``add``, under the name that generated code calls."""
        self.add(service, handlers if self.opened is None else self.opened(handlers))

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Nothing: generated code gives the same handlers as registered ones."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """The handler of a call, or ``None`` where the method is not of this table.

        gRPC asks once per call, as soon as the loop sees it: here calls are counted, and where too many are
        open refused.
        """
        if self._arrivals is not None:
            self._arrivals.seen += 1
        if self._open_calls is not None and not self._open_calls.admit():
            return REFUSING
        return self._by_path.get(handler_call_details.method)
