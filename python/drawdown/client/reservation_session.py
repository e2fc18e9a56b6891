"""The stream that keeps reservations: while it is open they live, when it ends the server releases them."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import grpc

from drawdown.client.channel import closed_connection, task_is_cancelled
from drawdown.client.rpc_errors import error_of
from drawdown.errors import UnavailableError
from drawdown.model import new_event_id
from drawdown.v1 import entitlement_pb2

OPEN_S_MAX = 10.0


def _not_opened() -> UnavailableError:
    return UnavailableError(
        f"the server did not begin to keep reservations within {OPEN_S_MAX:g} s: nothing was reserved; "
        "try again",
        definite=True,
    )


class ReservationSession:
    """One ``KeepReservations`` stream, opened when first needed and again after it broke."""

    def __init__(self, stub: Any, metadata: tuple[tuple[str, str], ...]) -> None:
        self._stub = stub
        self._metadata = metadata
        self._lock = threading.Lock()
        self._call: Any = None
        self._session_id = ""

    def session_id(self) -> str:
        """Id of an open session. Raises what ended the attempt to open one."""
        with self._lock:
            if self._call is None or not self._call.is_active():
                self._session_id = new_event_id()
                request = entitlement_pb2.KeepReservationsRequest(session_id=self._session_id)
                call = self._stub.KeepReservations(request, metadata=self._metadata)
                # A server that does not answer must not hold the caller for ever.
                until = time.monotonic() + OPEN_S_MAX
                giving_up = threading.Timer(OPEN_S_MAX, call.cancel)
                giving_up.start()
                try:
                    next(call)
                except grpc.RpcError as failure:
                    if time.monotonic() >= until:
                        raise _not_opened() from None
                    raise error_of(failure) from failure
                finally:
                    giving_up.cancel()
                self._call = call
            return self._session_id

    def close(self) -> None:
        """End the session: what is still open of its reservations is released."""
        with self._lock:
            if self._call is not None:
                self._call.cancel()
                self._call = None


class AioReservationSession:
    """The same for one event loop."""

    def __init__(self, stub: Any, metadata: tuple[tuple[str, str], ...]) -> None:
        self._stub = stub
        self._metadata = metadata
        self._opening = asyncio.Lock()
        self._call: Any = None
        self._session_id = ""

    async def session_id(self) -> str:
        """Id of an open session. Raises what ended the attempt to open one."""
        async with self._opening:
            if self._call is None or self._call.done():
                self._session_id = new_event_id()
                request = entitlement_pb2.KeepReservationsRequest(session_id=self._session_id)
                call = self._stub.KeepReservations(request, metadata=self._metadata)
                try:
                    async with asyncio.timeout(OPEN_S_MAX):
                        await call.read()
                except grpc.RpcError as failure:
                    call.cancel()
                    raise error_of(failure) from failure
                except TimeoutError:
                    call.cancel()
                    raise _not_opened() from None
                except asyncio.CancelledError:
                    call.cancel()
                    if task_is_cancelled():
                        raise
                    raise closed_connection() from None
                self._call = call
            return self._session_id

    def close(self) -> None:
        """End the session: what is still open of its reservations is released."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
