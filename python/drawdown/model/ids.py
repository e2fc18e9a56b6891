"""Ids chosen by callers: 1–128 bytes of printable UTF-8, compared as bytes."""

import secrets
from typing import Final

from drawdown.errors import InvalidRequestError

ID_BYTES_MAX: Final = 128


def check_id(value: object, field: str) -> str:
    """Return ``value`` if it can be an id.

    Raises ``InvalidRequestError`` naming ``field``; the engine applies the same rule again.
    """
    if not isinstance(value, str):
        raise InvalidRequestError(f"{field}: an id is text, not {type(value).__name__}", field=field)
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidRequestError(f"{field}: the id is not valid UTF-8", field=field) from None
    if not 1 <= size <= ID_BYTES_MAX:
        raise InvalidRequestError(
            f"{field}: an id has 1–{ID_BYTES_MAX} bytes of UTF-8, this one has {size}", field=field
        )
    if any(is_control(character) for character in value):
        raise InvalidRequestError(
            f"{field}: an id is printable text, {value!r} has a control character", field=field
        )
    return value


def is_control(character: str) -> bool:
    """Whether the character is a C0 or C1 control, or one of the two Unicode line separators."""
    code = ord(character)
    return code < 0x20 or 0x7F <= code <= 0x9F or code in (0x2028, 0x2029)


def visible(text: str) -> str:
    """The text with its controls written out, for a terminal obeys some; ends of lines and tabs stay."""
    if not any(map(is_control, text)):
        return text
    return "".join(
        f"\\u{ord(each):04x}" if is_control(each) and each not in "\n\t" else each for each in text
    )


def new_event_id() -> str:
    """A fresh random id, unique without coordination (UUID version 4, canonical text).

    Put together by hand: the ``uuid`` module takes three times as long, once per recorded event.
    """
    digits = secrets.token_hex(16)
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
