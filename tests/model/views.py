"""What a reader sees, the same of the reference and of the engine. Amounts in smallest units."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GrantView:
    state: str
    amount: int
    remaining: int
    held: int
    burned: int
    expired: int
    voided: int
    moved: int


@dataclass(frozen=True)
class PoolView:
    available: int
    overdraft: int
    overage: int


@dataclass(frozen=True)
class HoldView:
    """One open reservation: each grant's part in the order held."""

    credit_type: str
    parts: tuple[tuple[str, int], ...]
    headroom: int
    expires_at: int
