"""Which scale an amount on the wire has: hot answers carry smallest units and no credit type."""

from __future__ import annotations

from collections.abc import Callable

from drawdown.errors import NotFoundError
from drawdown.model import Catalog

DEFAULT_SCALE = 9


class Scales:
    """Scales by credit type and by meter, read from the catalog and kept.

    A credit type's scale never changes, so a known one stays right. A meter is looked up through
    the rates that price it; where rates name credit types of different scales, the account's own
    rate table decides.
    """

    def __init__(self, read_catalog: Callable[[], Catalog], read_rate_table: Callable[[str], str]) -> None:
        self._read_catalog = read_catalog
        self._read_rate_table = read_rate_table
        self._catalog = Catalog()

    def of_credit_type(self, name: str) -> int:
        """Scale of a credit type; raises ``NotFoundError`` when there is none of that name."""
        found = self._find_credit_type(name)
        if found is None:
            self._catalog = self._read_catalog()
            found = self._find_credit_type(name)
        if found is None:
            raise NotFoundError(
                f"there is no credit type {name!r}; create it first",
                reason="CREDIT_TYPE_UNKNOWN",
                field="credit_type",
            )
        return found

    def of_meter(self, account: str, meter: str) -> int:
        """Scale of what the meter is priced in for this account; the default where it has no price."""
        found = self._scales_by_table(meter)
        if not found:
            self._catalog = self._read_catalog()
            found = self._scales_by_table(meter)
        scales = {scale for table in found.values() for scale in table}
        if len(scales) > 1:
            scales = set(found.get(self._read_rate_table(account), sorted(scales)))
        return min(scales, default=DEFAULT_SCALE)

    def _find_credit_type(self, name: str) -> int | None:
        return next((each.scale for each in self._catalog.credit_types if each.name == name), None)

    def _scales_by_table(self, meter: str) -> dict[str, list[int]]:
        scale_of = {each.name: each.scale for each in self._catalog.credit_types}
        found: dict[str, list[int]] = {}
        for table in self._catalog.rate_tables:
            scales = sorted({scale_of[r.credit_type] for r in table.rates if r.meter == meter})
            if scales:
                found[table.name] = scales
        return found
