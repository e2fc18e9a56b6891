"""A pack: a fixed number of credits at a fixed price, bought at once or delivered on a schedule."""

from decimal import Decimal
from typing import Final

from drawdown.catalog.plan import Lifetime, check_lifetime
from drawdown.catalog.pricing import Price, check_prices
from drawdown.errors import InvalidRequestError
from drawdown.model.ids import check_id
from drawdown.model.money import Money
from drawdown.model.request import Value

STATES: Final = ("published", "archived")
SCHEDULES: Final = ("one_off", "weekly", "monthly")


class Pack(Value, frozen=True):
    """``amount`` credits that live for ``lifetime`` (absent: for ever) at ``prices`` each."""

    pack_id: str
    name: str
    credit_type: str
    amount: Decimal
    prices: tuple[Price, ...] = ()
    lifetime: Lifetime | None = None
    category: str = "paid"
    priority: int = 50
    description: str = ""
    state: str = "published"
    """``published`` or ``archived``."""


def price_of_packs(price: Price, quantity: int) -> Money:
    """What ``quantity`` packs cost, bought or delivered: each what one costs, whatever the pricing model."""
    return price.of(Decimal(1)).times(quantity)


def check_pack(pack: Pack) -> None:
    """Raises ``InvalidRequestError`` naming the field."""
    check_id(pack.pack_id, "pack_id")
    if not pack.name:
        raise InvalidRequestError("name: a pack needs a name", field="name")
    if pack.amount <= 0:
        raise InvalidRequestError("amount: must be more than 0", field="amount")
    if pack.category not in ("paid", "promotional"):
        raise InvalidRequestError("category: paid or promotional", field="category")
    if not 1 <= pack.priority <= 100:
        raise InvalidRequestError("priority: 1–100", field="priority")
    if pack.state not in STATES:
        raise InvalidRequestError(
            f"state: {pack.state[:128]!r} is not one of {', '.join(STATES)}", field="state"
        )
    check_lifetime(pack.lifetime, "lifetime")
    check_prices(pack.prices, "prices")
    for number, price in enumerate(pack.prices):
        price.check_whole(Decimal(1), f"prices[{number}].amount")
