"""New accounts and the plans that products name for them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from drawdown.catalog.product import Product
from drawdown.subscriptions.identifiers import signup_id
from drawdown.subscriptions.requests import Subscribe

_APPLIED = frozenset({"OK", "DUPLICATE"})


def accounts_of(kind: str, group: bytes, outcomes: bytes) -> list[str]:
    """Accounts that a group did this to, now or by an earlier call of the same."""
    commands: list[dict[str, Any]] = msgspec.json.decode(group)
    results: list[dict[str, Any]] = msgspec.json.decode(outcomes)
    return [
        str(command["account"])
        for command, result in zip(commands, results, strict=True)
        if command.get("type") == kind and result.get("status") in _APPLIED
    ]


def signups_of(account: str, products: Iterable[Product]) -> list[Subscribe]:
    """One subscription per product that names a plan, of an id that follows from both."""
    return [
        Subscribe(
            account=account,
            subscription_id=signup_id(each.product_id, account),
            plan_id=each.signup_plan,
            product_id=each.product_id,
        )
        for each in products
    ]
