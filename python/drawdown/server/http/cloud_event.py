"""CloudEvents 1.0 as they arrive: structured JSON, batches of it, and attributes in headers.

What is wrong is an ``InvalidRequestError`` whose ``field`` is the attribute's name.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from drawdown.errors import InvalidRequestError
from drawdown.model.ids import is_control
from drawdown.model.instants import us_from_instant

SPECVERSION: Final = "1.0"
HEADER_PREFIX: Final = "ce-"
ATTRIBUTE_CHARACTERS_MAX: Final = 2048

_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})\Z", re.ASCII
)
_JSON_TYPE = re.compile(r"[\w.+-]+/([\w.-]+\+)?json\s*(;.*)?\Z", re.ASCII | re.IGNORECASE)
# A quoted string of RFC 7230 §3.2.6.
_QUOTED = re.compile(r'"([^"\\]|\\.)*"\Z')
_ESCAPED = re.compile(r"\\(.)")
# Numbers with a point stay the decimals that were written: a float has already lost digits.
_JSON = msgspec.json.Decoder(float_hook=Decimal)


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event's attributes that matter here, checked; ``data`` is decoded JSON."""

    id: str
    source: str
    type: str
    subject: str
    time_us: int | None = None
    """UTC microseconds; digits beyond them are dropped. ``None``: the time of arrival."""
    data: Any = None


def decoded(body: bytes, field: str = "body") -> Any:
    """The value of JSON bytes. Raises ``InvalidRequestError`` naming ``field``."""
    try:
        return _JSON.decode(body)
    except (msgspec.DecodeError, ValueError) as raised:
        raise InvalidRequestError(f"{field}: not JSON: {raised}", field=field) from raised
    except RecursionError as raised:
        raise InvalidRequestError(f"{field}: the JSON is nested too deep", field=field) from raised


def from_object(value: Any) -> CloudEvent:
    """An event in JSON format."""
    if not isinstance(value, dict):
        raise InvalidRequestError("event: a CloudEvent is a JSON object", field="event")
    if "data_base64" in value and "data" in value:
        raise InvalidRequestError("data_base64: give it or data, not both", field="data_base64")
    data = value.get("data")
    if "data_base64" in value:
        data = _from_base64(value["data_base64"])
    return _checked(value, data)


def from_headers(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    """An event in binary mode: attributes are headers ``ce-…``, the body is ``data`` as JSON.

    ``headers.items()`` yields a header that came twice twice.
    """
    attributes: dict[str, str] = {}
    for name, text in headers.items():
        if name.startswith(HEADER_PREFIX):
            attribute = name.removeprefix(HEADER_PREFIX)
            if attribute in attributes:
                raise InvalidRequestError(f"{attribute}: header {name[:64]} came twice", field=attribute)
            attributes[attribute] = _from_header(attribute, text)
    attributes["datacontenttype"] = headers.get("content-type", "application/json")
    return _checked(attributes, decoded(body, "data") if body else None)


def _from_header(attribute: str, text: str) -> str:
    """The text that a header stands for (HTTP binding of CloudEvents 1.0.2, §3.1.3.2).

    One text has one reading, whatever mode it comes in: two readings of an id would be two events. So what
    could be read in several ways is refused.
    """
    if not text.isascii():
        raise InvalidRequestError(
            f"{attribute}: bytes outside ASCII in a header; write them percent-encoded, ü as %C3%BC",
            field=attribute,
        )
    if text.startswith('"'):
        if not _QUOTED.match(text):
            raise InvalidRequestError(
                f"{attribute}: a quoted header value ends with its only bare quote; write a quote as %22",
                field=attribute,
            )
        text = _ESCAPED.sub(r"\1", text[1:-1])
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as raised:
        raise InvalidRequestError(
            f"{attribute}: the percent-encoded bytes are not UTF-8", field=attribute
        ) from raised


def is_json_type(content_type: str) -> bool:
    """Whether a media type says JSON."""
    return _JSON_TYPE.match(content_type) is not None


def _checked(attributes: Mapping[str, Any], data: Any) -> CloudEvent:
    version = _text(attributes, "specversion")
    if version != SPECVERSION:
        raise InvalidRequestError(
            f"specversion: {version[:16]!r} is not {SPECVERSION!r}", field="specversion"
        )
    content_type = attributes.get("datacontenttype")
    if content_type is not None and not (isinstance(content_type, str) and is_json_type(content_type)):
        raise InvalidRequestError(
            f"datacontenttype: {str(content_type)[:64]!r} is not JSON", field="datacontenttype"
        )
    source = _text(attributes, "source")
    if " " in source:
        raise InvalidRequestError("source: a URI reference has no spaces", field="source")
    return CloudEvent(
        id=_text(attributes, "id"),
        source=source,
        type=_text(attributes, "type"),
        subject=_text(attributes, "subject"),
        time_us=_instant(attributes.get("time")),
        data=data,
    )


def _text(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name)
    if value is None or value == "":
        raise InvalidRequestError(f"{name}: the event has none", field=name)
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name}: give text, not {value_kind(value)}", field=name)
    if len(value) > ATTRIBUTE_CHARACTERS_MAX:
        raise InvalidRequestError(f"{name}: longer than {ATTRIBUTE_CHARACTERS_MAX} characters", field=name)
    if any(is_control(character) for character in value):
        raise InvalidRequestError(f"{name}: has a control character", field=name)
    return value


def _instant(value: Any) -> int | None:
    if value is None:
        return None
    found = _INSTANT.match(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidRequestError(
            "time: give an instant with its offset, like 2026-01-31T12:00:00.5Z", field="time"
        )
    day, clock, fraction, offset = found.groups()
    offset = "+00:00" if offset in "zZ" else offset
    try:
        whole = us_from_instant(datetime.fromisoformat(f"{day}T{clock}{offset}"))
    except ValueError as raised:
        raise InvalidRequestError(f"time: {value!r}: {raised}", field="time") from raised
    return whole + int((fraction or "0")[:6].ljust(6, "0"))


def _from_base64(value: Any) -> Any:
    try:
        body = base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as raised:
        raise InvalidRequestError("data_base64: not base64 text", field="data_base64") from raised
    return decoded(body, "data_base64")


def value_kind(value: Any) -> str:
    """What JSON calls a value of this kind."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int | Decimal):
        return "a number"
    return "text" if isinstance(value, str) else "an array" if isinstance(value, list) else "an object"
