"""From a CloudEvent to usage events; their ids are made so that a repeat is found again.

Types named in the settings (``[cloudevents.TYPE.METER]``) give one usage event per meter; any other
type must say meter and quantity in ``data`` itself.

The event id is made of what makes a CloudEvent unique, and is one to one::

    SOURCE ID            data says the meter
    SOURCE ID METER      by the settings
    sha256:HEX           of either, where it is longer than an id may be

A source has no spaces; a percent sign or space of the CloudEvent's id is written %25 or %20.
"""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from drawdown.errors import InvalidRequestError
from drawdown.model.credits import decimal_text
from drawdown.model.event_mapping import EventMapping, EventTypes
from drawdown.model.ids import ID_BYTES_MAX
from drawdown.server.http.cloud_event import CloudEvent, value_kind

_QUANTITY_MAX: Final = 2**63 - 1
_OWN_FIELDS: Final = ("meter", "quantity", "dimensions")
_ABSENT: Final = object()


class ReportedUse(NamedTuple):
    """One usage event, its fields in the order of ``BatchEncoder.add``."""

    account: str
    meter: str
    quantity: int
    event_id: str
    time_us: int | None
    dimensions: tuple[tuple[str, str], ...]


def uses_of(event: CloudEvent, types: EventTypes) -> list[ReportedUse]:
    """What the event reports; empty where every meter of its type is optional and absent.

    Raises ``InvalidRequestError`` naming the place, and then nothing of the event is to be applied.
    """
    meters = types.get(event.type)
    if meters is None:
        return [_own(event)]
    uses = (_mapped(event, meter, mapping) for meter, mapping in meters.items())
    return [use for use in uses if use is not None]


def _own(event: CloudEvent) -> ReportedUse:
    data = event.data
    if not isinstance(data, dict):
        raise InvalidRequestError(
            f"data: give an object with {', '.join(_OWN_FIELDS)}, or map the type {event.type!r} in the "
            "server's settings",
            field="data",
        )
    for name in data:
        if name not in _OWN_FIELDS:
            raise InvalidRequestError(
                f"data.{name[:64]}: the type {event.type!r} is not mapped in the server's settings, so data "
                f"has only {', '.join(_OWN_FIELDS)}",
                field=f"data.{name[:64]}",
            )
    meter = data.get("meter")
    if not isinstance(meter, str) or not meter:
        raise InvalidRequestError("data.meter: give the key of a meter", field="data.meter")
    if "quantity" not in data:
        raise InvalidRequestError("data.quantity: the event has none", field="data.quantity")
    dimensions = data.get("dimensions")
    if dimensions is not None and not isinstance(dimensions, dict):
        raise InvalidRequestError(
            f"data.dimensions: give an object, not {value_kind(dimensions)}", field="data.dimensions"
        )
    pairs = (
        (name, _dimension(value, f"data.dimensions.{name[:64]}"))
        for name, value in (dimensions or {}).items()
    )
    return ReportedUse(
        account=event.subject,
        meter=meter,
        quantity=_quantity(data["quantity"], 0, "data.quantity"),
        event_id=_event_id(event),
        time_us=event.time_us,
        dimensions=tuple(sorted((name, value) for name, value in pairs if value is not None)),
    )


def _mapped(event: CloudEvent, meter: str, mapping: EventMapping) -> ReportedUse | None:
    quantity = 1
    if mapping.quantity is not None:
        place = f"data.{mapping.quantity.removeprefix('$.')}"
        found = _at(event.data, mapping.quantity)
        if found is _ABSENT or found is None:
            if mapping.optional:
                return None
            raise InvalidRequestError(f"{place}: the event has none (quantity of {meter!r})", field=place)
        quantity = _quantity(found, mapping.decimals, place)
    pairs = []
    for name, path in mapping.dimensions.items():
        value = _dimension(_at(event.data, path), f"data.{path.removeprefix('$.')}")
        if value is not None:
            pairs.append((name, value))
    return ReportedUse(
        account=event.subject,
        meter=meter,
        quantity=quantity,
        event_id=_event_id(event, meter),
        time_us=event.time_us,
        dimensions=tuple(sorted(pairs)),
    )


def _at(data: Any, path: str) -> Any:
    for name in path.removeprefix("$.").split("."):
        if not isinstance(data, Mapping) or name not in data:
            return _ABSENT
        data = data[name]
    return data


def _quantity(value: Any, decimals: int, place: str) -> int:
    """In 10^-``decimals`` of the meter's unit: a JSON number or decimal text, exact."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise InvalidRequestError(f"{place}: give a number, not {value_kind(value)}", field=place)
    if isinstance(value, int) and abs(value) > _QUANTITY_MAX:
        raise _too_large(place)
    text = decimal_text(value, place)
    whole, _, fraction = text.partition(".")
    if fraction[decimals:].strip("0"):
        raise InvalidRequestError(f"{place}: {text} has more than {decimals} decimals", field=place)
    quantity = int(whole + fraction[:decimals].ljust(decimals, "0"))
    if quantity < 0:
        raise InvalidRequestError(f"{place}: {text} is negative; only a correction gives back", field=place)
    if quantity > _QUANTITY_MAX:
        raise _too_large(place)
    return quantity


def _too_large(place: str) -> InvalidRequestError:
    return InvalidRequestError(f"{place}: outside the signed 64-bit range", field=place)


def _dimension(value: Any, place: str) -> str | None:
    if value is _ABSENT or value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) <= _QUANTITY_MAX:
        return str(value)
    if not isinstance(value, str):
        raise InvalidRequestError(f"{place}: a dimension is text, not {value_kind(value)}", field=place)
    return value


def _event_id(event: CloudEvent, *meter: str) -> str:
    own = event.id.replace("%", "%25").replace(" ", "%20")
    event_id = " ".join((event.source, own, *meter))
    text = event_id.encode()
    if len(text) <= ID_BYTES_MAX:
        return event_id
    return f"sha256:{hashlib.sha256(text).hexdigest()}"
