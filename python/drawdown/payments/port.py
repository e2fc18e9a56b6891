"""The payment provider as the control plane sees it."""

from typing import Final, Protocol

import msgspec

from drawdown.model.money import Money

STATES: Final = ("succeeded", "failed", "action_required", "pending")


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """Money to be taken, once per ``payment_id`` however often it is asked for."""

    payment_id: str
    customer_id: str
    provider_customer_id: str
    payment_method: str
    amount: Money
    description: str = ""


class PaymentResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it so far; ``pending`` and ``action_required`` are answered later by a callback."""

    state: str
    reason: str = ""
    provider_reference: str = ""


class PaymentProvider(Protocol):
    """An adapter. Called from worker threads, never inside a transaction."""

    @property
    def name(self) -> str:
        """``test``, ``manual`` or ``stripe``."""

    def charge(self, charge: Charge) -> PaymentResult:
        """Ask for the money. A repeat with the same ``payment_id`` answers the same payment.

        Raises ``UnavailableError`` where the provider cannot be reached: asked again later.
        """
