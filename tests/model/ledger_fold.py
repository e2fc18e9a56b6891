"""The books as a reader of the ledger would keep them: entries added up, nothing else known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec

from tests.model.views import GrantView


class GrantBooks(msgspec.Struct):
    """One grant, in smallest units."""

    amount: int
    remaining: int
    held: int = 0
    burned: int = 0
    expired: int = 0
    voided: int = 0
    moved: int = 0

    def take(self, **parts: int) -> None:
        """Move credits out of what remains (or back, below zero)."""
        for name, units in parts.items():
            setattr(self, name, getattr(self, name) + units)
            self.remaining -= units

    def equals(self, view: GrantView) -> bool:
        return all(getattr(self, name) == getattr(view, name) for name in self.__struct_fields__)


class LedgerFold:
    """Fold entries, oldest first, into grants by id and totals by credit type."""

    def __init__(self, entries: Iterable[dict[str, Any]]) -> None:
        self.grants: dict[str, GrantBooks] = {}
        self.overdraft: dict[str, int] = defaultdict(int)
        self.overage: dict[str, int] = defaultdict(int)
        self.charged: dict[str, int] = defaultdict(int)
        self.kinds: dict[str, int] = defaultdict(int)
        for entry in entries:
            self._add(entry)

    def _add(self, entry: dict[str, Any]) -> None:
        self.kinds[entry["kind"]] += 1
        amounts, facts, credit_type = entry["amounts"], entry["facts"], entry.get("credit_type", "")
        if entry["kind"] == "granted":
            self.grants[facts["grant_id"]] = GrantBooks(amounts["amount"], amounts["amount"])
        elif entry["kind"] == "voided":
            self.grants[facts["grant_id"]].take(voided=amounts["voided"], moved=amounts["moved"])
        elif entry["kind"] == "expired":
            self.grants[facts["grant_id"]].take(expired=amounts["expired"])
        for grant_id, units in entry["draws"]:
            self.grants[grant_id].take(burned=units)
        for grant_id, units in facts.get("held_units", ()):
            self.grants[grant_id].held += units
        for grant_id, units in facts.get("forfeited_units", ()):
            self.grants[grant_id].take(voided=units)
        for grant_id, units in facts.get("expired_units", ()):
            self.grants[grant_id].take(expired=units)
        for grant_id, units in facts.get("moved_units", ()):
            self.grants[grant_id].take(moved=units)
        self.overdraft[credit_type] += amounts.get("overdraft", 0)
        self.overage[credit_type] += amounts.get("overage", 0)
        self.charged[credit_type] += entry.get("charged") or 0
