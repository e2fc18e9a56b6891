"""What no call may carry, whatever it asks: values of another type, endless or unprintable texts, and numbers
that are none.

Rules of single fields stand where the fields are understood; this keeps the rest of the program from
meeting what it could neither store, nor read again, nor compute with.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final

import msgspec

from drawdown.errors import InvalidRequestError
from drawdown.model.ids import is_control

TEXT_CHARACTERS_MAX: Final = 4_096
DECIMALS_MAX: Final = 18
_DIGITS_MAX: Final = 19
_INTEGER_MAX: Final = 2**63 - 1
# Taken as they are; a text is none of them.
_OWN_TYPES: Final = (Decimal, datetime)
# In a text of several rows.
_ROWS: Final = frozenset("\n\t\r")


def check_request(request: msgspec.Struct, as_they_are: frozenset[str] = frozenset()) -> None:
    """Raises ``InvalidRequestError`` naming the place; ``as_they_are`` names fields to pass over."""
    check_types(request, as_they_are)
    for name in request.__struct_fields__:
        if name not in as_they_are:
            _check(getattr(request, name), name)


def check_types(request: msgspec.Struct, as_they_are: frozenset[str] = frozenset()) -> None:
    """Raises ``InvalidRequestError`` naming the field of a value that is not of the field's type.

    ``True`` is no integer: written to a row, that could not be read again.
    """
    for field in _fields_of(type(request)):
        if field.name not in as_they_are:
            _check_type(getattr(request, field.name), field.type, field.name)


@cache
def _fields_of(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def _check_type(value: Any, kind: Any, place: str) -> None:
    try:
        plain = msgspec.to_builtins(value, builtin_types=_OWN_TYPES)
        msgspec.convert(plain, kind, builtin_types=_OWN_TYPES)
    except msgspec.ValidationError as raised:
        text, _, path = str(raised).partition(" - at `$")
        at = f"{place}{path.rstrip('`')}"
        raise InvalidRequestError(f"{at}: {text[:1].lower()}{text[1:]}", field=at) from raised
    except TypeError as raised:
        kind_given = type(value).__name__
        raise InvalidRequestError(
            f"{place}: a {kind_given} is no value of this field", field=place
        ) from raised


def check_text(text: str, place: str) -> None:
    """Raises ``InvalidRequestError`` for a text that is too long or not printable."""
    if len(text) > TEXT_CHARACTERS_MAX:
        raise InvalidRequestError(
            f"{place}: {len(text)} characters, at most {TEXT_CHARACTERS_MAX} are taken", field=place
        )
    if any(is_control(character) and character not in _ROWS for character in text):
        raise InvalidRequestError(f"{place}: has a control character", field=place)


def _check(value: Any, place: str) -> None:
    if isinstance(value, str):
        check_text(value, place)
    elif isinstance(value, Decimal):
        _check_decimal(value, place)
    elif isinstance(value, int) and not isinstance(value, bool):
        _check_integer(value, place)
    elif isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidRequestError(f"{place}: {value.isoformat()} has no time zone", field=place)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _check(getattr(value, name), f"{place}.{name}")
    elif isinstance(value, Mapping):
        for key, each in value.items():
            _check(key, place)
            _check(each, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            _check(each, f"{place}[{index}]")


def _check_integer(value: int, place: str) -> None:
    if not -_INTEGER_MAX - 1 <= value <= _INTEGER_MAX:
        raise InvalidRequestError(f"{place}: outside the signed 64-bit range", field=place)
    if place == "limit" and value < 0:
        raise InvalidRequestError("limit: a page has 1 or more", field="limit")


def _check_decimal(value: Decimal, place: str) -> None:
    if not value.is_finite():
        raise InvalidRequestError(f"{place}: {value} is not a number", field=place)
    if value.adjusted() >= _DIGITS_MAX:
        raise InvalidRequestError(f"{place}: more than {_DIGITS_MAX} digits", field=place)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -DECIMALS_MAX:
        raise InvalidRequestError(f"{place}: more than {DECIMALS_MAX} decimals", field=place)
