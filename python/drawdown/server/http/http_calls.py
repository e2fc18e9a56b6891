"""The calls of this door and where they are: routes, rights, bounds, drain and figures, the same for each.

| path | right | does |
|---|---|---|
| ``POST /v1/events`` | ingest | CloudEvents → usage events |
| ``GET`` and ``POST /v1/check`` | read | entitlement |
| ``POST /v1/payments/callback`` | the provider's signature | the payment provider's word |
| ``GET /health`` | none | 200 while serving, else 503 |
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from drawdown import errors
from drawdown.engine import Engine
from drawdown.model.event_mapping import EventTypes
from drawdown.model.rights import Right
from drawdown.server.access import Access, Principal
from drawdown.server.call_queue import LARGE_BYTES
from drawdown.server.durability import Durability
from drawdown.server.http import check_calls, problem, usage_calls
from drawdown.server.http.callback_calls import CallbackCalls
from drawdown.server.http.problem import HttpRefusal
from drawdown.server.http.request import HttpCredential, body_of
from drawdown.server.usage_service import UsageService, draining

JSON: Final = "application/json"
# Requests in hand at once, over all connections; what comes beyond is refused before its body is read.
CALLS_MAX: Final = 256
THREADS: Final = 2
EVENTS: Final = "/v1/events"
CHECK: Final = "/v1/check"
CALLBACK: Final = "/v1/payments/callback"
HEALTH: Final = "/health"

_Answer = TypeVar("_Answer")
_Call = Callable[[Request, Principal], Awaitable[Response]]


class HttpCalls:
    """The application of this door. For use on the loop's thread."""

    def __init__(
        self,
        engine: Engine,
        durability: Durability,
        access: Access,
        types: EventTypes,
        usage: UsageService,
        callbacks: CallbackCalls,
        *,
        body_bytes_max: int,
    ) -> None:
        self._engine = engine
        self._durability = durability
        self._access = access
        self._types = types
        self._usage = usage
        self._callbacks = callbacks
        self._bytes_max = body_bytes_max
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="http-call")
        self._draining = False
        self.open_calls = 0
        self.calls: dict[tuple[str, int], int] = {}
        self.app = Starlette(
            routes=[
                Route(EVENTS, self._guarded(Right.INGEST, self._events), methods=["POST"]),
                Route(CHECK, self._guarded(Right.READ, self._check), methods=["GET", "POST"]),
                Route(CALLBACK, self._answering(self._callback), methods=["POST"]),
                Route(HEALTH, self._health, methods=["GET"]),
            ],
            exception_handlers={HTTPException: self._no_such_call},
        )
        # A path with a slash more is no call: few clients send a body again to where they are redirected.
        self.app.router.redirect_slashes = False

    def _guarded(self, right: Right, call: _Call) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return await call(
                request,
                self._access.principal(
                    HttpCredential(request), right, f"{request.method} {request.url.path}"
                ),
            )

        return self._answering(answer)

    def _answering(
        self, call: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                self._admit()
                self.open_calls += 1
                try:
                    response = await call(request)
                finally:
                    self.open_calls -= 1
            except asyncio.CancelledError:
                raise
            except Exception as raised:
                response = problem.of_fault(raised)
            return self._counted(request, response)

        return answer

    def _admit(self) -> None:
        if self._draining:
            raise draining()
        if self.open_calls >= CALLS_MAX:
            raise errors.OverloadedError(
                f"{CALLS_MAX} requests are being handled already; retry after a pause"
            )

    async def _events(self, request: Request, caller: Principal) -> Response:
        senders, sender = self._usage.senders, self._usage.senders.of(caller, HttpCredential(request))
        body = await body_of(request, self._bytes_max)
        headers = request.headers

        def work() -> tuple[int, bytes]:
            return usage_calls.answered(self._engine, self._types, caller, headers, body)

        if len(body) >= LARGE_BYTES:
            # In the same line as large calls over gRPC. It waits: what is in hand at once is bounded.
            seq, answer = await self._usage.call_queue.wait_and_run(sender, body, work)
        else:
            if senders.contended:
                await senders.turn(sender, len(body))
            seq, answer = await asyncio.get_running_loop().run_in_executor(self._executor, work)
        self._usage.took(sender, len(body))
        return await self._durable(seq, answer)

    async def _check(self, request: Request, caller: Principal) -> Response:
        if request.method in ("GET", "HEAD"):
            alone, questions = True, [check_calls.from_address(request.query_params)]
        else:
            alone, questions = check_calls.from_body(await body_of(request, self._bytes_max))
        seq, answer = await asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: check_calls.answered(self._engine, caller, alone, questions)
        )
        return await self._durable(seq, answer)

    async def _callback(self, request: Request) -> Response:
        body = await self._callbacks.body(request, self._bytes_max)
        self._callbacks.admit()
        self._callbacks.in_hand += 1
        try:
            credential, headers = HttpCredential(request), dict(request.headers)
            answer = await asyncio.get_running_loop().run_in_executor(
                self._callbacks.executor, lambda: self._callbacks.answered(credential, headers, body)
            )
        finally:
            self._callbacks.in_hand -= 1
        return Response(answer, media_type=JSON)

    async def _durable(self, seq: int, answer: bytes) -> Response:
        """The answer, once what it stands on is on disk."""
        await self._durability.reached(seq)
        return Response(answer, media_type=JSON)

    async def _health(self, request: Request) -> Response:
        status, text = (503, "NOT_SERVING") if self._draining else (200, "SERVING")
        return _last_if_doubtful(
            request, JSONResponse({"status": text}, status, {"cache-control": "no-store"})
        )

    async def _no_such_call(self, request: Request, raised: Exception) -> Response:
        assert isinstance(raised, HTTPException)
        if raised.status_code == 405:
            refusal = HttpRefusal(405, f"{request.method} is not for this path", field="method")
        else:
            there = f"there is {EVENTS}, {CHECK}, {CALLBACK} and {HEALTH}"
            refusal = HttpRefusal(404, there, field="path")
        response = problem.of_fault(refusal)
        response.headers.update(raised.headers or {})
        return self._counted(request, response)

    def _counted(self, request: Request, response: Response) -> Response:
        # Paths of strangers are not kept: the number of figures is bounded.
        path = request.url.path if request.url.path in (EVENTS, CHECK, CALLBACK) else "other"
        key = (path, response.status_code)
        self.calls[key] = self.calls.get(key, 0) + 1
        return _last_if_doubtful(request, response)

    def drain(self) -> None:
        """Take no further calls; health says so."""
        self._draining = True

    def close(self) -> None:
        """Wait for running calls and end the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._callbacks.close()


def _last_if_doubtful(request: Request, response: Response) -> Response:
    """The connection ends behind a request with two lengths (RFC 9112 §6.1): a proxy may see another end."""
    if "transfer-encoding" in request.headers and "content-length" in request.headers:
        response.headers["connection"] = "close"
    return response
