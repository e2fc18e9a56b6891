"""May this account use this now (§8)? The answer agrees with what a record would get."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.reference_prices import I64_MAX
from tests.model.worlds import NOON, World, create_grant, policy, set_rate, suspend

CASES: list[tuple[str, list[dict[str, Any]], str, int, str]] = [
    ("fits", [], "calls", 10, "OK"),
    ("too-much", [], "calls", 11, "INSUFFICIENT"),
    ("zero", [], "calls", 0, "OK"),
    ("negative", [], "calls", -1, "INVALID"),
    ("suspended", [suspend()], "calls", 1, "ACCOUNT_SUSPENDED"),
    ("unknown-meter", [], "nothing", 1, "METER_UNKNOWN"),
    ("no-rate", [], "bytes", 1, "NOT_ENTITLED"),
    ("overflow", [], "calls", I64_MAX, "OVERFLOW"),
    ("partial-some", [policy("partial")], "calls", 11, "OK"),
    ("within-limit", [policy("overdraft", limit="1")], "calls", 11, "OK"),
    ("past-limit", [policy("overdraft", limit="1")], "calls", 12, "LIMIT_REACHED"),
    ("within-cap", [policy("overage", price="1", cap="1")], "calls", 11, "OK"),
    ("past-cap", [policy("overage", price="1", cap="1")], "calls", 12, "LIMIT_REACHED"),
]


@pytest.mark.behaviour("S3-27")
@pytest.mark.parametrize(
    ("terms", "meter", "quantity", "reason"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_check_is_what_record_would_answer(
    world: World, terms: list[Any], meter: str, quantity: int, reason: str
) -> None:
    """It changes nothing, and the record that follows gets just that status."""
    world.do(create_grant("g", "10"), *terms)
    before = (world.grants(), world.pool())
    answer = world.check(meter, quantity)
    assert (reason == "OK", reason) == (answer.allowed, answer.reason)
    assert before == (world.grants(), world.pool())
    assert reason == world.use(meter, quantity).status


def test_available_counts_only_grants_that_can_pay_for_the_meter(world: World) -> None:
    world.do(create_grant("g", "10"), create_grant("scoped", "5", scope=["seats"]))
    assert (world.check("calls").available, world.check("calls").units) == (1_000, 10)
    assert world.check("seats").available == 1_500
    assert world.available == 1_500


def test_partial_is_allowed_while_anything_can_be_burned(world: World) -> None:
    world.do(create_grant("g", 1), policy("partial"))
    assert world.check("calls", 5).allowed
    world.use("calls", 5)
    assert world.check("calls", 5).reason == "INSUFFICIENT"


@pytest.mark.parametrize(
    ("credits", "per", "units"),
    [("1", "1", 10), ("3", "1", 3), ("0.0375", "1000", 266_800), ("0", "1", I64_MAX)],
)
def test_units_is_the_largest_quantity_whose_price_fits(
    world: World, credits: str, per: str, units: int
) -> None:
    """At 0.0375 per 1,000 the largest that still rounds to 10.00 is 266,800: 1000.5 ties to even."""
    world.do(create_grant("g", "10"), set_rate("bytes", credits=credits, per=per))
    assert units == world.check("bytes").units
    if units < I64_MAX:
        assert world.use("bytes", units + 1).status == "INSUFFICIENT"
    assert world.use("bytes", units).status == "OK"


def test_units_depend_on_the_tier_position(world: World) -> None:
    world.do(
        create_grant("g", "10"), set_rate("bytes", tiers=[{"up_to": "5", "credits": "1"}, {"credits": "2"}])
    )
    assert world.check("bytes").units == 7
    world.use("bytes", 4)
    assert world.check("bytes").units == 3


def test_units_do_not_count_headroom(world: World) -> None:
    world.do(create_grant("g", "2"), policy("overdraft", limit="5"))
    assert (world.check("calls", 7).allowed, world.check("calls", 7).units) == (True, 2)


@pytest.mark.parametrize(
    "price",
    [
        {"credits": "0"},
        {"credits": "0", "package": True},
        {"tiers": [{"up_to": "5", "credits": "0"}, {"credits": "0"}]},
    ],
    ids=["flat", "package", "tiered"],
)
def test_what_is_free_stays_so_under_debt(world: World, price: dict[str, Any]) -> None:
    """The pool is overdrawn by another meter: any quantity of a free one is allowed, and says so."""
    world.do(create_grant("g", "2"), policy("overdraft", limit="5"), set_rate("bytes", **price))
    world.use("calls", 4)
    answer = world.check("bytes", 1_000)
    assert (answer.allowed, answer.available, answer.units) == (True, -200, I64_MAX)
    assert world.check("calls", 1).units == 0
    assert world.use("bytes", 1_000).status == "OK"


@pytest.mark.parametrize("aggregation", ["count", "max", "last"])
def test_a_free_meter_that_is_no_sum_stays_so_under_debt(world: World, aggregation: str) -> None:
    world.do(
        {"type": "create_meter", "key": "lines", "aggregation": aggregation},
        create_grant("g", "2"),
        policy("overdraft", limit="5"),
        set_rate("lines", credits="0"),
    )
    world.use("calls", 4)
    world.use("lines", 7)
    assert world.check("lines").allowed
    # The reference tells no units where quantity is ignored.
    assert world.check("lines").units in (I64_MAX, None)


def test_check_prices_by_dimensions_and_now(world: World) -> None:
    """0.5 per 1,000 on 10.00: the largest that still rounds to 1,000 units is 20,010 (tie to even)."""
    world.do(create_grant("g", "10"), set_rate("calls", credits="9", valid_from=NOON + 1))
    assert world.check("tokens", 1, (("model", "large"),)).units == 20_010
    assert world.check("calls").units == 10
