"""The engine keeps the ledger of a small world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.model.engine_side import EngineSide
from tests.model.reference_account import Match
from tests.model.reference_ledger import Entitlement, Event, Outcome
from tests.model.views import GrantView, PoolView
from tests.model.worlds import Command, World


class EngineWorld(World):
    """A fresh engine on a folder of its own; ``close`` it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__()
        self.side = EngineSide(folder, **settings)

    def execute(self, group: list[Command]) -> list[dict[str, Any]]:
        return self.side.execute(group)

    def record(self, event: Event) -> Outcome:
        return self.side.record(event)

    def check(self, meter: str, quantity: int = 1, dimensions: Match = ()) -> Entitlement:
        return self.side.check("acme", meter, quantity, dimensions)

    def grants(self, account: str = "acme") -> dict[str, GrantView]:
        return self.side.grants(account)

    def pool(self, credit_type: str = "credits", account: str = "acme") -> PoolView:
        return self.side.balance(account, credit_type)

    def sweep(self) -> int:
        booked = 0
        more_due = True
        while more_due:
            _seq, now_booked, more_due = self.side.engine.expire_due(100)
            booked += now_booked
        return booked

    def conserves(self) -> bool:
        return self.side.query(type="conservation")["holds"] is True

    def reopen(self) -> None:
        self.side.reopen()

    def close(self) -> None:
        self.side.close()
