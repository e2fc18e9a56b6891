"""A price list in a file: one entry per model with its prices per so many units, as JSON.

::

    {"prices": [{"id": "large", "input": 2.5, "output": 10, "input_cached": null}, …]}

Numbers are read as decimals, never as floats. An absent or null price is no rate: the meter's default
rate applies to that model, if there is one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from drawdown.errors import InvalidRequestError
from drawdown.model import decimal_text
from drawdown.model.ids import check_id

ENTRIES_MAX = 100_000


class Price(NamedTuple):
    """What one meter costs for one value of the dimension."""

    value: str
    meter: str
    credits: str


class PriceList(NamedTuple):
    """Prices in the order of the file, each value × meter once."""

    prices: list[Price]
    values: list[str]
    repeated: list[str]
    """Ids that stand more than once with the same prices; the first was taken."""


def read_price_list(path: Path, columns: Mapping[str, str], key: str) -> PriceList:
    """Read ``columns`` (name in the file → meter) of every entry.

    Raises ``InvalidRequestError`` naming the entry for what is no price, for an id that occurs twice
    with different prices, and for a column that no entry has.
    """
    found: dict[str, list[Price]] = {}
    repeated: list[str] = []
    seen: set[str] = set()
    for number, entry in enumerate(_entries(path), 1):
        where = f"{path}, entry {number}"
        if not isinstance(entry, dict) or not isinstance(entry.get(key), str):
            raise InvalidRequestError(f"{where}: no text under {key!r}", field=key)
        value = check_id(entry[key], key)
        prices = [
            Price(value, meter, _credits(entry[column], f"{where} ({value}), {column!r}", column))
            for column, meter in columns.items()
            if entry.get(column) is not None
        ]
        seen.update(column for column in columns if column in entry)
        if value not in found:
            found[value] = prices
        elif found[value] == prices:
            repeated.append(value)
        else:
            raise InvalidRequestError(
                f"{where}: {value!r} occurs twice with different prices; keep one of them", field=key
            )
    for column in columns:
        if column not in seen:
            raise InvalidRequestError(f"{path}: no entry has a column {column!r}", field="column")
    return PriceList([price for prices in found.values() for price in prices], list(found), repeated)


def _entries(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"file: {path} cannot be read: {error}", field="file") from None
    try:
        content = json.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise InvalidRequestError(f"file: {path} is not JSON: {error}", field="file") from None
    entries = content.get("prices") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not entries:
        raise InvalidRequestError(f'file: {path} has no list of prices under "prices"', field="file")
    if len(entries) > ENTRIES_MAX:
        raise InvalidRequestError(f"file: {path} has more than {ENTRIES_MAX} entries", field="file")
    return entries


def _credits(value: Any, where: str, column: str) -> str:
    try:
        text = decimal_text(value)
    except InvalidRequestError:
        raise InvalidRequestError(f"{where}: {value!r} is not a price", field=column) from None
    if text.startswith("-"):
        raise InvalidRequestError(f"{where}: {text} is negative", field=column)
    return shortest(text)


def shortest(number: str) -> str:
    """The same decimal without zeros that say nothing: the same price is the same text, as 2.5 is 2.50."""
    whole, _, fraction = number.partition(".")
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")
