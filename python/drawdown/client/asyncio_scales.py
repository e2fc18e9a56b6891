"""Scales for asyncio: what ``Scales`` must know is fetched before it is asked, for it cannot await."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence

from drawdown.client.scales import UNPRICED_MAX, Freshness, Scales
from drawdown.client.usage_event import SealedEvent
from drawdown.errors import AccountNotFoundError, OverloadedError
from drawdown.model import Account, Catalog


class AioScales:
    """See ``Scales``. For one event loop."""

    def __init__(
        self,
        read_catalog: Callable[[], Awaitable[Catalog]],
        read_account: Callable[[str], Awaitable[Account]],
    ) -> None:
        self._read_catalog = read_catalog
        self._read_account = read_account
        self._catalog = Catalog()
        self._types: set[str] = set()
        self._priced: set[str] = set()
        self._unpriced: set[str] = set()
        """Meters for which the catalog was read in vain."""
        self._rate_tables: dict[str, tuple[str, float]] = {}
        """By account, with the instant at which it was read."""
        self._freshness = Freshness()
        self._looked_at = self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self.known = Scales(lambda: self._catalog, self._known_table)
        """To be asked only of what ``learn`` was told."""

    def prices_changed(self) -> None:
        """Prices may have been changed over this connection: the next use reads them first."""
        self._freshness.changed()

    async def of_credit_type(self, name: str) -> int:
        """Scale of a credit type; raises ``NotFoundError`` when there is not one of that name."""
        await self.learn((), (name,))
        return self.known.of_credit_type(name)

    async def before(self, events: Sequence[SealedEvent]) -> list[int | None]:
        """As ``Scales.before``: whatever must be read for it is read here, before anything is sent."""
        await self.learn(
            {(event.account, event.subject) for event in events if not event.direct},
            {event.subject for event in events if event.direct},
            patient=False,
        )
        return self.known.before(events)

    async def learn(
        self, meters: Collection[tuple[str, str]], credit_types: Collection[str] = (), *, patient: bool = True
    ) -> None:
        """Fetch what ``known`` needs for these meters, each with its account, and these credit types.

        A meter that had no price when it was looked for is looked for again only if ``patient``.
        """
        wanted = {meter for _, meter in meters}
        if wanted:
            await self._look_again()
        if self._lacks(wanted, credit_types, patient):
            # What is being read already may be older than the question: then once more.
            if not await self._read_together() and self._lacks(wanted, credit_types, patient):
                await self._read_together()
            self._unpriced = (self._unpriced | wanted) - self._priced
            if len(self._unpriced) > UNPRICED_MAX:
                self._unpriced.clear()
        for account in {account for account, meter in meters if self.known.differ(meter)}:
            await self._learn_table(account)

    async def _learn_table(self, account: str) -> None:
        """The account's rate table, read again where it is not fresh."""
        now = time.monotonic()
        table, read_at = self._rate_tables.get(account, ("", float("-inf")))
        if self._freshness.allows(read_at):
            return
        only_old = table and self._freshness.unchanged_since(read_at)
        if only_old:
            # While this one reads others go on with what is known.
            self._rate_tables[account] = table, now
        try:
            self._rate_tables[account] = (await self._read_account(account)).rate_table, now
        except AccountNotFoundError:
            # It may come to be; the answer says that it is not there.
            return
        except OverloadedError:
            if not only_old:
                raise

    async def _look_again(self) -> None:
        """Read the catalog again where it is not fresh; see ``Scales``."""
        if self._freshness.allows(self._looked_at):
            return
        only_old = self._freshness.unchanged_since(self._looked_at)
        if only_old:
            self._looked_at = time.monotonic()
        try:
            await self._read_together()
            if not only_old and not self._freshness.unchanged_since(self._read_at):
                # That read had begun before the change.
                await self._read_together()
        except OverloadedError:
            if not only_old:
                raise

    def _lacks(self, meters: set[str], credit_types: Collection[str], patient: bool) -> bool:
        unknown = meters - self._priced
        if not patient:
            unknown -= self._unpriced
        return bool(unknown) or not self._types.issuperset(credit_types)

    async def _read_together(self) -> bool:
        """One read for all who wait, who go on in the order in which they came; True for who began it."""
        begins = self._reading is None
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(self._was_read)
        await asyncio.shield(self._reading)
        return begins

    def _was_read(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        if not task.cancelled():
            # Whoever waited has it; where nobody does any more it is nothing to warn of.
            task.exception()

    async def _read(self) -> None:
        begun = time.monotonic()
        self._catalog = await self._read_catalog()
        self._read_at = begun
        self._looked_at = max(self._looked_at, begun)
        self._types = {each.name for each in self._catalog.credit_types}
        self._priced = {rate.meter for table in self._catalog.rate_tables for rate in table.rates}
        self.known.renew()

    def _known_table(self, account: str) -> str:
        if account not in self._rate_tables:
            raise AccountNotFoundError(f"there is no account {account!r}")
        return self._rate_tables[account][0]
