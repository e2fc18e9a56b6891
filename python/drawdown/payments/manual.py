"""``manual``: money comes outside of this software, and an operator says so (a bank transfer)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from drawdown.errors import UnauthenticatedError
from drawdown.payments.charge_book import ChargeBook
from drawdown.payments.provider import (
    Charge,
    ChargeState,
    PaymentCallback,
    PaymentMethod,
    PaymentRequest,
    Refund,
    RefundRequest,
)


class ManualProvider:
    """Every charge is ``pending`` until ``mark_paid`` or ``mark_failed``."""

    name = "manual"

    def __init__(self, path: Path | None = None) -> None:
        self._book = ChargeBook(path)

    def charge(self, request: PaymentRequest) -> Charge:
        """Note that money is expected. Needs no payment method."""
        return self._book.charge(request, ChargeState.PENDING)

    def find_charge(self, key: str) -> Charge | None:
        return self._book.find(key)

    def mark_paid(self, key: str) -> Charge:
        """The money has come. A second call changes nothing; raises ``NotFoundError``."""
        return self._book.settle(key, ChargeState.SUCCEEDED)

    def mark_failed(self, key: str, reason: str = "not_paid") -> Charge:
        """It will not come. A charge already paid stays paid; raises ``NotFoundError``."""
        return self._book.settle(key, ChargeState.FAILED, reason)

    def cancel(self, key: str, reference: str) -> Charge:
        return self._book.settle(key, ChargeState.FAILED, "canceled")

    def refund(self, request: RefundRequest) -> Refund:
        """Note that money was given back by hand."""
        return self._book.refund(request)

    def payment_method(self, reference: str) -> PaymentMethod | None:
        return PaymentMethod(reference=reference, kind="manual", label="by invoice")

    def callback(self, body: bytes, headers: Mapping[str, str]) -> PaymentCallback | None:
        """Nobody calls for this provider."""
        raise UnauthenticatedError("the manual provider takes no callbacks; mark the purchase as paid")
