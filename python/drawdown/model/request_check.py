"""What no call may carry, whatever it asks: values of another type, endless or unprintable texts, and numbers
that are none.

Rules of single fields stand where the fields are understood; this keeps the rest of the program from
meeting what it could neither store, nor read again, nor compute with.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from operator import index
from typing import Any, Final, TypeVar

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


RequestT = TypeVar("RequestT", bound=msgspec.Struct)


def check_request(request: RequestT, as_they_are: frozenset[str] = frozenset()) -> RequestT:
    """The request in plain values. Raises ``InvalidRequestError`` naming the place; ``as_they_are`` names
    fields whose texts and numbers may be any."""
    plain = with_plain_values(request)
    for name in plain.__struct_fields__:
        if name not in as_they_are:
            _check(getattr(plain, name), name)
    return plain


def with_plain_values(request: RequestT) -> RequestT:
    """The request, where a value is of a subclass (a data frame's instants, a template's texts, an array's
    integers) with what it stands for in its place, and where a text is ``None`` that may be left out,
    without it.

    Raises ``InvalidRequestError`` naming the field of a value that is not of the field's type. ``True`` is no
    integer: written to a row, that could not be read again.
    """
    changed = {}
    for field in _fields_of(type(request)):
        value = getattr(request, field.name)
        if value is None and field.type is str and field.default == "":
            changed[field.name] = ""
        elif (plain := _plain(value, field)) is not value:
            changed[field.name] = plain
    return msgspec.structs.replace(request, **changed) if changed else request


@cache
def _fields_of(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def _plain(value: Any, field: msgspec.structs.FieldInfo) -> Any:
    """The value itself, or one of plain values where there are others in it."""
    met: list[Any] = []

    def hook(of: Any) -> Any:
        met.append(of)
        return _plain_of(of)

    try:
        plain = msgspec.to_builtins(value, builtin_types=_OWN_TYPES, enc_hook=hook)
        converted = msgspec.convert(plain, field.type, builtin_types=_OWN_TYPES)
    except msgspec.ValidationError as raised:
        text, _, path = str(raised).partition(" - at `$")
        at = f"{field.name}{path.rstrip('`')}"
        raise InvalidRequestError(f"{at}: {text[:1].lower()}{text[1:]}", field=at) from raised
    except TypeError as raised:
        kind = type(met[-1] if met else value).__name__
        raise InvalidRequestError(
            f"{field.name}: a {kind} is no value of this field", field=field.name
        ) from raised
    return converted if met else value


def _plain_of(value: Any) -> Any:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Decimal):
        return Decimal(value)
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.timetz())
    return index(value)


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
