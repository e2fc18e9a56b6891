"""Values as JSON, and as what JSON is made of, with every amount as ``-?digits[.digits]``."""

import re
from decimal import Decimal
from typing import Any, Final

import msgspec

from drawdown.model.credits import decimal_text

# How an encoder writes amounts below 10^-6: as `str` does, which no door takes back.
_EXPONENT: Final = re.compile(rb'"-?[0-9.]+E[+-]?[0-9]+"')


def plain_json(value: Any) -> bytes:
    """The JSON of a value; instants are RFC 3339, amounts plain decimal text. Pure."""
    encoded = msgspec.json.encode(value)
    # Few amounts are that small, and what exports a ledger writes millions of lines.
    return msgspec.json.encode(plain_builtins(value)) if _EXPONENT.search(encoded) else encoded


def plain_builtins(value: Any) -> Any:
    """The value as mappings, lists, texts and numbers; amounts are plain decimal text. Pure."""
    return _plain(msgspec.to_builtins(value, str_keys=True, builtin_types=(Decimal,)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return decimal_text(value) if isinstance(value, Decimal) else value
