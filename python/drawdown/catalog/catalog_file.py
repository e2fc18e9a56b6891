"""The catalog as one value that lives in a file: what is counted, what it costs, what is sold.

What the file leaves out stays as it is; what it changes is a new version where versions exist. Loading
twice changes nothing the second time.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from drawdown.catalog.pack import Pack
from drawdown.catalog.plan import Plan
from drawdown.catalog.product import Product
from drawdown.catalog.rate_card import RateCard
from drawdown.model.plain_json import plain_builtins
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


class CatalogDifference(Value, frozen=True):
    """One value that differs."""

    place: str
    """Like ``base_fee[0].amount``."""
    before: str = ""
    """As JSON; empty: it is not there."""
    after: str = ""


class CatalogChange(Value, frozen=True):
    """What loading does to one thing."""

    kind: str
    """``credit_type``, ``meter``, ``rate_card``, ``product``, ``pack`` or ``plan``."""
    id: str
    action: str
    """``create``, ``change``, ``new_version``, ``publish``, ``archive`` or ``keep``."""
    fields: tuple[str, ...] = ()
    """What differs."""
    differences: tuple[CatalogDifference, ...] = ()
    """Value by value, the first thousand."""


class CatalogDiff(Value, frozen=True):
    """Every change, in order; ``applied`` says whether it was made."""

    changes: tuple[CatalogChange, ...] = ()
    applied: bool = False


DIFFERENCES_MAX: Final = 1_000


def differences(old: Any, new: Any) -> tuple[CatalogDifference, ...]:
    """The values in which two of one kind differ, in order of their places."""
    before, after = dict(_values(plain_builtins(old))), dict(_values(plain_builtins(new)))
    places = [place for place in {**before, **after} if before.get(place) != after.get(place)]
    return tuple(
        CatalogDifference(place=place, before=before.get(place, ""), after=after.get(place, ""))
        for place in places[:DIFFERENCES_MAX]
    )


def _values(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every value that holds no others, as JSON, with its place."""
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from _values(each, f"{place}.{name}" if place else name)
    elif isinstance(value, list | tuple) and value:
        for number, each in enumerate(value):
            yield from _values(each, f"{place}[{number}]")
    else:
        yield place, msgspec.json.encode(value).decode()


def differing(old: Any, new: Any, ignored: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Names of the fields in which two values of one kind differ."""
    names = [name for name in type(new).__struct_fields__ if name not in ignored]
    return tuple(name for name in names if getattr(old, name) != getattr(new, name))
