"""The reference against tables worked by hand: an oracle that is wrong proves nothing."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.model.reference_account import month_start
from tests.model.reference_prices import I64_MAX, half_even, rate_from_command, smallest_units


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [("0", 0), ("1/2", 0), ("3/2", 2), ("5/2", 2), ("7/2", 4), ("499/1000", 0), ("501/1000", 1), ("-1/2", 0)],
)
def test_half_even(exact: str, rounded: int) -> None:
    assert half_even(Fraction(exact)) == rounded


@pytest.mark.parametrize(
    ("text", "scale", "units"),
    [("1", 9, 10**9), ("0.10", 1, 1), ("1.500", 1, 15), ("-0.5", 1, -5), ("9223372036854775807", 0, I64_MAX)],
)
def test_decimal_strings(text: str, scale: int, units: int) -> None:
    assert smallest_units(text, scale) == units


@pytest.mark.parametrize(("text", "scale"), [("0.01", 1), ("1e3", 9), (".5", 9), ("9223372036854775808", 0)])
def test_decimals_beyond_the_scale_are_errors(text: str, scale: int) -> None:
    with pytest.raises((ValueError, OverflowError), match=r"digits|decimal|fit"):
        smallest_units(text, scale)


TIERS = [{"up_to": "100", "credits": "1"}, {"up_to": "200", "credits": "0.5"}, {"credits": "0.25"}]


@pytest.mark.parametrize(
    ("before", "quantity", "charge"),
    [
        (0, 100, 100),
        (0, 101, 100),
        (99, 2, 2),
        (100, 1, 0),
        (100, 2, 1),
        (199, 2, 1),
        (200, 4, 1),
        (0, 300, 175),
    ],
)
def test_graduated_tiers_on_both_sides_of_each_edge(before: int, quantity: int, charge: int) -> None:
    """At scale 0: (0,101) = 100.5 → 100 (tie to even); (99,2) = 1.5 → 2; (199,2) = 0.75 → 1."""
    command = {"table": "default", "meter": "calls", "credit_type": "credits", "tiers": TIERS}
    rate = rate_from_command(command, 0)
    assert rate.charge(before, quantity, quantity_scale=0, scale=0) == charge


@pytest.mark.parametrize(
    ("before", "quantity", "charge"),
    [(0, 0, 0), (0, 1, 5), (0, 10, 5), (0, 11, 10), (9, 1, 0), (10, 1, 5), (1, 19, 5)],
)
def test_packages_charge_every_started_package_once(before: int, quantity: int, charge: int) -> None:
    command = {
        "table": "t",
        "meter": "calls",
        "credit_type": "c",
        "credits": "5",
        "per": "10",
        "package": True,
    }
    rate = rate_from_command(command, 0)
    assert rate.charge(before, quantity, quantity_scale=0, scale=0) == charge


@pytest.mark.parametrize(
    ("at", "start"),
    [
        (0, 0),
        (1, 0),
        (1_748_736_000_000_000, 1_748_736_000_000_000),
        (1_748_735_999_999_999, 1_746_057_600_000_000),
    ],
)
def test_months_begin_at_midnight_utc(at: int, start: int) -> None:
    """1_748_736_000 is 2025-06-01 and 1_746_057_600 is 2025-05-01."""
    assert month_start(at) == start
