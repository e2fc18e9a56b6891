"""Typed services: from a descriptor to handlers, the same way for each.

A service is an object with one method per RPC, ``name(request, principal) -> response``, which runs
in a worker thread and may block. Everything around it is here: rights, drain, shedding before any
work, deadlines of callers who have gone, errors, and the audit line of what changes state.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

import grpc
from google.protobuf import descriptor as descriptors
from google.protobuf import message, message_factory

from drawdown import errors
from drawdown.server import status
from drawdown.server.access import ALSO_WITH, Access, Principal, Right
from drawdown.server.audit import Audit, AuditedCall
from drawdown.server.context import Context, Handler
from drawdown.server.precedence import CallThreads, Precedence, precedence_of
from drawdown.server.texts import check_texts
from drawdown.server.usage_service import draining

# A typed call that a caller waits for longer than this has no deadline of use.
CALL_S_MAX: Final = 30.0
# Of a stream's request: a thousand ids or questions of the longest kind, with some dimensions each.
KEPT_BYTES_MAX: Final = 1 << 20

Method = Callable[[Any, Principal], message.Message]


class TypedService(Protocol):
    """What ``TypedCalls`` serves."""

    @property
    def DESCRIPTOR(self) -> descriptors.ServiceDescriptor: ...

    @property
    def RIGHTS(self) -> Mapping[str, Right]: ...


class TypedCalls:
    """Runs typed calls in worker threads; bounded in number, never on the loop."""

    def __init__(self, access: Access, audit: Audit, *, threads: int, calls_max: int) -> None:
        self._access = access
        self._audit = audit
        self._threads = CallThreads(threads=threads, calls_max=calls_max)
        self._draining = False
        self.calls: dict[tuple[str, str], int] = {}

    @property
    def open_calls(self) -> int:
        """Waiting or running."""
        return self._threads.open_calls

    def handler_of(self, service: TypedService) -> tuple[str, dict[str, Handler]]:
        """Full name and handlers of a service: of every RPC of the descriptor that ``RIGHTS`` names."""
        found = {
            name: self._handler(service, service.DESCRIPTOR.methods_by_name[name], getattr(service, name))
            for name in service.RIGHTS
        }
        return service.DESCRIPTOR.full_name, found

    def _handler(self, service: TypedService, method: descriptors.MethodDescriptor, run: Method) -> Handler:
        right = service.RIGHTS[method.name]
        path = f"{service.DESCRIPTOR.name}/{method.name}"
        precedence = precedence_of(path, right)
        request_class = message_factory.GetMessageClass(method.input_type)

        async def serve(body: bytes, context: Context) -> bytes:
            caller: Principal | None = None
            try:
                caller = self._access.caller(context, path)
                self._access.admit(caller, right, ALSO_WITH.get(path))
                self._admit(precedence)
                request = parsed(request_class, body)
                check_texts(request)
            except errors.DrawdownError as refused:
                self._count(path, status.code_of(refused).name)
                if caller is not None:
                    self._audit.refused(path, right, caller, context, refused.reason)
                await status.abort(context, refused)
            try:
                audited = self._audit.call(path, right, caller, request, context)
                response = await self._run(run, request, caller, context, audited, precedence)
            except asyncio.CancelledError:
                raise
            except Exception as raised:
                fault = status.fault_of(raised)
                self._count(path, status.code_of(fault).name)
                await status.abort(context, fault)
            self._count(path, "OK")
            return response

        return grpc.unary_unary_rpc_method_handler(serve)

    def _admit(self, precedence: Precedence) -> None:
        if self._draining:
            raise draining()
        self._threads.admit(precedence)

    async def _run(
        self,
        run: Method,
        request: message.Message,
        principal: Principal,
        context: Context,
        audited: AuditedCall,
        precedence: Precedence,
    ) -> bytes:
        remaining = context.time_remaining()
        allowed = CALL_S_MAX if remaining is None else min(remaining, CALL_S_MAX)
        started_before = time.monotonic() + allowed

        def work() -> bytes:
            outcome = "OK"
            try:
                if time.monotonic() > started_before:
                    raise errors.OverloadedError("the call waited past its deadline; nothing was applied")
                return run(request, principal).SerializeToString()
            except Exception as raised:
                fault = status.fault_of(raised)
                outcome = fault.reason
                raise fault from raised
            finally:
                audited(outcome)

        return await self._threads.run(precedence, work)

    def _count(self, path: str, code: str) -> None:
        key = (path, code)
        self.calls[key] = self.calls.get(key, 0) + 1

    def drain(self) -> None:
        """Take no further calls."""
        self._draining = True

    def close(self) -> None:
        """Wait for running calls and end the threads."""
        self._threads.close()


MessageT = TypeVar("MessageT", bound=message.Message)


def parsed_to_keep(request_class: type[MessageT], body: bytes) -> MessageT:
    """The message of these bytes, of a stream that has it for as long as it is open.

    Raises ``InvalidRequestError``, also where there is too much of it.
    """
    if len(body) > KEPT_BYTES_MAX:
        raise errors.InvalidRequestError(
            f"the request has {len(body)} bytes; a stream keeps its request, at most {KEPT_BYTES_MAX} bytes: "
            "open several"
        )
    return parsed(request_class, body)


def parsed(request_class: type[MessageT], body: bytes) -> MessageT:
    """The message of these bytes. Raises ``InvalidRequestError``."""
    request = request_class()
    try:
        request.ParseFromString(body)
    except message.DecodeError as raised:
        raise errors.InvalidRequestError(
            f"the bytes are not a {request_class.DESCRIPTOR.full_name}: {raised}"
        ) from raised
    return request
