"""Ids that follow from what they stand for: doing a step again names the same things again.

Caller's ids have up to 128 bytes and so have the engine's, so what is put together is hashed where it
could be longer.
"""

import hashlib
from datetime import datetime
from typing import Final

_READABLE_BYTES: Final = 96
# The column's length; PostgreSQL refuses what is longer.
_INVOICE_ID_CHARACTERS_MAX: Final = 160
# Ids of invoices begin so; those that callers choose do not.
INVOICE_PREFIXES: Final = ("inv:", "inv.purchase:", "inv.refund:", "inv.change:")

# Purchases that an automatic recharge begins; callers' do not begin so.
RECHARGE_PREFIX: Final = "recharge:"
# Subscriptions that an account begins with; callers' of another account do not begin so.
SIGNUP_PREFIX: Final = "signup:"


def derived(prefix: str, *parts: object) -> str:
    """``prefix:part:part…`` while that is short, else prefix and a 160-bit digest of the parts."""
    text = ":".join([prefix, *map(str, parts)])
    if len(text) <= _READABLE_BYTES and (text.isascii() or len(text.encode()) <= _READABLE_BYTES):
        return text
    return _digested(prefix, *parts)


def _digested(prefix: str, *parts: object) -> str:
    digest = hashlib.blake2b("\x00".join(map(str, parts)).encode(), digest_size=20)
    return f"{prefix}:{digest.hexdigest()}"


def signup_id(product_id: str, account: str) -> str:
    """The subscription that a new account gets of a product which names a plan."""
    return derived(SIGNUP_PREFIX.removesuffix(":"), product_id, account)


def grant_id(subscription_id: str, epoch: int, number: int) -> str:
    """The grant of cadence ``number``."""
    return derived("sub", subscription_id, f"{epoch}.{number}")


def trial_grant_id(subscription_id: str) -> str:
    """The trial's credits."""
    return derived("sub", subscription_id, "trial")


def invoice_id(account: str, boundary: datetime, currency: str) -> str:
    """The invoice of an account for the billing period that starts at ``boundary``."""
    day = f"{boundary.year:04}{boundary.month:02}{boundary.day:02}"
    time = f"{boundary.hour:02}{boundary.minute:02}{boundary.second:02}.{boundary.microsecond:06}"
    return derived("inv", account, f"{day}T{time}Z", currency)


def approval_invoice_id(regular: str) -> str:
    """Beside the regular invoice of a period, the one with what waits for approval."""
    # With a dot: ``further_invoice_id`` puts a caller's id behind a colon.
    return f"{regular}.approval"


def further_invoice_id(first: str, subscription_id: str) -> str:
    """Beside an invoice that is final, of a subscription that begins at the same instant."""
    text = f"{first}:{subscription_id}"
    if len(text) <= _INVOICE_ID_CHARACTERS_MAX:
        return text
    return f"{first}:{hashlib.blake2b(subscription_id.encode(), digest_size=20).hexdigest()}"


def purchase_invoice_id(purchase_id: str) -> str:
    """The invoice that a purchase has of its own."""
    return derived("inv.purchase", purchase_id)


def recharge_purchase_ids(account: str, credit_type: str, cause: str) -> tuple[str, str]:
    """The purchase of an automatic recharge, one for each cause; and where that id is another's, this one."""
    prefix = RECHARGE_PREFIX.removesuffix(":")
    return derived(prefix, account, credit_type, cause), _digested(prefix, account, credit_type, cause)


def refund_note_id(purchase_id: str) -> str:
    """The credit note of a purchase that was given back."""
    return derived("inv.refund", purchase_id)


def change_note_id(paid_invoice_id: str) -> str:
    """The credit note over the invoice of a change that was paid too late for its period."""
    return derived("inv.change", paid_invoice_id)


def lane_of(account: str) -> str:
    """Everything that happens to an account by calendar happens one by one."""
    return f"account:{account}"


def unbegun_note_id(subscription_id: str, invoice_id: str) -> str:
    """The credit note over what a subscription that never began has on an invoice with others."""
    return derived("inv", subscription_id, "unbegun", invoice_id)


_ASIDE: Final = "aside:"


def lane_aside(lane: str) -> str:
    """Where jobs of the lane go that are tried again without holding up those behind them."""
    return _ASIDE + lane.removeprefix(_ASIDE)


def lane_before_aside(lane: str) -> str:
    """The lane that a job came from, where it stepped aside; any other is itself."""
    return lane.removeprefix(_ASIDE)
