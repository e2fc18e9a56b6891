"""Calls of the control plane as values: one frozen Struct per call, the same through every door.

A request names the gRPC method that carries it, the right it needs and the type of its answer. The
Python interface builds it, gRPC carries a message with the same field names, the control plane
answers it. So a call exists once, and its doors cannot drift apart (``tests/tidy`` compares them).
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final, TypeVar

import msgspec

AnswerT = TypeVar("AnswerT")


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call. Subclasses set ``rpc``, ``right`` and ``answer``."""

    rpc: ClassVar[str]
    """``Service/Method`` of ``drawdown.v1``."""
    right: ClassVar[str]
    """``read``, ``manage`` or ``admin``."""
    answer: ClassVar[type[Any]]
    """The Struct that the call answers."""
    as_they_are: ClassVar[frozenset[str]] = frozenset()
    """Fields that ``check_request`` leaves to the call: what others wrote."""


def content_of(request: Request) -> str:
    """What a call says, as text that is the same however it was written: "1.0" is "1", an instant is UTC."""
    return msgspec.json.encode(_plain(msgspec.to_builtins(request, builtin_types=_AS_THEY_ARE))).decode()


_AS_THEY_ARE: Final = (Decimal, datetime)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value else "0"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    return value


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value that is stored as JSON and sent as a message. Instants are aware UTC datetimes."""
