"""What a use costs (§2, §5.7, §5.8): rounding, tiers, packages, matches, dates of rates and tables."""

from __future__ import annotations

import pytest

from tests.model.reference_prices import I64_MAX
from tests.model.worlds import DAY, HOUR, NOON, World, advance, create_grant, set_rate

TIERS = [{"up_to": "100", "credits": "1"}, {"up_to": "200", "credits": "0.5"}, {"credits": "0.25"}]


@pytest.fixture
def rich(world: World) -> World:
    """More credits than any row needs."""
    world.do(create_grant("g", "10000000000"))
    return world


@pytest.mark.behaviour("S0-20")
@pytest.mark.parametrize(
    ("quantity", "charged"), [(0, 0), (1, 0), (2, 1), (3, 2), (5, 2), (7, 4), (9, 4), (1_000_000, 500_000)]
)
def test_quantity_times_rate_rounded_half_even_once(rich: World, quantity: int, charged: int) -> None:
    """Half a smallest unit each: ties go to the even one, and rounding happens per event, not per unit."""
    rich.do(set_rate("bytes", credits="0.005"))
    assert charged == rich.use("bytes", quantity).charged


@pytest.mark.parametrize(
    ("quantity", "charged"), [(1, 0), (133, 0), (134, 1), (400, 2), (401, 2), (26_667, 100)]
)
def test_rates_are_per_n_units_without_intermediate_rounding(
    rich: World, quantity: int, charged: int
) -> None:
    """0.0375 per 1,000 at scale 2 is 0.00375 smallest units each: 133 → 0.49875, 134 → 0.5025."""
    assert charged == rich.use("tokens", quantity).charged


@pytest.mark.behaviour("S0-15")
@pytest.mark.parametrize(
    ("before", "quantity", "charged"),
    [
        (0, 99, 9_900),
        (0, 100, 10_000),
        (0, 101, 10_050),
        (99, 1, 100),
        (100, 1, 50),
        (99, 2, 150),
        (100, 100, 5_000),
        (199, 2, 75),
        (200, 1, 25),
        (0, 300, 17_500),
    ],
)
def test_tiers_are_exact_at_and_on_both_sides_of_each_edge(
    rich: World, before: int, quantity: int, charged: int
) -> None:
    rich.do(set_rate("bytes", tiers=TIERS))
    assert rich.use("bytes", before).status == "OK"
    assert charged == rich.use("bytes", quantity).charged


@pytest.mark.parametrize(
    ("before", "quantity", "charged"),
    [(0, 0, 0), (0, 1, 500), (0, 10, 500), (0, 11, 1_000), (9, 1, 0), (10, 1, 500), (1, 19, 500), (10, 0, 0)],
)
def test_packages_charge_every_started_package_of_the_period(
    rich: World, before: int, quantity: int, charged: int
) -> None:
    rich.do(set_rate("bytes", credits="5", per="10", package=True))
    rich.use("bytes", before)
    assert charged == rich.use("bytes", quantity).charged


def test_tier_positions_are_per_account_meter_match_and_period(rich: World) -> None:
    rich.do(
        set_rate("bytes", tiers=TIERS),
        set_rate("tokens", tiers=TIERS),
        set_rate("tokens", tiers=TIERS, match={"model": "large"}),
        {"type": "create_account", "account": "globex", "test_clock": NOON},
        create_grant("g", "1000000", to="globex"),
        {"type": "set_period_edge", "account": "acme", "at": NOON + DAY},
    )
    assert rich.use("bytes", 100).charged == 10_000
    assert rich.use("tokens", 100).charged == 10_000
    assert rich.use("tokens", 100, dimensions=(("model", "large"),)).charged == 10_000
    assert rich.use("bytes", 100, account="globex").charged == 10_000
    assert rich.use("bytes", 100).charged == 5_000
    rich.do(advance(NOON + DAY))
    assert rich.use("bytes", 100).charged == 10_000
    assert rich.use("bytes", 100, time=NOON + DAY - 1).charged == 2_500


def test_the_position_goes_on_across_versions_of_the_rate(rich: World) -> None:
    rich.do(set_rate("bytes", tiers=TIERS))
    rich.use("bytes", 150)
    rich.do(set_rate("bytes", tiers=[{"up_to": "100", "credits": "9"}, {"credits": "2"}]))
    assert rich.use("bytes", 1).charged == 200


def test_flat_priced_quantity_does_not_count_towards_tiers(rich: World) -> None:
    rich.do(set_rate("bytes", credits="1"))
    rich.use("bytes", 150)
    rich.do(set_rate("bytes", tiers=TIERS))
    assert rich.use("bytes", 100).charged == 10_000


def test_refused_events_do_not_count_towards_tiers(world: World) -> None:
    world.do(set_rate("bytes", tiers=TIERS), create_grant("g", "1"))
    assert world.use("bytes", 100).status == "INSUFFICIENT"
    assert world.use("bytes", 1).charged == 100


def test_count_counts_events_whatever_their_quantity(rich: World) -> None:
    assert [rich.use("seats", quantity).charged for quantity in (0, 1, 1_000)] == [250, 250, 250]


@pytest.mark.parametrize(
    ("dimensions", "charged"),
    [
        ((), 4),
        ((("model", "large"),), 50),
        ((("model", "small"),), 4),
        ((("region", "eu"),), 4),
        ((("model", "large"), ("region", "eu")), 50),
    ],
    ids=str,
)
def test_declared_dimensions_pick_the_match_else_the_default(
    rich: World, dimensions: tuple[tuple[str, str], ...], charged: int
) -> None:
    """Undeclared keys never matter for price. 1,000 tokens at 0.0375 are 3.75 smallest units: 4."""
    assert charged == rich.use("tokens", 1_000, dimensions=dimensions).charged


def test_without_a_default_an_unmatched_event_is_not_entitled(rich: World) -> None:
    rich.do(
        {"type": "create_meter", "key": "renders", "dimensions": ["size"]},
        set_rate("renders", credits="1", match={"size": "big"}),
    )
    assert rich.use("renders", 1).status == "NOT_ENTITLED"
    assert rich.use("renders", 1, dimensions=(("size", "big"),)).charged == 100


@pytest.mark.behaviour("S0-19")
def test_usage_without_a_rate_leaves_the_balance_unchanged(rich: World) -> None:
    """An unlisted meter is refused; a free one has an explicit rate of 0."""
    before = rich.available
    assert rich.use("bytes", 5).status == "NOT_ENTITLED"
    rich.do(set_rate("bytes", credits="0"))
    assert (rich.use("bytes", 5).status, rich.use("bytes", I64_MAX).charged) == ("OK", 0)
    assert before == rich.available


def test_the_newest_rate_at_the_events_time_wins_then_the_latest_defined(rich: World) -> None:
    rich.do(
        set_rate("calls", credits="3", valid_from=NOON - HOUR),
        set_rate("calls", credits="2", valid_from=NOON - 2 * HOUR),
    )
    asked = [NOON, NOON - HOUR, NOON - HOUR - 1, NOON - 2 * HOUR, NOON - 2 * HOUR - 1]
    assert [rich.use("calls", 1, time=at).charged for at in asked] == [300, 300, 200, 200, 100]
    rich.do(set_rate("calls", credits="7", valid_from=NOON - HOUR))
    assert rich.use("calls", 1, time=NOON).charged == 700


def test_assignments_of_rate_tables_are_dated(rich: World) -> None:
    """Late usage after a plan change gets the old price."""
    rich.do(
        set_rate("calls", table="plus", credits="5"),
        advance(NOON + HOUR),
        {"type": "assign_rate_table", "account": "acme", "table": "plus"},
        advance(NOON + 2 * HOUR),
    )
    assert [rich.use("calls", 1, time=NOON + at).charged for at in (2 * HOUR, HOUR, HOUR - 1)] == [
        500,
        500,
        100,
    ]
    rich.do(
        {"type": "assign_rate_table", "account": "acme", "table": "default", "valid_from": NOON + 3 * HOUR}
    )
    assert rich.use("calls", 1).charged == 500


def test_a_meter_outside_the_assigned_table_is_not_entitled(rich: World) -> None:
    rich.do(set_rate("calls", table="plus", credits="5"))
    rich.do({"type": "assign_rate_table", "account": "acme", "table": "plus"})
    assert rich.use("seats", 1).status == "NOT_ENTITLED"


def test_quantity_scale_is_part_of_the_price(rich: World) -> None:
    """Quantities are in 10^-3 of the unit: 1,500 are one and a half."""
    rich.do({"type": "create_meter", "key": "hours", "quantity_scale": 3}, set_rate("hours", credits="0.5"))
    assert [rich.use("hours", quantity).charged for quantity in (1_500, 1, 1_000)] == [75, 0, 50]


def test_a_credit_type_of_twelve_digits_prices_exactly(empty_world: World) -> None:
    """2.50 per million at scale 12 is 2,500,000 units each."""
    empty_world.begin(create_grant("g", "1000"), set_rate("bytes", credits="2.50", per="1000000"), scale=12)
    assert empty_world.use("bytes", 1).charged == 2_500_000
    assert empty_world.use("bytes", 22_361_870).charged == 22_361_870 * 2_500_000


@pytest.mark.parametrize("quantity", [I64_MAX // 100, I64_MAX // 100 + 1])
def test_a_charge_fits_64_bits_exactly_or_overflows(world: World, quantity: int) -> None:
    """1.00 a call at scale 2: products are exact past 64 bits, and only the charge itself must fit."""
    world.do(create_grant("g", I64_MAX))
    answer = world.use("calls", quantity)
    fits = quantity * 100 <= I64_MAX
    assert (("OK", quantity * 100) if fits else ("OVERFLOW", 0)) == (answer.status, answer.charged)


def test_a_tiny_rate_on_a_huge_quantity_does_not_overflow(world: World) -> None:
    world.do(create_grant("g", I64_MAX), set_rate("bytes", credits="0.000001", per="1000000"))
    assert (world.use("bytes", I64_MAX).status, world.use("bytes", I64_MAX).charged) == ("OK", 922_337_204)
