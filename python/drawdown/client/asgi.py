"""ASGI middleware: each request is checked before the application runs and recorded after it answered.

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
from drawdown.errors import DrawdownError

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
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self._app(scope, receive, watched)
        if self._metering.records(status):
            # A client that hangs up now has had its answer: the use is recorded all the same.
            await asyncio.shield(self._record(use))

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
