"""Void-and-replace and command groups (§4.10): one step, all or nothing."""

from __future__ import annotations

import pytest

from tests.model.reference_prices import I64_MAX
from tests.model.worlds import (
    DAY,
    NOON,
    World,
    advance,
    create_grant,
    grant,
    policy,
    set_rate,
    void,
    void_and_replace,
)


@pytest.mark.behaviour("S0-34")
@pytest.mark.behaviour("S0-36")
def test_the_old_grant_is_voided_and_the_new_one_stands_alone(world: World) -> None:
    """The balance is not the sum; purchased and promotional grants survive."""
    world.do(
        create_grant("plan", "100"),
        create_grant("bought", "7"),
        create_grant("promo", "3", category="promotional"),
    )
    world.use("calls", 3)
    world.use("calls", 20)
    world.do(void_and_replace(["plan"], grant("plan-2", "250")))
    old = world.grants()["plan"]
    assert (old.state, old.remaining, old.burned, old.voided) == ("voided", 0, 2_000, 8_000)
    assert world.of("plan-2") == ("active", 25_000, 0)
    assert world.of("bought") == ("active", 700, 0)
    assert world.available == 25_700
    assert world.conserves()


@pytest.mark.parametrize(
    ("formula", "carried"),
    [
        ({"min": "50"}, 5_000),
        ({"min": "70"}, 7_000),
        ({"min": "80"}, 7_000),
        ({"fraction": "0.5"}, 3_500),
        ({"fraction": "1"}, 7_000),
        ({"minus": "30"}, 4_000),
        ({"minus": 6_999}, 1),
    ],
    ids=str,
)
def test_an_amount_may_be_a_formula_over_what_is_free(
    world: World, formula: dict[str, str], carried: int
) -> None:
    """70 of 100 are free: what is carried is booked moved, the rest voided."""
    world.do(create_grant("old", "100"))
    world.use("calls", 30)
    world.do(void_and_replace(["old"], grant("new", {"of": "old", **formula})))
    old = world.grants()["old"]
    assert (0, 3_000, carried, 7_000 - carried) == (old.remaining, old.burned, old.moved, old.voided)
    assert ("active", carried, 0) == world.of("new")
    assert carried == world.available
    assert world.conserves()


def test_minus_below_zero_adds_to_what_is_free(world: World) -> None:
    """70 of 100 are free and 25 are added: the 70 are booked moved, nothing is voided, 25 are new."""
    world.do(create_grant("old", "100"))
    world.use("calls", 30)
    world.do(void_and_replace(["old"], grant("new", {"of": "old", "minus": "-25"})))
    old = world.grants()["old"]
    assert (old.remaining, old.burned, old.moved, old.voided) == (0, 3_000, 7_000, 0)
    assert world.of("new") == ("active", 9_500, 0)
    assert world.conserves()


@pytest.mark.parametrize(("free", "half"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_formulas_round_half_even(world: World, free: int, half: int) -> None:
    world.do(create_grant("old", free))
    world.do(void_and_replace(["old"], grant("new", {"of": "old", "fraction": "0.5"})))
    assert half == world.available
    assert free - half == world.grants()["old"].voided


def test_two_formulas_may_share_one_old_grant(world: World) -> None:
    """Part withdrawal: min(n, free) and max(0, free − n) are the whole."""
    world.do(create_grant("old", "10"))
    world.do(
        void_and_replace(
            ["old"], grant("part", {"of": "old", "min": "4"}), grant("rest", {"of": "old", "minus": "4"})
        )
    )
    assert [world.grants()[name].amount for name in ("part", "rest")] == [400, 600]
    assert (world.grants()["old"].moved, world.grants()["old"].voided) == (1_000, 0)
    assert world.conserves()


def test_a_formula_that_computes_zero_makes_no_grant_but_uses_up_its_id(world: World) -> None:
    world.do(create_grant("old", "3"))
    step = void_and_replace(["old"], grant("rest", {"of": "old", "minus": "3"}))
    world.do(step)
    assert list(world.grants()) == ["old"]
    assert world.try_do(step) == ["DUPLICATE"]
    assert world.try_do(create_grant("rest", "1")) == ["CONFLICT"]


def test_a_replacement_is_idempotent_by_its_new_ids(world: World) -> None:
    """Content is the formula as sent, whatever it would compute now."""
    world.do(create_grant("old", "10"))
    step = void_and_replace(["old"], grant("new", {"of": "old", "min": "4"}))
    world.do(step)
    world.use("calls", 1)
    before = world.grants()
    assert world.try_do(step) == ["DUPLICATE"]
    assert world.try_do(void_and_replace(["old"], grant("new", {"of": "old", "min": "5"}))) == ["CONFLICT"]
    assert before == world.grants()


def test_grants_already_voided_are_skipped(world: World) -> None:
    world.do(create_grant("a", "10"), create_grant("b", "10"), void("a"))
    world.do(void_and_replace(["a", "b"], grant("new", "1")))
    assert (world.available, world.grants()["a"].voided, world.grants()["b"].voided) == (100, 1_000, 1_000)


@pytest.mark.parametrize(
    ("step", "status"),
    [
        (void_and_replace(["old", "unheard-of"], grant("new", "1")), "GRANT_UNKNOWN"),
        (void_and_replace(["old"], grant("new", "0")), "INVALID"),
        (void_and_replace(["old"], grant("ok", "1"), grant("new", "1", priority=0)), "INVALID"),
        (void_and_replace(["old"], grant("new", {"of": "keep", "min": "1"})), "INVALID"),
        (void_and_replace(["old"], grant("new", {"of": "old", "fraction": "1.5"})), "INVALID"),
        (void_and_replace(["old"], grant("new", {"of": "old", "min": "1", "minus": "1"})), "INVALID"),
        (void_and_replace(["old"], grant("keep", "9")), "CONFLICT"),
    ],
    ids=[
        "unknown-old",
        "zero",
        "second-invalid",
        "formula-over-kept",
        "fraction-above-one",
        "two-forms",
        "id-taken",
    ],
)
def test_an_unknown_old_grant_or_an_invalid_new_one_refuses_all(
    world: World, step: dict[str, object], status: str
) -> None:
    world.do(create_grant("old", "10"), create_grant("keep", "5"))
    before = (world.grants(), world.pool())
    assert [status] == world.try_do(step)
    assert before == (world.grants(), world.pool())


def test_overflow_is_tested_after_the_voids(world: World) -> None:
    world.do(create_grant("old", I64_MAX))
    world.do(void_and_replace(["old"], grant("new", I64_MAX)))
    assert world.available == I64_MAX
    assert world.try_do(void_and_replace(["new"], grant("a", I64_MAX), grant("b", 1))) == ["OVERFLOW"]
    assert world.available == I64_MAX


def test_new_grants_of_a_replacement_settle_debt(world: World) -> None:
    world.do(policy("overdraft", limit="9"), create_grant("old", "1", scope=["seats"]))
    world.use("calls", 4)
    world.do(void_and_replace(["old"], grant("new", "10")))
    assert (world.of("new"), world.available) == (("active", 600, 400), 600)


def test_an_expired_remainder_can_be_rolled_before_it_is_booked(world: World) -> None:
    world.do(create_grant("old", "10", expires_at=NOON + DAY), advance(NOON + DAY))
    world.do(void_and_replace(["old"], grant("rolled", {"of": "old", "min": "6"}, source="rollover")))
    assert (world.available, world.grants()["old"].moved, world.grants()["old"].voided) == (600, 600, 400)
    assert world.conserves()


def test_a_group_is_all_or_nothing(world: World) -> None:
    """Rate table, policy and grants together; one refused command leaves none of them."""
    world.do(create_grant("old", "10"))
    world.do(set_rate("calls", table="plus", credits="2"))
    assign = {"type": "assign_rate_table", "account": "acme", "table": "plus"}
    group = [assign, policy("partial"), void_and_replace(["old"], grant("new", "3"))]
    assert world.try_do(*group, void("never")) == [
        "NOT_APPLIED",
        "NOT_APPLIED",
        "NOT_APPLIED",
        "GRANT_UNKNOWN",
    ]
    assert (world.available, world.use("calls", 1).status, world.use("calls", 1).charged) == (
        1_000,
        "OK",
        100,
    )
    assert world.try_do(*group) == ["OK", "OK", "OK"]
    taken = world.use("calls", 2)
    assert (taken.status, taken.charged, taken.uncovered) == ("OK", 300, 100)


def test_a_repeated_command_inside_a_group_does_not_refuse_it(world: World) -> None:
    world.do(create_grant("g", "1"))
    assert world.try_do(create_grant("g", "1"), create_grant("h", "1")) == ["DUPLICATE", "OK"]
    assert world.available == 200
