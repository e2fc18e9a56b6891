"""The ``test`` provider: does what the payment method says.

``pm_decline…`` declines, ``pm_action…`` needs the customer, ``pm_pending…`` answers later; any other
succeeds. The same payment id answers the same, as a real provider's idempotency key does.
"""

from drawdown.payments.port import Charge, PaymentResult


class ScriptedProvider:
    """In memory; keeps what it was asked in ``charges``."""

    name = "test"

    def __init__(self) -> None:
        self.charges: list[Charge] = []
        self._known: dict[str, PaymentResult] = {}

    def charge(self, charge: Charge) -> PaymentResult:
        """See ``PaymentProvider``."""
        known = self._known.get(charge.payment_id)
        if known is not None:
            return known
        self.charges.append(charge)
        result = self._decide(charge)
        self._known[charge.payment_id] = result
        return result

    def _decide(self, charge: Charge) -> PaymentResult:
        reference = f"test:{charge.payment_id}"
        if charge.payment_method.startswith("pm_decline"):
            return PaymentResult(state="failed", reason="card_declined", provider_reference=reference)
        if charge.payment_method.startswith("pm_action"):
            return PaymentResult(state="action_required", provider_reference=reference)
        if charge.payment_method.startswith("pm_pending"):
            return PaymentResult(state="pending", provider_reference=reference)
        return PaymentResult(state="succeeded", provider_reference=reference)
