"""Which CloudEvents become usage of which meters: the settings file's tables ``[cloudevents.TYPE.METER]``.

::

    [cloudevents."com.example.completion".input_tokens]
    quantity = "usage.prompt_tokens"     # where in `data`; left out: each event counts as 1
    dimensions = { model = "model" }     # dimension = where in `data`
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from drawdown.errors import ConfigError

SECTION: Final = "cloudevents"

# Names joined by points, with JSONPath's "$." in front if one likes.
_PLACE: Final = r"^(\$\.)?[^.$\x00-\x1f]+(\.[^.$\x00-\x1f]+)*$"
Place: TypeAlias = Annotated[str, Meta(pattern=_PLACE, max_length=256)]
_PLACES_MAX: Final = 16


class EventMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a CloudEvent of one type becomes usage of one meter."""

    quantity: Place | None = None
    """Where in ``data`` the quantity stands; ``None``: every event counts as 1."""
    decimals: Annotated[int, Meta(ge=0, le=12)] = 0
    """The quantity is in the meter's unit with at most so many decimals: the meter's quantity scale."""
    optional: bool = False
    """An event without the quantity is no usage of this meter; otherwise it is refused."""
    dimensions: Annotated[Mapping[str, Place], Meta(max_length=_PLACES_MAX)] = {}
    """Where in ``data`` each dimension stands; one that is absent there is left out."""


EventTypes: TypeAlias = Mapping[str, Mapping[str, EventMapping]]
"""Meters and their mappings by the type of the CloudEvent."""


def event_types_from(tables: Any, source: str) -> EventTypes:
    """The mappings of a settings file. Raises ``ConfigError`` naming the table at fault."""
    if not isinstance(tables, Mapping):
        raise ConfigError(f"{source}: {SECTION}: give tables [{SECTION}.TYPE.METER]", field=SECTION)
    return {str(kind): _meters_of(kind, meters, source) for kind, meters in tables.items()}


def _meters_of(kind: str, meters: Any, source: str) -> Mapping[str, EventMapping]:
    where = f'{SECTION}."{kind}"'
    if not isinstance(meters, Mapping) or not meters:
        raise ConfigError(f"{source}: {where}: give a table per meter", field=where)
    found: dict[str, EventMapping] = {}
    for meter, table in meters.items():
        place = f"{where}.{meter}"
        try:
            found[str(meter)] = msgspec.convert(table, EventMapping)
        except msgspec.ValidationError as raised:
            # What msgspec says of a pattern is the pattern; a person needs the form.
            said = re.sub(r"matching regex .*? - at", "of names joined by points - at", str(raised))
            raise ConfigError(f"{source}: {place}: {said}", field=place) from raised
    return found
