"""The port every payment provider fills.

The life of a charge, as we see it::

    (asked) ─→ pending ─→ succeeded ─→ refunded (in part or whole, by ``refund``)
       │          │
       │          ├─→ action_required ─→ succeeded | failed
       └──────────┴─→ failed            final

A charge is named by *our* key. Asking again with the same key answers what became of the first;
another amount under the same key is refused. Callbacks may come late, twice or out of order:
``PaymentCallback`` carries the charge as the provider has it *now*, and whoever applies it keeps
``succeeded`` and ``failed`` once seen.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Protocol

import msgspec

from drawdown.model.money import Money


class ChargeState(enum.StrEnum):
    """Where a charge stands."""

    PENDING = "pending"
    ACTION_REQUIRED = "action_required"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """No later word of the provider changes it."""
        return self in (ChargeState.SUCCEEDED, ChargeState.FAILED)


class PaymentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Take this much money from this method."""

    key: str
    """Ours, unique per intended charge; the same key never moves money twice."""
    amount: Money
    customer_reference: str
    """Id that the customer has at the provider."""
    payment_method: str
    """Id that the method has at the provider."""
    description: str = ""
    """For the customer's statement of the provider."""
    metadata: dict[str, str] = {}


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request."""

    key: str
    reference: str
    """Id of the charge at the provider."""
    state: ChargeState
    amount: Money
    refunded: Money | None = None
    """Given back so far; ``None``: nothing."""
    reason: str = ""
    """Why it failed or what is to be done, in the provider's stable code."""
    action_url: str = ""
    """Where the customer confirms, when ``action_required``."""


class RefundRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Give back part or all of a succeeded charge."""

    key: str
    """Ours, unique per intended refund."""
    charge_reference: str
    amount: Money
    reason: str = ""


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money on its way back."""

    key: str
    reference: str
    amount: Money
    """What of the amount asked for goes back: less than it where it lies between the provider's steps."""


class PaymentMethod(msgspec.Struct, frozen=True, kw_only=True):
    """A card or the like, for display; no number ever passes through here."""

    reference: str
    kind: str
    label: str


class PaymentCallback(msgspec.Struct, frozen=True, kw_only=True):
    """A verified word from the provider about one charge."""

    callback_id: str
    """The provider's id of this word; one seen before changes nothing."""
    charge: Charge
    disputed: bool = False
    """The customer's bank took it back (chargeback)."""


class PaymentProvider(Protocol):
    """A way to take money. Calls may block on the network; nothing here runs on the ingest loop."""

    @property
    def name(self) -> str:
        """What purchases and settings call it."""

    def charge(self, request: PaymentRequest) -> Charge:
        """Ask for money; the outcome may still be open (``pending``, ``action_required``).

        A declined card is an answer (``failed``), not an error, and so is every other definite no.
        Raises ``UnavailableError`` when it is not known whether the charge was made: ask again with
        the same key. A provider may forget a key after a day; whoever asks that late calls
        ``find_charge`` first.
        """

    def find_charge(self, key: str) -> Charge | None:
        """The charge made under our key, or ``None`` when the provider has none."""

    def cancel(self, key: str, reference: str) -> Charge:
        """Stop a charge that is open; answers what became of it, which may be another end where that was
        quicker, or the charge as it is where the provider does not stop it. Raises ``UnavailableError``."""

    def refund(self, request: RefundRequest) -> Refund:
        """Give money back; the same key answers the first refund. Raises as ``charge`` does, and
        ``PreconditionError`` when there is less to give back."""

    def payment_method(self, reference: str) -> PaymentMethod | None:
        """How to show it, or ``None`` where the provider has no such method."""

    def callback(self, body: bytes, headers: Mapping[str, str]) -> PaymentCallback | None:
        """Verify and read a call of the provider to us; ``None`` when it concerns no charge.

        Raises ``UnauthenticatedError`` when the signature is absent, wrong or too old.
        """
