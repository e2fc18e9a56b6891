"""Between ``CorrectUsage`` and the command and result of a correction."""

from __future__ import annotations

from decimal import Decimal

from drawdown.model import CorrectionResult
from drawdown.model.correct_command import Correct
from drawdown.model.status import status_name
from drawdown.v1 import usage_pb2


def correct_request(command: Correct) -> usage_pb2.CorrectUsageRequest:
    """The message for ``CorrectUsage``."""
    request = usage_pb2.CorrectUsageRequest(
        account_id=command.account,
        event_id=command.event_id,
        correction_id=command.correction_id or "",
        regrant=command.regrant,
    )
    if command.quantity is not None:
        request.quantity = command.quantity
    if command.credits is not None:
        request.credits = command.credits
    if command.cancel:
        request.cancel = True
    return request


def corrected(response: usage_pb2.CorrectUsageResponse) -> CorrectionResult:
    """The outcome of ``CorrectUsage``."""
    return CorrectionResult(
        status=status_name(response.status),
        charged=Decimal(response.charged or 0),
        difference=Decimal(response.difference or 0),
        returned=Decimal(response.returned or 0),
        available=Decimal(response.available) if response.available else None,
        seq=response.seq,
    )
