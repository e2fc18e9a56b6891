"""How a method of the control plane gets its answer."""

from __future__ import annotations

import abc
from typing import Any

from drawdown.model.request import Request


class ControlDoor(abc.ABC):
    """Supplied by each form of the database."""

    @abc.abstractmethod
    def control(self, request: Request) -> Any:
        """Answer a call of the control plane; durable and in effect when it returns.

        Raises ``InvalidRequestError`` (with ``field``), ``NotFoundError``, ``AlreadyExistsError``,
        ``PreconditionError`` — nothing changed — or ``UnavailableError``: repeat with the same ids.
        """
