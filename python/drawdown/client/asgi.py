"""ASGI middleware: each request is checked before the application runs and recorded after it answered.

What fails behind an answer that was begun, and what is cancelled there, is recorded too: it was used.

::

    app = EntitlementMiddleware(
        app, database, meter="api_calls",
        account=lambda scope: scope["user"].account_id if scope["path"].startswith("/api") else None,
    )

The application may say what it really used: ``scope["drawdown"].quantity = 1200``.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from drawdown.client import problem
from drawdown.client.asyncio_connection import AioConnection
from drawdown.client.interface import Database
from drawdown.client.metering import MeteredUse, Metering
from drawdown.errors import DrawdownError, UnavailableError

_log = logging.getLogger("drawdown.client")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class EntitlementMiddleware:
    """Checks before and records after; see ``Metering`` for the options."""

    def __init__(self, app: App, database: Database | AioConnection, **options: Any) -> None:
        self._app = app
        self._database = database
        self._metering: Metering[Scope] = Metering(**options)
        # The event loop itself holds no task: one that nobody awaits any more could vanish unfinished.
        self._recording: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. WebSockets, lifespan and requests without an account pass unmetered."""
        use = self._metering.use_of(scope) if scope["type"] == "http" else None
        if use is None:
            await self._app(scope, receive, send)
            return
        refusal = await self._refusal(use)
        if refusal is not None:
            await _send_problem(send, refusal)
            return
        scope["drawdown"] = use
        status: int | None = None

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except (Exception, asyncio.CancelledError):
            # Behind an answer that was begun: most often its reader has gone, and what was used was used.
            if status is not None:
                await self._finish(use, status)
            raise
        await self._finish(use, 500 if status is None else status)

    async def _finish(self, use: MeteredUse, status: int) -> None:
        if not self._metering.records(status):
            return
        recording = asyncio.ensure_future(self._record(use))
        self._recording.add(recording)
        recording.add_done_callback(self._recording.discard)
        # A client that hangs up now has had its answer: the use is recorded all the same.
        await asyncio.shield(recording)

    async def _refusal(self, use: MeteredUse) -> problem.Problem | None:
        try:
            answer = await self._ask("check", **use.check_arguments())
        except DrawdownError as error:
            if self._metering.fail_open and error.retryable:
                _log.warning("let through unchecked: %s", error)
                return None
            return problem.of_error(error)
        return None if answer else problem.of_check(answer, use.meter)

    async def _record(self, use: MeteredUse) -> None:
        try:
            result = await self._ask("record", **use.record_arguments())
        except DrawdownError as error:
            self._metering.failed(use, error)
            return
        except asyncio.CancelledError:
            self._metering.failed(use, UnavailableError("the event loop ended while it was recorded"))
            raise
        self._metering.recorded(use, result)

    async def _ask(self, name: str, **arguments: Any) -> Any:
        call = getattr(self._database, name)
        if inspect.iscoroutinefunction(call):
            return await call(**arguments)
        return await asyncio.to_thread(call, **arguments)


async def _send_problem(send: Send, refusal: problem.Problem) -> None:
    headers = [(key.lower().encode(), value.encode()) for key, value in refusal.headers()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.body})
