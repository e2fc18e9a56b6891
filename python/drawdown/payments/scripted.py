"""``test``: a provider that does what the payment method's name says, and calls back when told to.

=====================  ==========================================================================
payment method         what happens
=====================  ==========================================================================
``test_ok``            succeeds at once
``test_decline``       fails at once, reason ``card_declined``
``test_insufficient``  fails at once, reason ``insufficient_funds``
``test_action``        needs the customer (``action_required``); ends by ``finish``
``test_pending``       is open (``pending``); ends by ``finish``
``test_lost``          the charge succeeds, but its answer is lost: ``UnavailableError``, once a key
``test_unreachable``   nothing is made: ``UnavailableError``, always
any other              fails at once, reason ``payment_method_unknown``
=====================  ==========================================================================

``finish`` ends an open charge and answers the callback a real provider would send: signed bytes that
may be delivered late, twice, or in another order, which is the point of it. The book is a file where
a path is given, so that this provider survives a kill of ours as a real one does.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path

import msgspec

from drawdown.errors import InvalidRequestError, UnauthenticatedError, UnavailableError
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

SIGNATURE_HEADER = "drawdown-test-signature"
_DECLINES = {"test_decline": "card_declined", "test_insufficient": "insufficient_funds"}
_OPEN = {"test_action": ChargeState.ACTION_REQUIRED, "test_pending": ChargeState.PENDING}
METHODS = ("test_ok", *_DECLINES, *_OPEN, "test_lost", "test_unreachable")


class ScriptedProvider:
    """Deterministic outcomes for tests, demos and staging. Takes no money."""

    name = "test"

    def __init__(self, path: Path | None = None, *, secret: str = "test") -> None:
        self._book = ChargeBook(path)
        self._secret = secret.encode()

    def charge(self, request: PaymentRequest) -> Charge:
        """The outcome that the method's name says; see the table of the module."""
        method = request.payment_method
        if method not in METHODS:
            return self._book.charge(request, ChargeState.FAILED, "payment_method_unknown")
        if method == "test_unreachable":
            raise UnavailableError("the test provider can't be reached")
        if method in _DECLINES:
            return self._book.charge(request, ChargeState.FAILED, _DECLINES[method])
        if method in _OPEN:
            state = _OPEN[method]
            url = f"https://pay.example/{request.key}" if state is ChargeState.ACTION_REQUIRED else ""
            return self._book.charge(request, state, action_url=url)
        is_first = self._book.find(request.key) is None
        made = self._book.charge(request, ChargeState.SUCCEEDED)
        if method == "test_lost" and is_first:
            raise UnavailableError("the answer of the test provider was lost; ask again with the same key")
        return made

    def find_charge(self, key: str) -> Charge | None:
        return self._book.find(key)

    def cancel(self, key: str, reference: str) -> Charge:
        return self._book.settle(key, ChargeState.FAILED, "canceled")

    def refund(self, request: RefundRequest) -> Refund:
        return self._book.refund(request)

    def payment_method(self, reference: str) -> PaymentMethod | None:
        if reference not in METHODS:
            return None
        return PaymentMethod(reference=reference, kind="card", label=f"{reference} •••• 4242")

    def charges(self) -> list[Charge]:
        """Everything that was ever charged, for a test to count."""
        return self._book.charges()

    def finish(
        self, key: str, state: ChargeState = ChargeState.SUCCEEDED, reason: str = ""
    ) -> tuple[bytes, dict[str, str]]:
        """End an open charge; answers ``(body, headers)`` of the callback about it."""
        return self._word(self._book.settle(key, state, reason), disputed=False)

    def dispute(self, key: str) -> tuple[bytes, dict[str, str]]:
        """The callback of a chargeback of a charge. Raises ``InvalidRequestError`` without one."""
        found = self._book.find(key)
        if found is None:
            raise InvalidRequestError(f"key: there is no charge under '{key}'", field="key")
        return self._word(found, disputed=True)

    def _word(self, charge: Charge, *, disputed: bool) -> tuple[bytes, dict[str, str]]:
        word = PaymentCallback(
            callback_id=f"cb_{charge.reference}_{'disputed' if disputed else charge.state}",
            charge=charge,
            disputed=disputed,
        )
        body = msgspec.json.encode(word)
        return body, {SIGNATURE_HEADER: self._sign(body)}

    def _sign(self, body: bytes) -> str:
        return hmac.new(self._secret, body, hashlib.sha256).hexdigest()

    def callback(self, body: bytes, headers: Mapping[str, str]) -> PaymentCallback | None:
        given = {name.lower(): value for name, value in headers.items()}.get(SIGNATURE_HEADER, "")
        if not hmac.compare_digest(given, self._sign(body)):
            raise UnauthenticatedError("the signature of the callback is wrong")
        return msgspec.json.decode(body, type=PaymentCallback)
