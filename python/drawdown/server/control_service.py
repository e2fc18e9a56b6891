"""A service of the control plane: every RPC of its descriptor is a ``Request`` of the same name.

Methods that another typed service has (those of the engine) stay with it. Each call runs in a worker
thread and may block.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf import descriptor as descriptors
from google.protobuf import message as messages
from google.protobuf import message_factory

from drawdown.messages import fill, value_from
from drawdown.model.request import Request
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.runtime.control.registry import CALLS
from drawdown.server.access import Principal, Right
from drawdown.server.typed import TypedService
from drawdown.v1 import billing_pb2, notice_pb2, report_pb2, subscription_pb2

# Services that only the control plane has.
_OWN: Final = (
    subscription_pb2.DESCRIPTOR.services_by_name["SubscriptionService"],
    billing_pb2.DESCRIPTOR.services_by_name["BillingService"],
    notice_pb2.DESCRIPTOR.services_by_name["NoticeService"],
    report_pb2.DESCRIPTOR.services_by_name["ReportService"],
)

Method = Callable[[messages.Message, Principal], messages.Message]


class ControlService:
    """Serves ``descriptor``; looks like a hand-written typed service."""

    def __init__(
        self,
        descriptor: descriptors.ServiceDescriptor,
        plane: ControlPlane,
        engine_service: TypedService | None = None,
    ) -> None:
        """Raises ``KeyError`` where an RPC has neither a request nor a method of its own."""
        self.DESCRIPTOR = descriptor
        self.RIGHTS: Mapping[str, Right] = {}
        requests = {request.rpc: request for request in CALLS}
        for method in descriptor.methods:
            if method.server_streaming:
                continue
            if engine_service is not None and hasattr(engine_service, method.name):
                run = getattr(engine_service, method.name)
                right = engine_service.RIGHTS[method.name]
            else:
                request = requests[f"{descriptor.name}/{method.name}"]
                run, right = _method(method, request, plane), Right(request.right)
            setattr(self, method.name, run)
            self.RIGHTS = {**self.RIGHTS, method.name: right}


def _method(method: descriptors.MethodDescriptor, request: type[Request], plane: ControlPlane) -> Method:
    response_class: Any = message_factory.GetMessageClass(method.output_type)

    def run(message: messages.Message, principal: Principal) -> messages.Message:
        asked = value_from(message, request)
        answer = plane.call(asked, account_prefix=principal.account_prefix)
        return fill(response_class(), answer)

    return run


def control_services(plane: ControlPlane, *engine_services: TypedService) -> list[TypedService]:
    """Every service with calls of the control plane; those of the engine keep their own methods."""
    shared = [ControlService(each.DESCRIPTOR, plane, each) for each in engine_services]
    return [*shared, *(ControlService(descriptor, plane) for descriptor in _OWN)]
