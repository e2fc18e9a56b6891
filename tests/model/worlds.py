"""Small worlds that several tests start from, as the commands that make them."""

from __future__ import annotations

from typing import Any, Self

from tests.model.reference_account import Match
from tests.model.reference_commands import execute, sweep
from tests.model.reference_ledger import Entitlement, Event, Outcome, ReferenceLedger
from tests.model.views import GrantView, PoolView

Command = dict[str, Any]

NOON = 1_750_000_000_000_000
"""2025-06-15T15:06:40Z: the middle of a month, an hour and a day."""

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def catalog(scale: int = 2) -> list[Command]:
    """Credit types ``credits`` and ``usd``; meters ``calls``, ``tokens``, ``seats`` (count), ``bytes``
    (no rate); one credit per call, 0.0375 per 1,000 tokens with ``model=large`` at 0.5."""
    return [
        {"type": "create_credit_type", "name": "credits", "scale": scale},
        {"type": "create_credit_type", "name": "usd", "scale": 2},
        {"type": "create_meter", "key": "calls"},
        {"type": "create_meter", "key": "tokens", "dimensions": ["model"]},
        {"type": "create_meter", "key": "seats", "aggregation": "count"},
        {"type": "create_meter", "key": "bytes"},
        set_rate("calls", credits="1"),
        set_rate("tokens", credits="0.0375", per="1000"),
        set_rate("tokens", credits="0.5", per="1000", match={"model": "large"}),
        set_rate("seats", credits="2.5"),
    ]


def set_rate(meter: str, *, table: str = "default", credit_type: str = "credits", **price: Any) -> Command:
    return {"type": "set_rate", "table": table, "meter": meter, "credit_type": credit_type, **price}


def account(account_id: str = "acme", clock: int = NOON) -> Command:
    return {"type": "create_account", "account": account_id, "test_clock": clock}


def grant(grant_id: str, amount: str | int | dict[str, str], **fields: Any) -> dict[str, Any]:
    return {"grant_id": grant_id, "credit_type": "credits", "amount": amount, **fields}


def create_grant(grant_id: str, amount: str | int, *, to: str = "acme", **fields: Any) -> Command:
    return {"type": "create_grant", "account": to, "grant": grant(grant_id, amount, **fields)}


def policy(kind: str, *, of: str = "acme", **fields: Any) -> Command:
    return {"type": "set_policy", "account": of, "credit_type": "credits", "kind": kind, **fields}


def void(grant_id: str, *, of: str = "acme") -> Command:
    return {"type": "void_grant", "account": of, "grant_id": grant_id}


def void_and_replace(void: list[str], *create: dict[str, Any], of: str = "acme") -> Command:
    return {"type": "void_and_replace", "account": of, "void": void, "create": list(create)}


def suspend(*, of: str = "acme") -> Command:
    return {"type": "suspend_account", "account": of}


def advance(to: int, *, of: str = "acme") -> Command:
    return {"type": "advance_clock", "account": of, "to": to}


class World:
    """The catalog and account ``acme``, and short words to drive whoever keeps the ledger."""

    def __init__(self) -> None:
        self.serial = 0

    def begin(self, *commands: Command, scale: int = 2) -> Self:
        self.do(*catalog(scale), account(), *commands)
        return self

    def execute(self, group: list[Command]) -> list[dict[str, Any]]:
        raise NotImplementedError

    def record(self, event: Event) -> Outcome:
        raise NotImplementedError

    def check(self, meter: str, quantity: int = 1, dimensions: Match = ()) -> Entitlement:
        raise NotImplementedError

    def grants(self, account: str = "acme") -> dict[str, GrantView]:
        raise NotImplementedError

    def pool(self, credit_type: str = "credits", account: str = "acme") -> PoolView:
        raise NotImplementedError

    def sweep(self) -> int:
        raise NotImplementedError

    def conserves(self) -> bool:
        raise NotImplementedError

    def do(self, *commands: Command) -> list[dict[str, Any]]:
        """Each command by itself; every one must be taken."""
        outcomes = [self.execute([command])[0] for command in commands]
        assert [o["status"] for o in outcomes] == ["OK"] * len(commands), outcomes
        return outcomes

    def try_do(self, *group: Command) -> list[str]:
        """The commands as one atomic group; the statuses."""
        return [outcome["status"] for outcome in self.execute(list(group))]

    def use(self, subject: str, quantity: int, **fields: Any) -> Outcome:
        """One event of ``acme`` with a fresh id, unless the fields say otherwise."""
        self.serial += 1
        event_id = fields.pop("event_id", f"event-{self.serial}")
        return self.record(Event(event_id, fields.pop("account", "acme"), subject, quantity, **fields))

    def of(self, grant_id: str) -> tuple[str, int, int]:
        """State, remaining and burned of one grant."""
        view = self.grants()[grant_id]
        return view.state, view.remaining, view.burned

    @property
    def available(self) -> int:
        return self.pool().available


class ReferenceWorld(World):
    """The reference keeps the ledger."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = ReferenceLedger()

    def execute(self, group: list[Command]) -> list[dict[str, Any]]:
        return execute(self.ledger, group)

    def record(self, event: Event) -> Outcome:
        return self.ledger.record(event)

    def check(self, meter: str, quantity: int = 1, dimensions: Match = ()) -> Entitlement:
        return self.ledger.check("acme", meter, quantity, dimensions)

    def grants(self, account: str = "acme") -> dict[str, GrantView]:
        holder = self.ledger.accounts[account]
        return {g.grant_id: g.view(holder.now) for p in holder.pools.values() for g in p.grants.values()}

    def pool(self, credit_type: str = "credits", account: str = "acme") -> PoolView:
        holder = self.ledger.accounts[account]
        pool = holder.pool(credit_type)
        overage = pool.overage_by_period.get(holder.period_start(holder.now), 0)
        return PoolView(pool.available(holder.now), pool.overdraft, overage)

    def sweep(self) -> int:
        return sweep(self.ledger)

    def conserves(self) -> bool:
        return all(p.conserves() for a in self.ledger.accounts.values() for p in a.pools.values())
