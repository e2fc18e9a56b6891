"""One grant by the contract's text: validity, burn-down order, state (semantics §4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.model.views import GrantView

NEVER = 1 << 80
"""Later than every instant: stands in comparisons for an absent ``expires_at``."""


@dataclass
class Grant:
    """An allocation of credits and what became of it. Amounts in smallest units."""

    grant_id: str
    credit_type: str
    amount: int
    category: str
    priority: int
    effective_at: int
    expires_at: int | None
    scope: frozenset[str] | None
    pending: bool
    created: int
    """Position of its creation among all creations of the ledger: the last tie-break."""
    content: dict[str, Any]
    """What the caller sent: same id with other content is a conflict."""
    remaining: int = 0
    held: int = 0
    burned: int = 0
    expired: int = 0
    voided: int = 0
    moved: int = 0
    is_void: bool = False

    def __post_init__(self) -> None:
        self.remaining = self.amount

    @property
    def free(self) -> int:
        return self.remaining - self.held

    @property
    def ends(self) -> int:
        return NEVER if self.expires_at is None else self.expires_at

    def is_valid(self, at: int) -> bool:
        """§3: valid iff ``effective_at <= t < expires_at``; void and pending grants never are."""
        return not self.is_void and not self.pending and self.effective_at <= at < self.ends

    def can_pay_for(self, meter: str | None) -> bool:
        """§4.4: the scope holds the meter; a direct debit (no meter) needs scope ``all``."""
        return self.scope is None or (meter is not None and meter in self.scope)

    def burn_down_position(self) -> tuple[int, int, int, int, int, int, int]:
        """§4.3, term by term; the smallest burns first."""
        return (
            self.priority,
            self.ends,
            0 if self.category == "promotional" else 1,
            1 if self.scope is None else 0,
            0 if self.scope is None else len(self.scope),
            self.effective_at,
            self.created,
        )

    def state(self, at: int) -> str:
        """§4.5: the first that fits."""
        if self.is_void:
            return "voided"
        if self.pending:
            return "pending"
        if self.ends <= at:
            return "expired"
        if self.effective_at > at:
            return "scheduled"
        if self.remaining == 0:
            return "exhausted"
        return "active"

    def view(self, at: int) -> GrantView:
        return GrantView(
            self.state(at),
            self.amount,
            self.remaining,
            self.held,
            self.burned,
            self.expired,
            self.voided,
            self.moved,
        )

    def burn(self, amount: int) -> None:
        assert 0 <= amount <= self.free
        self.remaining -= amount
        self.burned += amount

    def hold(self, amount: int) -> None:
        assert 0 < amount <= self.free
        self.held += amount

    def burn_held(self, amount: int) -> None:
        assert 0 <= amount <= self.held
        self.held -= amount
        self.burn(amount)

    def let_go(self, amount: int, now: int, late_grace: int) -> None:
        """§6: a held part returns; to a voided grant it is forfeited, to one long expired breakage."""
        assert 0 <= amount <= self.held
        self.held -= amount
        self.remaining -= amount
        self._take_back(amount, now, late_grace)

    def unburn(self, amount: int, now: int, late_grace: int, *, regrant: bool = False) -> int:
        """§7: what a correction returns, with the same two exceptions, or carried to a new grant by
        ``regrant`` where this one is over; how much is carried."""
        assert 0 <= amount <= self.burned
        self.burned -= amount
        if regrant and (self.is_void or self.ends <= now):
            self.moved += amount
            return amount
        self._take_back(amount, now, late_grace)
        return 0

    def _take_back(self, amount: int, now: int, late_grace: int) -> None:
        if self.is_void:
            self.voided += amount
        elif self.ends + late_grace <= now:
            self.expired += amount
        else:
            self.remaining += amount

    def conserves(self) -> bool:
        """§4.8 for one grant."""
        accounted = self.remaining + self.burned + self.expired + self.voided + self.moved
        parts = (self.remaining, self.held, self.burned, self.expired, self.voided, self.moved)
        return self.amount == accounted and min(parts) >= 0 and self.held <= self.remaining
