"""What the two kinds of HTTP middleware share: whose request it is, what it uses, when that is recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from drawdown.errors import DrawdownError
from drawdown.model import UsageResult, new_event_id, now_us

_log = logging.getLogger("drawdown.client")

RequestT = TypeVar("RequestT")


def log_lost(account: str, quantity: int, meter: str, event: str | None, why: str) -> None:
    """Something was used that is not charged, and nobody is left to be told by an exception."""
    _log.error(
        "used and not recorded: account %s, %s × %s, event %s: %s", account, quantity, meter, event, why
    )


class MeteredUse:
    """What one request uses. The application may set ``quantity`` to what it really used."""

    def __init__(
        self,
        account: str,
        meter: str,
        quantity: int,
        dimensions: Mapping[str, str],
        event_id: str | None,
        force: bool,
    ) -> None:
        self.account = account
        self.meter = meter
        self.quantity = quantity
        self.dimensions = dict(dimensions)
        # An id of our own goes with its time, so that a repeat is exact however late it comes. Who brings
        # an id repeats the request later: the time would make that another use.
        self.event_id = event_id or new_event_id()
        self.time_us = None if event_id else now_us()
        self._force = force

    def check_arguments(self) -> dict[str, Any]:
        """Arguments of ``check``."""
        return {
            "account": self.account,
            "meter": self.meter,
            "quantity": self.quantity,
            "dimensions": self.dimensions,
        }

    def record_arguments(self) -> dict[str, Any]:
        """Arguments of ``record``."""
        return {
            **self.check_arguments(),
            "event_id": self.event_id,
            "time": self.time_us,
            "force": self._force,
        }


def _succeeded(status: int) -> bool:
    return status < 400


class Metering(Generic[RequestT]):
    """The options of a middleware.

    ``account`` answers whose request it is, or ``None`` for one that is not metered. ``meter``,
    ``quantity``, ``dimensions`` are values or functions of the request. ``event_id`` makes a request
    that is repeated by its sender count once (default: each counts). ``records`` says by the HTTP
    status whether a use is charged (default: below 400). ``force`` charges also what the balance no
    longer covers at the end; it needs the right. ``fail_open`` lets requests through while the
    balance service cannot be asked. ``on_lost`` is told of a use that could not be recorded.
    """

    def __init__(
        self,
        *,
        account: Callable[[RequestT], str | None],
        meter: str | Callable[[RequestT], str],
        quantity: int | Callable[[RequestT], int] = 1,
        dimensions: Mapping[str, str] | Callable[[RequestT], Mapping[str, str]] | None = None,
        event_id: Callable[[RequestT], str | None] | None = None,
        records: Callable[[int], bool] = _succeeded,
        force: bool = False,
        fail_open: bool = False,
        on_lost: Callable[[MeteredUse, str], None] | None = None,
    ) -> None:
        self._account = account
        self._meter = meter
        self._quantity = quantity
        self._dimensions = dimensions
        self._event_id = event_id
        self._force = force
        self._on_lost = on_lost
        self.records = records
        self.fail_open = fail_open

    def use_of(self, request: RequestT) -> MeteredUse | None:
        """What this request uses; ``None``: it is not metered."""
        account = self._account(request)
        if account is None:
            return None
        dimensions = self._dimensions(request) if callable(self._dimensions) else self._dimensions
        event_id = None if self._event_id is None else self._event_id(request)
        return MeteredUse(
            account,
            self._meter(request) if callable(self._meter) else self._meter,
            self._quantity(request) if callable(self._quantity) else self._quantity,
            dimensions or {},
            event_id,
            self._force,
        )

    def recorded(self, use: MeteredUse, result: UsageResult) -> None:
        """A use was answered; one that a rule refused meanwhile is lost."""
        if not result.applied:
            self._lose(use, result.status)

    def failed(self, use: MeteredUse, error: DrawdownError) -> None:
        """A use could not be recorded."""
        self._lose(use, str(error))

    def _lose(self, use: MeteredUse, why: str) -> None:
        log_lost(use.account, use.quantity, use.meter, use.event_id, why)
        if self._on_lost is not None:
            self._on_lost(use, why)
