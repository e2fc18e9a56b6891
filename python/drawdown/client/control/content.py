"""Values of the control plane from what people write: nested mappings, decimal text, whole numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from drawdown.errors import InvalidRequestError

UNSTAMPED: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""For an instant that the server stamps: it only fills the field."""

ValueT = TypeVar("ValueT", bound=msgspec.Struct)


def struct_of(kind: type[ValueT], content: Mapping[str, Any]) -> ValueT:
    """The Struct. Raises ``InvalidRequestError`` naming the field, for unknown ones and floats too."""
    known = {field.name for field in msgspec.structs.fields(kind)}
    for name in content:
        if name not in known:
            raise InvalidRequestError(f"{name}: {kind.__name__} has no such field", field=str(name))
    try:
        return msgspec.convert(_plain(content, ""), kind)
    except msgspec.ValidationError as raised:
        text, _, path = str(raised).partition(" - at `$")
        field = path.rstrip("`").lstrip(".")
        raise InvalidRequestError(f"{field or kind.__name__}: {text}", field=field or None) from raised


def _plain(value: Any, field: str) -> Any:
    if isinstance(value, float):
        raise InvalidRequestError(
            f"{field}: give decimal text or a Decimal; a float cannot say what was meant", field=field
        )
    if isinstance(value, msgspec.Struct):
        return {
            each.name: _plain(getattr(value, each.name), each.name) for each in msgspec.structs.fields(value)
        }
    if isinstance(value, Mapping):
        return {key: _plain(each, f"{field}.{key}" if field else key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, field) for each in value]
    return value
