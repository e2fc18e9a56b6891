"""Whatever happened, the listed ledger adds up to the balances, and the past replays to the present."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model import generators
from tests.model.conftest import MODEL_PROFILE
from tests.model.ledger_fold import LedgerFold
from tests.model.test_engine_matches_reference import EngineAndReference

PAGE = 7
"""Small, so that every story has several pages."""


class LedgerOfStories(EngineAndReference):
    """The same stories; at their end the journal is read back in every way there is."""

    def teardown(self) -> None:
        if hasattr(self, "both"):
            for account in generators.ACCOUNTS:
                self.check_books(account)
        super().teardown()

    def entries(self, account: str, oldest_first: bool) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        edge: dict[str, int] = {}
        while True:
            page = self.both.engine.query(
                type="ledger", account=account, limit=PAGE, oldest_first=oldest_first, **edge
            )
            found += page["entries"]
            if not page["more"]:
                return found
            edge = {"after_seq" if oldest_first else "before_seq": found[-1]["seq"]}

    def check_books(self, account: str) -> None:
        entries = self.entries(account, oldest_first=True)
        assert entries == self.entries(account, oldest_first=False)[::-1]
        fold = LedgerFold(entries)
        grants = self.both.engine.grants(account)
        assert fold.grants.keys() == grants.keys()
        for grant_id, view in grants.items():
            assert fold.grants[grant_id].equals(view), (fold.grants[grant_id], view)
        now = self.both.reference.accounts[account].now
        for balance in self.both.engine.query(type="balances", account=account)["balances"]:
            name = balance["credit_type"]
            read = (balance["overdraft"], balance["overage_total"], balance["charged"])
            overage, charged = _as_counted(fold.overage[name]), _as_counted(fold.charged[name])
            assert read == (fold.overdraft[name], overage, charged)
            replayed = self.both.engine.query(type="balance", account=account, credit_type=name, at=now)
            assert {key: replayed[key] for key in balance} == balance
        self.check_explanations(account, entries)

    def check_explanations(self, account: str, entries: list[dict[str, Any]]) -> None:
        used = [entry for entry in entries if entry["kind"] == "usage"]
        for entry in used[:2] + used[-2:]:
            told = self.both.engine.query(type="explain", account=account, event_id=entry["event_id"])
            before, after = told["balance_before"], told["balance_after"]
            assert _as_counted(after["charged"] - before["charged"]) == entry["charged"]
            drawn = sum(draw["amount"] for draw in told["draws"])
            assert drawn == _as_counted(after["burned"] - before["burned"])
            for draw in told["draws"]:
                assert draw["remaining_before"] - draw["remaining_after"] == draw["amount"]


def _as_counted(total: int) -> int:
    """A pool's total over its whole life, which the engine keeps modulo 2^64 (``Pool::charged``)."""
    return (total + 2**63) % 2**64 - 2**63


@pytest.mark.slow
def test_the_ledger_adds_up() -> None:
    examples = max(25, settings.get_profile(MODEL_PROFILE).max_examples // 5)
    run_state_machine_as_test(
        LedgerOfStories, settings=settings(settings.get_profile(MODEL_PROFILE), max_examples=examples)
    )
