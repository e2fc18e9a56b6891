"""What a reader sees, the same of the reference and of the engine. Amounts in smallest units."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GrantView:
    state: str
    amount: int
    remaining: int
    burned: int
    expired: int
    voided: int
    moved: int


@dataclass(frozen=True)
class PoolView:
    available: int
    overdraft: int
    overage: int
