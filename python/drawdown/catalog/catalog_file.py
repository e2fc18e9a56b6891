"""The catalog as one value that lives in a file: what is counted, what it costs, what is sold.

What the file leaves out stays as it is; what it changes is a new version where versions exist. Loading
twice changes nothing the second time.
"""

from typing import Any

from drawdown.catalog.pack import Pack
from drawdown.catalog.plan import Plan
from drawdown.catalog.product import Product
from drawdown.catalog.rate_card import RateCard
from drawdown.model.request import Value


class CreditTypeEntry(Value, frozen=True):
    """A unit of value."""

    name: str
    scale: int = 9


class MeterEntry(Value, frozen=True):
    """What is counted."""

    key: str
    unit: str = ""
    quantity_scale: int = 0
    aggregation: str = "sum"
    dimensions: tuple[str, ...] = ()
    unique_of: str = ""


class CatalogContent(Value, frozen=True):
    """Everything, in the order in which it is loaded."""

    credit_types: tuple[CreditTypeEntry, ...] = ()
    meters: tuple[MeterEntry, ...] = ()
    rate_cards: tuple[RateCard, ...] = ()
    products: tuple[Product, ...] = ()
    packs: tuple[Pack, ...] = ()
    plans: tuple[Plan, ...] = ()


class CatalogChange(Value, frozen=True):
    """What loading does to one thing."""

    kind: str
    """``credit_type``, ``meter``, ``rate_card``, ``product``, ``pack`` or ``plan``."""
    id: str
    action: str
    """``create``, ``change``, ``new_version``, ``publish``, ``archive`` or ``keep``."""
    fields: tuple[str, ...] = ()
    """What differs."""


class CatalogDiff(Value, frozen=True):
    """Every change, in order; ``applied`` says whether it was made."""

    changes: tuple[CatalogChange, ...] = ()
    applied: bool = False


def differing(old: Any, new: Any, ignored: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Names of the fields in which two values of one kind differ."""
    names = [name for name in type(new).__struct_fields__ if name not in ignored]
    return tuple(name for name in names if getattr(old, name) != getattr(new, name))
