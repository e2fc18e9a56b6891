"""Which scale an amount on the wire has: hot answers carry smallest units and no credit type."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from drawdown.client.usage_event import SealedEvent
from drawdown.errors import AccountNotFoundError, NotFoundError, OverloadedError
from drawdown.model import Catalog, Rate

DEFAULT_SCALE = 9
# Meters without a price that are remembered, so that usage of one is not a read of the catalog each time.
UNPRICED_MAX: Final = 1024
# Others may price a meter in another credit type, and hot answers do not say so: what was read is read again.
KEPT_S: Final = 5.0

DimensionPairs = Sequence[tuple[str, str]]


def changes_prices(group: bytes) -> bool:
    """Whether a group of commands may say in which credit type somebody's use of a meter is priced."""
    return b'"set_rate"' in group or b'"assign_rate_table"' in group


class Freshness:
    """Whether what was read at an instant is to be read again: it is old, or changed by ourselves since."""

    def __init__(self) -> None:
        self._changed_at = -KEPT_S

    def changed(self) -> None:
        """What was read until now may not be so any more."""
        self._changed_at = time.monotonic()

    def unchanged_since(self, read_at: float) -> bool:
        """Whether nothing was changed over this connection since."""
        return read_at > self._changed_at

    def allows(self, read_at: float) -> bool:
        """Whether it can be used without another look."""
        return self.unchanged_since(read_at) and time.monotonic() - read_at < KEPT_S


class Scales:
    """Scales by credit type and by meter, read from the catalog and kept for a while.

    A credit type's scale never changes, so a known one stays right. A meter is looked up through
    the rates that price it; where rates name credit types of different scales, the account's own
    rate table and the dimensions decide.
    """

    def __init__(self, read_catalog: Callable[[], Catalog], read_rate_table: Callable[[str], str]) -> None:
        self._read_catalog = read_catalog
        self._read_rate_table = read_rate_table
        self._freshness = Freshness()
        self._looked_at = self._read_at = float("-inf")
        self._catalog = Catalog()
        self._scales: dict[str, frozenset[int]] = {}
        """By meter that has a price: the scales of its rates."""
        self._unpriced: set[str] = set()
        """Meters for which the catalog was read in vain."""

    def prices_changed(self) -> None:
        """Prices may have been changed over this connection: the next use reads them first."""
        self._freshness.changed()

    def renew(self) -> None:
        """Read the catalog again."""
        begun = time.monotonic()
        catalog = self._read_catalog()
        if begun >= self._read_at:
            # A read that began later may have ended before.
            self._catalog, self._read_at = catalog, begun
            self._looked_at = max(self._looked_at, begun)
            self._scales = {}

    def _look_again(self) -> bool:
        """Read the catalog again where it is not fresh; True if that was done.

        Where it is only old, one thread reads and the others go on with what is known: none of them shall
        wait for another's call.
        """
        if self._freshness.allows(self._looked_at):
            return False
        only_old = self._freshness.unchanged_since(self._looked_at)
        if only_old:
            self._looked_at = time.monotonic()
        try:
            self.renew()
        except OverloadedError:
            # Usage has room where reads are shed; what is known is right unless somebody changed it just now.
            if not only_old:
                raise
            return False
        return True

    def of_credit_type(self, name: str) -> int:
        """Scale of a credit type; raises ``NotFoundError`` when there is not one of that name."""
        found = self._find_credit_type(name)
        if found is None:
            self.renew()
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
        read = self._look_again()
        scales = self._of_rates(meter)
        if not scales and not read:
            self.renew()
            scales = self._of_rates(meter)
        scales = scales or frozenset({DEFAULT_SCALE})
        if len(scales) == 1:
            (only,) = scales
            return only
        return self._in_table(self._read_rate_table(account), meter, dimensions)

    def before(self, events: Sequence[SealedEvent]) -> list[int | None]:
        """Each event's scale, read before it is sent: nothing is left to fail once it may be applied.

        ``None`` where the meter has no price yet or there is no such account: no amounts are expected.
        Raises as reading does.
        """
        tables: dict[str, str | None] = {}
        return [
            self.of_credit_type(event.subject) if event.direct else self._before(event, tables)
            for event in events
        ]

    def _before(self, event: SealedEvent, tables: dict[str, str | None]) -> int | None:
        meter, account = event.subject, event.account
        read = self._look_again()
        scales = self._of_rates(meter)
        if not scales and not read and meter not in self._unpriced:
            self.renew()
            scales = self._of_rates(meter)
        if not scales:
            if len(self._unpriced) >= UNPRICED_MAX:
                self._unpriced.clear()
            self._unpriced.add(meter)
            return None
        if len(scales) == 1:
            (only,) = scales
            return only
        if account not in tables:
            tables[account] = self._table_of(account)
        table = tables[account]
        return None if table is None else self._in_table(table, meter, event.dimensions)

    def _table_of(self, account: str) -> str | None:
        try:
            return self._read_rate_table(account)
        except AccountNotFoundError:
            return None

    def differ(self, meter: str) -> bool:
        """Whether the account decides: the meter's rates, as far as they are known, have several scales."""
        return len(self._of_rates(meter)) > 1

    def _of_rates(self, meter: str) -> frozenset[int]:
        """The scales of all the meter's rates; none where it has no price in the catalog as it was read."""
        # Taken before the catalog is: what another thread reads meanwhile is not filled with what was before.
        found = self._scales
        known = found.get(meter)
        if known is None:
            scale_of = self._scale_of_types()
            known = frozenset(scale_of[rate.credit_type] for _, rate in self._rates_of(meter))
            if known:
                found[meter] = known
        return known

    def _in_table(self, table: str, meter: str, dimensions: DimensionPairs) -> int:
        """Scale of a priced meter for the accounts of this table."""
        found = self._rates_of(meter)
        own = [rate for name, rate in found if name == table] or [rate for _, rate in found]
        return self._scale_of_types()[self._matching(meter, own, dimensions).credit_type]

    def _matching(self, meter: str, rates: list[Rate], dimensions: DimensionPairs) -> Rate:
        """The rate whose match is what the meter declares of the dimensions, else its default rate."""
        declared = next((each.dimensions for each in self._catalog.meters if each.key == meter), ())
        kept = {key: value for key, value in dimensions if key in declared}
        for wanted in (kept, {}):
            for rate in reversed(rates):
                if rate.match == wanted:
                    return rate
        return rates[-1]

    def _scale_of_types(self) -> dict[str, int]:
        return {each.name: each.scale for each in self._catalog.credit_types}

    def _find_credit_type(self, name: str) -> int | None:
        return next((each.scale for each in self._catalog.credit_types if each.name == name), None)

    def _rates_of(self, meter: str) -> list[tuple[str, Rate]]:
        return [
            (table.name, rate)
            for table in self._catalog.rate_tables
            for rate in table.rates
            if rate.meter == meter
        ]
