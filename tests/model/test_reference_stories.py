"""The reference against stories worked by hand: holds, corrections, aggregations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.worlds import (
    HOUR,
    MINUTE,
    NOON,
    Command,
    ReferenceWorld,
    advance,
    create_grant,
    policy,
    set_rate,
    void,
)


def reserve(reservation_id: str, **size: Any) -> Command:
    return {"type": "reserve", "account": "acme", "reservation_id": reservation_id, **size}


def settle(reservation_id: str, **size: Any) -> Command:
    return {"type": "settle", "account": "acme", "reservation_id": reservation_id, **size}


def release(reservation_id: str) -> Command:
    return {"type": "release", "account": "acme", "reservation_id": reservation_id}


def correct(event_id: str, **to: Any) -> Command:
    return {"type": "correct", "account": "acme", "event_id": event_id, **to}


@pytest.fixture
def world() -> ReferenceWorld:
    """Scale 2: one call costs 100."""
    return ReferenceWorld().begin()


def facts(outcome: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(outcome[name] for name in names)


def test_a_hold_takes_from_grants_in_burn_down_order_and_settles_below(world: ReferenceWorld) -> None:
    """A 3.00 expires first, B 5.00; hold 4 calls = A 300 + B 100; settle 1 call burns A 100."""
    world.do(create_grant("B", "5"), create_grant("A", "3", expires_at=NOON + HOUR))
    [held] = world.do(reserve("r", meter="calls", quantity=4))
    assert facts(held, "held", "headroom", "available") == (400, 0, 400)
    assert [world.grants()[g].held for g in "AB"] == [300, 100]
    [settled] = world.do(settle("r", quantity=1))
    assert facts(settled, "charged", "returned", "extra", "available") == (100, 300, 0, 700)
    assert world.of("A") == ("active", 200, 100)
    assert world.try_do(settle("r", quantity=1)) == ["DUPLICATE"]
    assert world.try_do(settle("r", quantity=2)) == ["CONFLICT"]
    assert world.try_do(release("r")) == ["CONFLICT"]


def test_a_settle_above_takes_free_grants_before_held_headroom(world: ReferenceWorld) -> None:
    """Hold 5 = A 3 + headroom 2; then B 1 arrives; settle 5 = A 3 + B 1 + overdraft 1, headroom 1 returns."""
    world.do(create_grant("A", "3"), policy("overdraft", limit="2"))
    [held] = world.do(reserve("r", meter="calls", quantity=5))
    assert facts(held, "held", "headroom", "available") == (300, 200, -200)
    assert world.try_do(reserve("s", meter="calls", quantity=1)) == ["LIMIT_REACHED"]
    world.do(policy("hard"), create_grant("B", "1"))
    [settled] = world.do(settle("r", quantity=5))
    assert facts(settled, "charged", "returned", "extra", "available") == (500, 100, 0, -100)
    assert world.pool().overdraft == 100
    assert world.conserves()


def test_a_refused_extra_leaves_the_hold_open(world: ReferenceWorld) -> None:
    world.do(create_grant("A", "3"), reserve("r", meter="calls", quantity=3))
    outcome = world.execute([settle("r", quantity=4)])[0]
    assert facts(outcome, "status", "shortfall") == ("INSUFFICIENT", 100)
    world.do(create_grant("B", "9"))
    assert world.try_do(settle("r", quantity=4, refuse_extra=True)) == ["INSUFFICIENT"]
    [settled] = world.do(settle("r", quantity=4))
    assert facts(settled, "charged", "extra", "available") == (400, 100, 800)


def test_a_held_part_outlives_expiry_and_void_and_is_then_lost(world: ReferenceWorld) -> None:
    """A expires at +1 min and is held 2; B is voided and held 2: 2 calls settle, the rest is lost."""
    world.do(create_grant("A", "2", expires_at=NOON + MINUTE), create_grant("B", "2"))
    world.do(reserve("r", meter="calls", quantity=4, ttl_us=3 * HOUR))
    assert world.do(void("B"))[0]["forfeited"] == 0
    world.do(advance(NOON + MINUTE + HOUR))
    assert world.of("A") == ("expired", 200, 0)
    [settled] = world.do(settle("r", quantity=1))
    assert facts(settled, "charged", "returned", "available") == (100, 300, 0)
    assert (world.grants()["A"].expired, world.grants()["B"].voided) == (100, 200)
    assert world.conserves()


def test_a_hold_lapses_at_its_instant_and_what_returns_settles_debt(world: ReferenceWorld) -> None:
    world.do(create_grant("A", "5"), reserve("r", meter="calls", quantity=5, ttl_us=MINUTE))
    assert world.use("calls", 2, force=True).status == "OK"
    assert world.pool().overdraft == 200
    world.do(advance(NOON + MINUTE - 1))
    assert world.pool().overdraft == 200
    world.do(advance(NOON + MINUTE))
    assert world.pool().overdraft == 0
    assert world.of("A") == ("active", 300, 200)
    assert world.try_do(settle("r", quantity=5)) == ["CONFLICT"]
    assert world.try_do(release("r")) == ["DUPLICATE"]


def test_a_partial_hold_is_what_there_is_and_settles_at_its_size(world: ReferenceWorld) -> None:
    world.do(create_grant("A", "3"), policy("partial"))
    [held] = world.do(reserve("r", meter="calls", quantity=5))
    assert facts(held, "held", "uncovered") == (300, 200)
    [settled] = world.do(settle("r", quantity=5))
    assert facts(settled, "charged", "uncovered", "extra") == (300, 200, 0)


def test_a_correction_returns_in_reverse_draw_order(world: ReferenceWorld) -> None:
    """6 calls = A 3 + B 2 + overdraft 1. To 2 calls: the debt, B whole, A 1 of it."""
    world.do(create_grant("A", "3", priority=1), create_grant("B", "2"), policy("overdraft", limit="9"))
    world.use("calls", 6, event_id="e")
    [corrected] = world.do(correct("e", quantity=2))
    assert facts(corrected, "charged", "difference", "returned") == (200, -400, 300)
    assert (world.of("A")[1:], world.of("B")[1:], world.pool().overdraft) == ((100, 200), (200, 0), 0)
    assert world.try_do(correct("e", quantity=2)) == ["DUPLICATE"]
    [cancelled] = world.do(correct("e", cancel=True))
    assert facts(cancelled, "charged", "returned", "available") == (0, 200, 500)
    assert world.try_do(correct("e", cancel=True)) == ["DUPLICATE"]
    assert world.try_do(correct("e", quantity=1)) == ["CONFLICT"]
    assert world.conserves()


def test_a_correction_of_settled_debt_returns_to_who_settled_it_latest_first(world: ReferenceWorld) -> None:
    """Debt 3 settled by B 2, then C 1; one call less returns C's."""
    world.do(policy("overdraft", limit="9"))
    world.use("calls", 3, event_id="e")
    world.do(create_grant("B", "2"), create_grant("C", "5"))
    world.do(correct("e", quantity=2))
    assert (world.of("B")[1:], world.of("C")[1:]) == ((0, 200), (500, 0))
    world.do(correct("e", cancel=True))
    assert (world.of("B")[1:], world.of("C")[1:]) == ((200, 0), (500, 0))
    assert world.conserves()


def test_a_larger_correction_is_late_usage_all_or_nothing(world: ReferenceWorld) -> None:
    """The grant valid at the event's time pays although it has expired since, within the grace."""
    world.do(create_grant("A", "3", expires_at=NOON + MINUTE), policy("partial"))
    world.use("calls", 1, event_id="e")
    world.do(advance(NOON + MINUTE), create_grant("B", "1"))
    assert world.try_do(correct("e", quantity=5)) == ["INSUFFICIENT"]
    world.do(correct("e", quantity=4))
    assert (world.of("A")[1:], world.of("B")[1:]) == ((0, 300), (0, 100))


def test_a_correction_keeps_the_tier_position_of_its_event(world: ReferenceWorld) -> None:
    """Tiers: first 2 at 1, then 0.5. Events 1, 2, then the first to 3: T(3) − T(0) = 250."""
    tiers = [{"up_to": "2", "credits": "1"}, {"credits": "0.5"}]
    world.do(set_rate("bytes", tiers=tiers), create_grant("A", "100"))
    assert world.use("bytes", 1, event_id="e").charged == 100
    assert world.use("bytes", 2).charged == 150
    [corrected] = world.do(correct("e", quantity=3))
    assert corrected["charged"] == 250
    assert world.use("bytes", 1).charged == 50


@pytest.mark.parametrize(
    ("aggregation", "charges"),
    [("max", [300, 0, 200, 0]), ("last", [300, 0, 200, 0]), ("sum", [300, 200, 500, 100])],
)
def test_aggregations_burn_what_they_add_to_the_period(
    world: ReferenceWorld, aggregation: str, charges: list[int]
) -> None:
    """Quantities 3, 2, 5, 1 at one credit each: a decrease gives nothing back."""
    world.do({"type": "create_meter", "key": "peak", "aggregation": aggregation})
    world.do(set_rate("peak", credits="1"), create_grant("A", "100"))
    assert [world.use("peak", quantity).charged for quantity in (3, 2, 5, 1)] == charges


def test_unique_burns_one_unit_for_each_new_value(world: ReferenceWorld) -> None:
    meter = {"key": "users", "aggregation": "unique", "dimensions": ["user"], "unique_of": "user"}
    world.do({"type": "create_meter", **meter}, set_rate("users", credits="1"), create_grant("A", "100"))
    used = [world.use("users", 9, dimensions=(("user", name),)) for name in ("ann", "bob", "ann", "cy")]
    assert [outcome.charged for outcome in used] == [100, 100, 0, 100]


def test_last_goes_by_event_time_then_order(world: ReferenceWorld) -> None:
    """5 at NOON, 9 an hour earlier counts nothing, 7 at NOON again is later in order."""
    world.do({"type": "create_meter", "key": "level", "aggregation": "last"})
    world.do(set_rate("level", credits="1"), create_grant("A", "100", effective_at=NOON - 2 * HOUR))
    used = [world.use("level", 5), world.use("level", 9, time=NOON - HOUR), world.use("level", 7)]
    assert [outcome.charged for outcome in used] == [500, 0, 200]
