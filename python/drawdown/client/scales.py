"""Which scale an amount on the wire has: hot answers carry smallest units and no credit type."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from drawdown.errors import NotFoundError
from drawdown.model import Catalog, Rate

DEFAULT_SCALE = 9

DimensionPairs = Sequence[tuple[str, str]]


class Scales:
    """Scales by credit type and by meter, read from the catalog and kept.

    A credit type's scale never changes, so a known one stays right. A meter is looked up through
    the rates that price it; where rates name credit types of different scales, the account's own
    rate table and the dimensions decide.
    """

    def __init__(self, read_catalog: Callable[[], Catalog], read_rate_table: Callable[[str], str]) -> None:
        self._read_catalog = read_catalog
        self._read_rate_table = read_rate_table
        self._catalog = Catalog()
        self._single: dict[str, int] = {}
        """Of meters whose rates all have one scale."""

    def _read(self) -> None:
        self._catalog = self._read_catalog()
        self._single.clear()

    def of_credit_type(self, name: str) -> int:
        """Scale of a credit type; raises ``NotFoundError`` when there is not one of that name."""
        found = self._find_credit_type(name)
        if found is None:
            self._read()
            found = self._find_credit_type(name)
        if found is None:
            raise NotFoundError(
                f"there is no credit type {name!r}; create it first",
                reason="CREDIT_TYPE_UNKNOWN",
                field="credit_type",
            )
        return found

    def of_meter(self, account: str, meter: str, dimensions: DimensionPairs = ()) -> int:
        """Scale of what the meter is priced in for this account; the default where it has no price."""
        known = self._single.get(meter)
        if known is not None:
            return known
        found = self._rates_of(meter)
        if not found:
            self._read()
            found = self._rates_of(meter)
        scale_of = {each.name: each.scale for each in self._catalog.credit_types}
        scales = {scale_of[rate.credit_type] for _, rate in found}
        if not scales:
            return DEFAULT_SCALE
        if len(scales) == 1:
            (self._single[meter],) = scales
            return self._single[meter]
        table = self._read_rate_table(account)
        own = [rate for name, rate in found if name == table] or [rate for _, rate in found]
        return scale_of[self._matching(meter, own, dimensions).credit_type]

    def _matching(self, meter: str, rates: list[Rate], dimensions: DimensionPairs) -> Rate:
        """The rate whose match is what the meter declares of the dimensions, else its default rate."""
        declared = next((each.dimensions for each in self._catalog.meters if each.key == meter), ())
        kept = {key: value for key, value in dimensions if key in declared}
        for wanted in (kept, {}):
            for rate in reversed(rates):
                if rate.match == wanted:
                    return rate
        return rates[-1]

    def _find_credit_type(self, name: str) -> int | None:
        return next((each.scale for each in self._catalog.credit_types if each.name == name), None)

    def _rates_of(self, meter: str) -> list[tuple[str, Rate]]:
        return [
            (table.name, rate)
            for table in self._catalog.rate_tables
            for rate in table.rates
            if rate.meter == meter
        ]
