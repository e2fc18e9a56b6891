"""What those who report usage are told of catalog and account: as much as names the scale of an amount.

Answers of hot calls carry smallest units and no scale. Whoever may report usage must be able to read its
answer, and needs no right to see prices for that.
"""

from collections.abc import Mapping
from typing import Final

import msgspec


class _CreditType(msgspec.Struct):
    name: str
    scale: int


class _Meter(msgspec.Struct, omit_defaults=True):
    key: str
    dimensions: list[str] = []


class _Rate(msgspec.Struct, omit_defaults=True):
    meter: str
    credit_type: str
    match: dict[str, str] | None = None


class _RateTable(msgspec.Struct):
    name: str
    rates: list[_Rate] = []


class _Catalog(msgspec.Struct, omit_defaults=True):
    credit_types: list[_CreditType] = []
    meters: list[_Meter] = []
    rate_tables: list[_RateTable] = []


class _Account(msgspec.Struct, omit_defaults=True):
    account: str | None = None
    rate_table: str | None = None
    # In place of an account: why there is none.
    status: str | None = None
    reason: str | None = None
    field: str | None = None


_SHOWN: Final[Mapping[str, type[msgspec.Struct]]] = {"catalog": _Catalog, "account": _Account}
SCALE_QUERIES: Final = frozenset(_SHOWN)


def scale_facts(kind: str, answer: bytes) -> bytes:
    """The answer to a query of this kind without prices and all else that says nothing of scales."""
    return msgspec.json.encode(msgspec.json.decode(answer, type=_SHOWN[kind]))
