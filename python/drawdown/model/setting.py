"""A setting as the table of settings has it."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

PREFIX: Final = "DRAWDOWN_"
_SECRET: Final = ("_api_key", "_secret")
# To the last sign: one that is not encoded stands in the password, and rather too much is hidden.
_CREDENTIALS: Final = re.compile(r"://.*@", re.DOTALL)
_PASSWORD: Final = re.compile(r"(password\s*=\s*)('[^']*'|[^&\s]*)", re.IGNORECASE)


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table of settings."""

    name: str
    kind: str
    default: Any
    unit: str
    range: str
    description: str

    @property
    def environment(self) -> str:
        """Name of its environment variable."""
        return PREFIX + self.name.upper()


_UNITS: Final = (
    ("_us", "µs"),
    ("_ms", "ms"),
    ("_s", "s"),
    ("_bytes", "bytes"),
    ("_bytes_max", "bytes"),
    ("_percent", "%"),
)


def settings_of(section: type[msgspec.Struct]) -> Iterator[Setting]:
    """A row per field, which is ``Annotated`` with its range and description."""
    for field in msgspec.structs.fields(section):
        name, meta = field.name, field.type.__metadata__[0]
        if meta.ge is not None or meta.le is not None:
            span = f"{meta.ge}–{meta.le}"
        else:
            span = meta.pattern or ("true, false" if field.type.__origin__ is bool else "")
        # What is counted is counted in ones.
        other = "count" if field.type.__origin__ is int else ""
        unit = next((text for suffix, text in reversed(_UNITS) if name.endswith(suffix)), other)
        yield Setting(
            name=name,
            kind=field.type.__origin__.__name__,
            default=field.default,
            unit=unit,
            range=span,
            description=meta.description,
        )


def without_secrets(name: str, text: str) -> str:
    """What may be shown of a value: of a secret that it is set, of an address all but its password."""
    if text and name.endswith(_SECRET):
        return "(set)"
    return _PASSWORD.sub(r"\1(set)", _CREDENTIALS.sub("://(set)@", text))
