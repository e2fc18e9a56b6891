"""A notice: one transition of interest, numbered per account. One per transition, not per event."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from drawdown.errors import InvalidRequestError

KINDS: Final[dict[str, str]] = {
    "account.closed": "No further usage; what was left was forfeited or paid out.",
    "balance.depleted": "Available reached zero or fell below.",
    "balance.low": "Available reached a threshold from above: credits, or a percentage of what was granted.",
    "balance.low_cleared": "Available rose above a threshold that had been passed.",
    "balance.recovered": "Available is above zero again.",
    "entitlement.changed": "What the account may use is different now.",
    "grant.activated": "A grant became spendable.",
    "grant.created": "A grant was made.",
    "grant.exhausted": "A grant has nothing left.",
    "grant.expired": "A grant's time is over; the rest is breakage.",
    "grant.expiring_soon": "A grant with credits left ends soon.",
    "grant.voided": "A grant was voided; the rest is forfeited.",
    "invoice.approved": "An operator approved the invoice; the credits that waited for that are released.",
    "invoice.created": "A draft invoice was made that waits for usage or approval; or a credit note.",
    "invoice.finalized": "The invoice has its number and never changes again.",
    "invoice.held": "The invoice is far above what the account is billed for usually: it waits for approval.",
    "invoice.paid": "The invoice was paid.",
    "invoice.uncollectible": "The invoice will not be paid.",
    "invoice.voided": "The invoice was voided.",
    "payment.action_required": "The customer has to confirm a payment.",
    "payment.disputed": "The bank has taken back what an invoice was paid with.",
    "payment.failed": "A payment was declined.",
    "payment.succeeded": "A payment went through.",
    "purchase.created": "A purchase was begun.",
    "purchase.failed": "A purchase came to nothing; its credits were never granted.",
    "purchase.granted": "A purchase is paid and its credits are there.",
    "purchase.not_granted": "A purchase is paid, but the engine refuses its credits, with the reason.",
    "purchase.not_refunded": "The provider refuses to give a purchase's money back, with the reason.",
    "purchase.refunded": "A purchase was paid back.",
    "recharge.disabled": "Automatic recharge was switched off, with the reason.",
    "recharge.enabled": "Automatic recharge was switched on.",
    "recharge.failed": "An automatic recharge failed or was held back, with the reason.",
    "recharge.started": "The balance crossed the threshold and a payment is on its way.",
    "recharge.succeeded": "An automatic recharge was paid and granted.",
    "runway": "At the present rate the balance lasts for less time than was set.",
    "subscription.activated": "A subscription began.",
    "subscription.cancelled": "A subscription was cancelled, at once or for its period's end: ends_at.",
    "subscription.change_failed": "A planned change could not be made; the plan stays.",
    "subscription.change_planned": "A change of plan waits for the period's end.",
    "subscription.changed": "A subscription moved to another plan.",
    "subscription.converted": "A trial became a paid subscription.",
    "subscription.created": "A subscription was made.",
    "subscription.ended": "A subscription is over.",
    "subscription.past_due": "A payment for the present period has failed; what waits for it waits on.",
    "subscription.paused": "A subscription rests: no renewals.",
    "subscription.renewed": "A period began; its credits are there when what they wait for has happened.",
    "subscription.resumed": "A paused subscription goes on.",
    "subscription.service_added": "A service was added to a subscription.",
    "subscription.service_terminated": "A service of a subscription was ended before its time.",
    "subscription.settled": "What a subscription owed is paid, or is not owed any more; it goes on.",
}
"""Every kind and what it says. Kinds are for ever; new ones may come."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook carries and the feed lists."""

    notice_id: str
    """Stable over every delivery: the receiver's idempotency key."""
    account: str
    sequence: int
    """1, 2, 3 … per account: a gap means that one is still on its way."""
    kind: str
    at: datetime
    """When it was stored, in real time also where the account has a clock of its own: it is kept by this."""
    data: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidRequestError(f"kind: '{self.kind[:64]}' is no kind of notice", field="kind")


def check_patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    """Patterns as they are; raises ``InvalidRequestError`` for one that no kind can ever match."""
    checked = tuple(patterns)
    for pattern in checked:
        if not any(matches(kind, (pattern,)) for kind in KINDS):
            raise InvalidRequestError(
                f"kinds: nothing is called '{pattern[:64]}'; write a kind like balance.low, a family like "
                "balance.*, or *",
                field="kinds",
            )
    return checked


def matches(kind: str, patterns: Iterable[str]) -> bool:
    """Whether an endpoint that asked for ``patterns`` wants this kind; no pattern wants all."""
    asked = tuple(patterns)
    if not asked:
        return True
    return any(
        pattern in ("*", kind) or (pattern.endswith(".*") and kind.startswith(pattern[:-1]))
        for pattern in asked
    )
