"""Grants to be told of next and what accounts may use, in one transaction's view; many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.storage.sql.tables.changes import entitlement_state, grant_instant, runway_told
from drawdown.storage.sql.tables.subscriptions import subscription

# Both databases take more in one statement, old ones of SQLite do not.
_AT_ONCE: Final = 500

ItemT = TypeVar("ItemT")


def batched(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    """The items, at most ``size`` together."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


class DueGrant(msgspec.Struct, frozen=True):
    """A grant of which something is to be told."""

    account: str
    grant_id: str
    at_us: int


class Usable(msgspec.Struct, frozen=True):
    """What an account may use."""

    meters: tuple[str, ...] = ()
    features: dict[str, str] = {}


class ChangeBook:
    """Read and written by the relay alone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tell_at(self, rows: Mapping[tuple[str, str], tuple[str, int] | None]) -> None:
        """By account and grant: the clock and when to look at it next; ``None``: never again."""
        for some in batched(rows, _AT_ONCE // 2):
            self._connection.execute(
                sa.delete(grant_instant).where(
                    sa.tuple_(grant_instant.c.account, grant_instant.c.grant_id).in_(list(some))
                )
            )
        added = [
            {"account": account, "grant_id": grant_id, "clock": following[0], "at": following[1]}
            for (account, grant_id), following in rows.items()
            if following is not None
        ]
        if added:
            self._connection.execute(sa.insert(grant_instant), added)

    def due(self, clock: str, up_to_us: int, limit: int) -> list[DueGrant]:
        """Grants of a clock to look at by then, earliest first."""
        rows = self._connection.execute(
            sa.select(grant_instant.c.account, grant_instant.c.grant_id, grant_instant.c.at)
            .where(grant_instant.c.clock == clock, grant_instant.c.at <= up_to_us)
            .order_by(grant_instant.c.at, grant_instant.c.account, grant_instant.c.grant_id)
            .limit(limit)
        )
        return [DueGrant(account, grant_id, at) for account, grant_id, at in rows]

    def next_us(self) -> int | None:
        """When a grant of the wall clock is to be looked at next."""
        found = self._connection.execute(
            sa.select(sa.func.min(grant_instant.c.at)).where(grant_instant.c.clock == "")
        ).scalar_one()
        return None if found is None else int(found)

    def runways_told(self) -> set[tuple[str, str]]:
        """Accounts and credit types that have been told that they last for too short a time."""
        rows = self._connection.execute(sa.select(runway_told.c.account, runway_told.c.credit_type))
        return {(account, credit_type) for account, credit_type in rows}

    def tell_runways(self, *, fresh: Iterable[tuple[str, str]], over: Iterable[tuple[str, str]]) -> None:
        """These are told of now, and of those it is over."""
        for some in batched(over, _AT_ONCE // 2):
            self._connection.execute(
                sa.delete(runway_told).where(
                    sa.tuple_(runway_told.c.account, runway_told.c.credit_type).in_(some)
                )
            )
        added = [{"account": account, "credit_type": credit_type} for account, credit_type in fresh]
        if added:
            self._connection.execute(sa.insert(runway_told), added)

    def subscribed(self, accounts: Iterable[str]) -> set[str]:
        """Those of these accounts that have a live subscription."""
        found: set[str] = set()
        for some in batched(accounts, _AT_ONCE):
            asked = sa.select(subscription.c.account).where(
                subscription.c.account.in_(some), subscription.c.live
            )
            found.update(account for (account,) in self._connection.execute(asked))
        return found

    def usable(self, accounts: Iterable[str]) -> dict[str, Usable]:
        """What these accounts could use when it was last put down."""
        found: dict[str, Usable] = {}
        for some in batched(accounts, _AT_ONCE):
            rows = self._connection.execute(
                sa.select(entitlement_state).where(entitlement_state.c.account.in_(some))
            )
            found |= {account: msgspec.json.decode(text, type=Usable) for account, text in rows}
        return found

    def put_usable(self, states: Mapping[str, Usable]) -> None:
        """What these accounts may use now."""
        for some in batched(states, _AT_ONCE):
            self._connection.execute(
                sa.delete(entitlement_state).where(entitlement_state.c.account.in_(some))
            )
        added = [
            {"account": account, "body": msgspec.json.encode(state).decode()}
            for account, state in states.items()
        ]
        if added:
            self._connection.execute(sa.insert(entitlement_state), added)
