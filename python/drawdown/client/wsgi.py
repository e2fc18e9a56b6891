"""WSGI middleware: each request is checked before the application runs and recorded after its last byte.

The application may say what it really used: ``environ["drawdown.use"].quantity = 1200``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from drawdown.client import problem
from drawdown.client.interface import Database
from drawdown.client.metering import MeteredUse, Metering
from drawdown.errors import DrawdownError

_log = logging.getLogger("drawdown.client")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


class EntitlementMiddleware:
    """Checks before and records after; see ``Metering`` for the options."""

    def __init__(self, app: App, database: Database, **options: Any) -> None:
        self._app = app
        self._database = database
        self._metering: Metering[Environ] = Metering(**options)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """One request. Those without an account pass unmetered."""
        use = self._metering.use_of(environ)
        if use is None:
            return self._app(environ, start_response)
        refusal = self._refusal(use)
        if refusal is not None:
            phrase = problem.PHRASES[refusal.status]
            start_response(f"{refusal.status} {phrase}", refusal.headers())
            return [refusal.body]
        environ["drawdown.use"] = use
        status = 500

        def watched(line: str, headers: Any, *more: Any) -> Any:
            nonlocal status
            status = int(line.split(" ", 1)[0])
            return start_response(line, headers, *more)

        body = self._app(environ, watched)
        return _Body(body, lambda: self._finish(use, status))

    def _finish(self, use: MeteredUse, status: int) -> None:
        if not self._metering.records(status):
            return
        try:
            result = self._database.record(**use.record_arguments())
        except DrawdownError as error:
            self._metering.failed(use, error)
            return
        self._metering.recorded(use, result)

    def _refusal(self, use: MeteredUse) -> problem.Problem | None:
        try:
            answer = self._database.check(**use.check_arguments())
        except DrawdownError as error:
            if self._metering.fail_open and error.retryable:
                _log.warning("let through unchecked: %s", error)
                return None
            return problem.of_error(error)
        return None if answer else problem.of_check(answer, use.meter)


class _Body:
    """The application's body; ``finish`` runs once, when the server closes it."""

    def __init__(self, body: Iterable[bytes], finish: Callable[[], None]) -> None:
        self._body = body
        self._finish: Callable[[], None] | None = finish

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Close the application's body, then record."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            finish, self._finish = self._finish, None
            if finish is not None:
                finish()
