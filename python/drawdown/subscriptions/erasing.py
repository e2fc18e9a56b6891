"""Erasing what is known of a person: texts go, ids and figures stay (semantics §15). Pure.

Ids are names of rows and of ledger entries and are never changed, so nothing personal belongs into them.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from drawdown.model.request import Request, Value
from drawdown.subscriptions.customer import Customer

ERASED: Final = "erased"
# Shorter ones, or ones without a letter, stand for too much else: they go only where they are all there is.
_BYTES_MIN: Final = 3
# The person at the payment provider and at the tax office.
_PERSONAL_IDS: Final = frozenset({"provider_id", "tax_id"})
_BUYER: Final = "buyer"
_ID_FIELDS: Final = frozenset(
    {"account", "accounts", "customer", "key", "lane", "of", "void", "grants", "table", "rate_table", "type"}
    | {"credit_type", "meter", "scope", "kind", "state", "status", "currency", "zone", "time_zone"}
)


class Erasure(Value, frozen=True):
    """What was erased."""

    customer_id: str
    erased_at: datetime
    accounts: tuple[str, ...] = ()
    texts: int = 0
    """Places where something personal stood, beside the customer's own row."""


class EraseCustomer(Request, frozen=True):
    """Forget who the customer was; its accounts are closed, their figures stay."""

    rpc = "AccountService/EraseCustomer"
    right = "manage"
    answer = Erasure
    customer_id: str
    confirm: bool = False


def personal_texts(customer: Customer) -> tuple[str, ...]:
    """What says who the customer is, the longest first."""
    found = {
        customer.name,
        customer.email,
        customer.tax_id,
        customer.payment_method,
        customer.provider_id,
        *customer.address,
        *customer.metadata.values(),
    }
    return tuple(sorted(found - {"", ERASED}, key=lambda text: (-len(text), text)))


def erased_customer(customer: Customer) -> Customer:
    """The customer with what sums and calendars need: currency, country and time zone."""
    return msgspec.structs.replace(
        customer,
        name=ERASED,
        email="",
        address=(),
        tax_id="",
        metadata={},
        payment_method="",
        provider_id="",
    )


def erased_document(document: Any, texts: Sequence[str]) -> tuple[Any, int]:
    """A stored value with every personal text in it replaced, and in how many places."""
    return _erased(document, _Pattern(texts), "")


class _Pattern:
    def __init__(self, texts: Sequence[str]) -> None:
        self.whole = frozenset(texts)
        within = [each for each in texts if len(each) >= _BYTES_MIN and any(map(str.isalpha, each))]
        joined = "|".join(re.escape(each) for each in within)
        self.within = re.compile(rf"(?<!\w)(?:{joined})(?!\w)") if within else None


def _erased(value: Any, pattern: _Pattern, field: str) -> tuple[Any, int]:
    if field == _BUYER and isinstance(value, dict):
        # Of an invoice: a former name or address is one too, though the customer's row has another by now.
        return {"name": ERASED}, 1
    if isinstance(value, dict):
        parts = {key: _erased(each, pattern, key) for key, each in value.items()}
        return {key: part for key, (part, _) in parts.items()}, sum(count for _, count in parts.values())
    if isinstance(value, list):
        items = [_erased(each, pattern, field) for each in value]
        return [item for item, _ in items], sum(count for _, count in items)
    if (
        not isinstance(value, str)
        or field in _ID_FIELDS
        or (field.endswith("_id") and field not in _PERSONAL_IDS)
    ):
        return value, 0
    if value in pattern.whole and any(map(str.isalpha, value)):
        return ERASED, 1
    return (value, 0) if pattern.within is None else pattern.within.subn(ERASED, value)
