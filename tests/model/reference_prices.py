"""What a quantity costs, worked with exact fractions (semantics §2 and §5.7).

Written from the contract's text. Nothing here is quick, and nothing here knows the engine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Self

I64_MAX = 2**63 - 1

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def exact_decimal(text: str) -> Fraction:
    """The number that a decimal string names; ``ValueError`` for any other text."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"not a decimal: {text!r}")
    return Fraction(text)


def smallest_units(amount: int | str, scale: int) -> int:
    """Credits as sent (units, or a decimal string) in 10^-scale.

    ``ValueError`` beyond the scale, ``OverflowError`` beyond 64 bits.
    """
    if isinstance(amount, int):
        units = amount
    else:
        exact = exact_decimal(amount) * 10**scale
        if exact.denominator != 1:
            raise ValueError(f"{amount!r} has more digits than the scale {scale}")
        units = exact.numerator
    if not -(2**63) <= units <= I64_MAX:
        raise OverflowError(f"{amount!r} does not fit 64 bits at scale {scale}")
    return units


def half_even(exact: Fraction) -> int:
    """The nearest integer; a tie goes to the even one."""
    below = exact.numerator // exact.denominator
    rest = exact - below
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and below % 2 == 1):
        return below + 1
    return below


class Immutable:
    """A value that a copy of the ledger may share."""

    def __deepcopy__(self, _memo: object) -> Self:
        return self


@dataclass(frozen=True)
class Tier(Immutable):
    """Units above the previous tier's end, up to and including ``up_to`` (None: without end)."""

    up_to: Fraction | None
    credits: Fraction


@dataclass(frozen=True)
class Rate(Immutable):
    """One price of one meter for one match from one instant on."""

    table: str
    meter: str
    credit_type: str
    match: tuple[tuple[str, str], ...]
    valid_from: int | None
    per: Fraction
    credits: Fraction | None
    tiers: tuple[Tier, ...]
    package: bool
    defined: int
    """Position among all definitions: of two with one ``valid_from`` the later one wins."""

    @property
    def keeps_a_counter(self) -> bool:
        return self.package or bool(self.tiers)

    @property
    def is_free(self) -> bool:
        """Whatever is used of it costs nothing."""
        return not self.credits and not any(tier.credits for tier in self.tiers)

    def total(self, units: Fraction) -> Fraction:
        """Exact credits for the first ``units`` units of a period: T(x) of semantics §2."""
        if self.package:
            assert self.credits is not None
            started = -((-units / self.per).__floor__())
            return self.credits * started
        if not self.tiers:
            assert self.credits is not None
            return units * self.credits / self.per
        total = Fraction(0)
        begins = Fraction(0)
        for tier in self.tiers:
            ends = units if tier.up_to is None else min(units, tier.up_to)
            if ends > begins:
                total += (ends - begins) * tier.credits / self.per
                begins = ends
        return total

    def charge(self, before: int, quantity: int, *, quantity_scale: int, scale: int) -> int:
        """Credits in smallest units for ``quantity`` after ``before``, rounded once; may exceed i64."""
        unit = 10**quantity_scale
        exact = self.total(Fraction(before + quantity, unit)) - self.total(Fraction(before, unit))
        return half_even(exact * 10**scale)


def rate_from_command(command: dict[str, Any], defined: int) -> Rate:
    """A ``set_rate`` command as a rate; ``ValueError`` where it is not one."""
    credits = command.get("credits")
    tiers = command.get("tiers", [])
    if (credits is None) == (not tiers):
        raise ValueError("exactly one of credits and tiers")
    per = exact_decimal(command.get("per", "1"))
    if per <= 0:
        raise ValueError("per must be above zero")
    read = tuple(
        Tier(exact_decimal(t["up_to"]) if t.get("up_to") is not None else None, exact_decimal(t["credits"]))
        for t in tiers
    )
    ends = [tier.up_to for tier in read[:-1]]
    if read and (read[-1].up_to is not None or any(e is None for e in ends)):
        raise ValueError("only the last tier has no end")
    known = [e for e in ends if e is not None]
    if any(e <= 0 for e in known) or any(a >= b for a, b in pairwise(known)):
        raise ValueError("tiers must ascend")
    rate = Rate(
        table=command["table"],
        meter=command["meter"],
        credit_type=command["credit_type"],
        match=tuple(sorted(command.get("match", {}).items())),
        valid_from=command.get("valid_from"),
        per=per,
        credits=exact_decimal(credits) if credits is not None else None,
        tiers=read,
        package=command.get("package", False),
        defined=defined,
    )
    prices = [tier.credits for tier in read] if read else [rate.credits or Fraction(0)]
    if any(price < 0 for price in prices):
        raise ValueError("a price is never negative")
    return rate


def rate_at(rates: list[Rate], match: tuple[tuple[str, str], ...], at: int) -> Rate | None:
    """The rate of exactly this match valid at ``at``: newest ``valid_from``, then latest defined."""
    fitting = [r for r in rates if r.match == match and (r.valid_from is None or r.valid_from <= at)]
    if not fitting:
        return None
    return max(fitting, key=lambda r: (float("-inf") if r.valid_from is None else r.valid_from, r.defined))
