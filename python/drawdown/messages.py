"""Messages ⇄ values of the control plane: the same field names on both sides, translated by descriptor.

============================ ======================================================
value                        message field
============================ ======================================================
``Decimal``                  ``string``, plain decimal text; empty: absent
``datetime`` (aware)         ``google.protobuf.Timestamp``
``Money`` and other Structs  message of the same fields
``tuple``                    ``repeated``
``dict[str, str]``           ``map<string, string>``
``X | None``                 ``optional``, or a message that may be absent
============================ ======================================================

A field at proto's zero value means the Struct's default; where that differs from zero the field is
``optional``, so that zero can be said.
"""

import re
import types
import typing
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import msgspec
from google.protobuf import message as messages
from google.protobuf import timestamp_pb2

from drawdown.errors import InvalidRequestError
from drawdown.model.credits import decimal_text
from drawdown.model.instants import instant_from_us

ValueT = TypeVar("ValueT", bound=msgspec.Struct)
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_TIMESTAMP = "google.protobuf.Timestamp"
# What messages hand out is the same as the class by name, but typed as the backend's own.
_Field: TypeAlias = Any


def value_from(message: messages.Message, kind: type[ValueT]) -> ValueT:
    """The value of a message. Raises ``InvalidRequestError`` naming the field that cannot be one."""
    try:
        return msgspec.convert(_plain(message, kind), kind)
    except msgspec.ValidationError as raised:
        text, _, path = str(raised).partition(" - at `$")
        field = path.rstrip("`").lstrip(".")
        if missing := _MISSING.match(text):
            field = f"{field}.{missing[1]}".lstrip(".")
        raise InvalidRequestError(f"{field or 'request'}: {text}", field=field or None) from raised


def _plain(message: messages.Message, kind: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    hints = field_types(kind)
    for field in message.DESCRIPTOR.fields:
        hint = hints.get(field.name)
        value = getattr(message, field.name)
        if _is_map(field):
            plain[field.name] = dict(value)
        elif field.is_repeated:
            if value:
                plain[field.name] = [_plain_one(each, field, hint) for each in value]
        elif field.has_presence:
            if message.HasField(field.name):
                plain[field.name] = _plain_one(value, field, hint)
        elif value != "" or hint is str:
            # An empty text stands for an absent decimal, but is itself where text is meant.
            plain[field.name] = _plain_one(value, field, hint)
    return plain


@lru_cache(maxsize=1024)
def field_types(kind: Any) -> dict[str, Any]:
    """The types of a Struct's fields, without ``| None`` and ``tuple[…, ...]`` around them."""
    hints = typing.get_type_hints(kind)
    return {field.name: _inner(hints[field.name]) for field in msgspec.structs.fields(kind)}


def _inner(hint: Any) -> Any:
    arguments = [each for each in typing.get_args(hint) if each not in (type(None), ...)]
    if typing.get_origin(hint) in (types.UnionType, typing.Union, tuple) and len(arguments) == 1:
        return _inner(arguments[0])
    return hint


def _plain_one(value: Any, field: _Field, hint: Any) -> Any:
    if hint is Decimal:
        return decimal_text(value, field.name)
    if field.message_type is None:
        return value
    if field.message_type.full_name == _TIMESTAMP:
        return _instant(value, field.name)
    return _plain(value, hint)


def _instant(value: timestamp_pb2.Timestamp, field: str) -> datetime:
    if value.nanos % 1000 or not 0 <= value.nanos < 1_000_000_000:
        raise InvalidRequestError(f"{field}: {value.nanos} ns are not whole microseconds", field=field)
    try:
        return instant_from_us(value.seconds * 1_000_000 + value.nanos // 1000)
    except InvalidRequestError as raised:
        raise InvalidRequestError(f"{field}: {raised.message}", field=field) from raised


def fill(message: messages.Message, value: Any) -> messages.Message:
    """The message with every field of the value."""
    for field in message.DESCRIPTOR.fields:
        given = getattr(value, field.name)
        if given is None:
            continue
        if _is_map(field):
            getattr(message, field.name).update(given)
        elif field.is_repeated:
            _fill_repeated(getattr(message, field.name), field, given)
        elif field.message_type is not None:
            _fill_message(getattr(message, field.name), field, given)
        elif given != field.default_value or field.has_presence:
            setattr(message, field.name, _scalar(given))
    return message


def _fill_repeated(target: Any, field: _Field, given: Any) -> None:
    for each in given:
        if field.message_type is None:
            target.append(_scalar(each))
        else:
            _fill_message(target.add(), field, each)


def _fill_message(target: Any, field: _Field, given: Any) -> None:
    if field.message_type.full_name == _TIMESTAMP:
        target.FromDatetime(given.astimezone(UTC))
        return
    target.SetInParent()
    fill(target, given)


def _scalar(given: Any) -> Any:
    return decimal_text(given) if isinstance(given, Decimal) else given


def _is_map(field: _Field) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)
