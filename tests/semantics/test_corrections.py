"""Corrections (§7): of a usage event only the difference moves, back the way it came."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.model.engine_world import EngineWorld
from tests.model.reference_ledger import Event
from tests.model.worlds import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    World,
    advance,
    catalog,
    create_grant,
    policy,
    set_rate,
    suspend,
    void,
)

TIERS = [{"up_to": "10", "credits": "1"}, {"up_to": "20", "credits": "0.5"}, {"credits": "0.25"}]


def correction(event_id: str, quantity: int | None = None, **fields: Any) -> dict[str, Any]:
    command = {"type": "correct", "account": "acme", "event_id": event_id, **fields}
    return command if quantity is None else {**command, "quantity": quantity}


def correct(world: World, event_id: str, quantity: int | None = None, **fields: Any) -> dict[str, Any]:
    return world.execute([correction(event_id, quantity, **fields)])[0]


def moved(outcome: dict[str, Any]) -> tuple[str, int, int, int]:
    return outcome["status"], outcome["charged"], outcome["difference"], outcome["returned"]


def test_less_comes_back_to_the_grants_in_reverse_draw_order(world: World) -> None:
    world.do(create_grant("first", "3", priority=1), create_grant("second", "9"))
    world.use("calls", 5, event_id="e")
    assert moved(correct(world, "e", 4)) == ("OK", 400, -100, 100)
    assert (world.of("first"), world.of("second")) == (("exhausted", 0, 300), ("active", 800, 100))
    assert moved(correct(world, "e", 1)) == ("OK", 100, -300, 300)
    assert (world.of("first"), world.of("second")) == (("active", 200, 100), ("active", 900, 0))
    assert world.conserves()


def test_more_is_charged_as_late_usage(world: World) -> None:
    world.do(create_grant("g", "10"))
    world.use("calls", 2, event_id="e")
    assert moved(correct(world, "e", 7)) == ("OK", 700, 500, 0)
    assert world.available == 300


def test_more_falls_on_a_grant_that_was_valid_then_within_the_late_grace(world: World) -> None:
    world.do(create_grant("brief", "10", expires_at=NOON + MINUTE), create_grant("long", "10"))
    world.use("calls", 1, event_id="e")
    world.do(advance(NOON + 2 * MINUTE))
    correct(world, "e", 4)
    assert world.of("brief")[2] == 400
    world.do(advance(NOON + 2 * HOUR))
    correct(world, "e", 6)
    assert (world.of("brief")[2], world.of("long")[2]) == (400, 200)


def test_more_is_all_or_nothing_under_partial_too(world: World) -> None:
    world.do(create_grant("g", "3"), policy("partial"))
    world.use("calls", 2, event_id="e")
    assert correct(world, "e", 5)["status"] == "INSUFFICIENT"
    assert world.of("g") == ("active", 100, 200)


def test_the_uncovered_part_is_unwound_first_and_costs_nothing(world: World) -> None:
    world.do(create_grant("g", "3"), policy("partial"))
    taken = world.use("calls", 5, event_id="e")
    assert (taken.charged, taken.uncovered) == (300, 200)
    assert moved(correct(world, "e", 3)) == ("OK", 300, 0, 0)
    assert moved(correct(world, "e", 2)) == ("OK", 200, -100, 100)


def test_overage_is_unwound_before_grants(world: World) -> None:
    world.do(create_grant("g", "3"), policy("overage", price="0.1"))
    world.use("calls", 5, event_id="e")
    assert moved(correct(world, "e", 4)) == ("OK", 400, -100, 0)
    assert world.pool().overage == 100
    assert moved(correct(world, "e", 2)) == ("OK", 200, -200, 100)
    assert world.pool().overage == 0
    assert world.conserves()


def test_open_debt_of_the_meter_is_unwound_first(world: World) -> None:
    world.do(policy("overdraft", limit="10"))
    world.use("calls", 4, event_id="e")
    assert moved(correct(world, "e", 1)) == ("OK", 100, -300, 0)
    assert world.pool().overdraft == 100


def test_paid_debt_comes_back_to_the_grant_that_paid_it_last(world: World) -> None:
    world.do(policy("overdraft", limit="10"))
    world.use("calls", 6, event_id="e")
    world.do(create_grant("one", "2"), create_grant("two", "3"))
    assert world.pool().overdraft == 100
    outcome = correct(world, "e", 3)
    assert moved(outcome) == ("OK", 300, -300, 200)
    assert (world.of("one")[2], world.of("two")[2]) == (200, 100)
    correct(world, "e", cancel=True)
    assert (world.of("one")[2], world.of("two")[2], world.available) == (0, 0, 500)
    assert world.conserves()


def test_what_comes_back_pays_the_open_debt_of_another_meter(world: World) -> None:
    world.do(policy("overdraft", limit="20"), create_grant("g", "5"))
    world.use("calls", 5, event_id="e")
    world.use("seats", 1)
    assert world.pool().overdraft == 250
    correct(world, "e", 1)
    assert (world.pool().overdraft, world.available) == (0, 150)


def test_what_comes_back_to_a_voided_grant_is_forfeited(world: World) -> None:
    world.do(create_grant("g", "10"))
    world.use("calls", 6, event_id="e")
    world.do(void("g"))
    assert moved(correct(world, "e", 2)) == ("OK", 200, -400, 400)
    view = world.grants()["g"]
    assert (view.state, view.remaining, view.burned, view.voided) == ("voided", 0, 200, 800)
    assert world.available == 0


def test_what_comes_back_to_an_expired_grant_becomes_breakage(world: World) -> None:
    world.do(create_grant("g", "10", expires_at=NOON + HOUR))
    world.use("calls", 6, event_id="e")
    world.do(advance(NOON + HOUR))
    correct(world, "e", 5)
    view = world.grants()["g"]
    assert (view.state, view.remaining, view.burned, view.expired) == ("expired", 500, 500, 0)
    assert world.available == 0
    world.do(advance(NOON + 3 * HOUR))
    correct(world, "e", 4)
    world.sweep()
    view = world.grants()["g"]
    assert (view.remaining, view.burned, view.expired) == (0, 400, 600)
    assert world.conserves()


@pytest.mark.parametrize("ended", ["voided", "expired"])
def test_regrant_carries_on_what_came_back_to_a_grant_that_is_over(engine: EngineWorld, ended: str) -> None:
    engine.do(create_grant("g", "10", expires_at=NOON + HOUR, category="promotional", priority=7))
    engine.use("calls", 6, event_id="e")
    engine.do(void("g") if ended == "voided" else advance(NOON + HOUR))
    outcome = correct(engine, "e", 2, regrant=True)
    assert moved(outcome) == ("OK", 200, -400, 400)
    (new_id,) = outcome["regranted"]
    new, old = engine.grants()[new_id], engine.grants()["g"]
    assert (new.state, new.amount, new.remaining, old.moved, old.burned) == ("active", 400, 400, 400, 200)
    assert engine.available == outcome["available"] == 400
    assert engine.conserves()


def test_regrant_changes_nothing_where_the_grant_is_still_valid(engine: EngineWorld) -> None:
    engine.do(create_grant("g", "10"))
    engine.use("calls", 6, event_id="e")
    assert correct(engine, "e", 2, regrant=True)["regranted"] == []
    assert engine.of("g") == ("active", 800, 200)


def test_price_and_tier_position_are_the_events_own(world: World) -> None:
    world.do(create_grant("g", "1000"), set_rate("bytes", tiers=TIERS))
    world.use("bytes", 8, event_id="first")
    world.use("bytes", 8, event_id="second")
    assert moved(correct(world, "second", 2)) == ("OK", 200, -300, 200 + 100)
    assert moved(correct(world, "first", 12))[:3] == ("OK", 1_100, 300)
    assert world.use("bytes", 6).charged == 300, "position 14 now"


def test_a_later_rate_does_not_touch_the_event(world: World) -> None:
    world.do(create_grant("g", "1000"))
    world.use("calls", 5, event_id="e", time=NOON - HOUR)
    world.do(set_rate("calls", credits="9", valid_from=NOON - 2 * HOUR))
    assert moved(correct(world, "e", 4))[:3] == ("OK", 400, -100)


def test_each_price_is_rounded_never_the_difference(world: World) -> None:
    world.do(create_grant("g", "10"), set_rate("bytes", credits="0.005"))
    assert world.use("bytes", 3, event_id="e").charged == 2
    assert moved(correct(world, "e", 2))[:3] == ("OK", 1, -1)
    assert moved(correct(world, "e", 1))[:3] == ("OK", 0, -1)


def test_without_an_id_the_present_quantity_is_a_duplicate(world: World) -> None:
    world.do(create_grant("g", "10"))
    world.use("calls", 5, event_id="e")
    assert correct(world, "e", 5)["status"] == "DUPLICATE"
    assert correct(world, "e", 3)["status"] == "OK"
    assert correct(world, "e", 3)["status"] == "DUPLICATE"
    assert world.available == 700


def test_a_correction_id_makes_a_repeat_safe(world: World) -> None:
    world.do(create_grant("g", "10"))
    world.use("calls", 5, event_id="e")
    assert correct(world, "e", 3, correction_id="c1")["status"] == "OK"
    assert correct(world, "e", 4, correction_id="c2")["status"] == "OK"
    assert correct(world, "e", 3, correction_id="c1")["status"] == "DUPLICATE"
    assert correct(world, "e", 2, correction_id="c1")["status"] == "CONFLICT"
    assert world.available == 600


def test_cancel_is_final(world: World) -> None:
    world.do(create_grant("g", "10"))
    world.use("calls", 5, event_id="e")
    assert moved(correct(world, "e", cancel=True)) == ("OK", 0, -500, 500)
    assert correct(world, "e", cancel=True)["status"] == "DUPLICATE"
    assert correct(world, "e", 5)["status"] == "CONFLICT"
    assert world.use("calls", 5, event_id="e").status == "DUPLICATE", "the id stays used up"


def test_a_direct_debit_is_corrected_in_credits(world: World) -> None:
    world.do(create_grant("g", "10"))
    world.use("credits", 500, event_id="e", direct=True)
    assert moved(correct(world, "e", credits="2")) == ("OK", 200, -300, 300)
    assert correct(world, "e", 1)["status"] == "INVALID"
    world.use("calls", 1, event_id="metered")
    assert correct(world, "metered", credits="1")["status"] == "INVALID"


def test_a_suspended_account_may_be_corrected(world: World) -> None:
    world.do(create_grant("g", "10"))
    world.use("calls", 5, event_id="e")
    world.do(suspend())
    assert correct(world, "e", 7)["status"] == "OK"


def test_below_the_floor_an_event_is_unknown(world: World) -> None:
    world.do(create_grant("g", "10"))
    world.use("calls", 5, event_id="e")
    world.do(advance(NOON + 34 * DAY))
    assert correct(world, "e", 4)["status"] == "OK"
    world.do(advance(NOON + 36 * DAY))
    assert correct(world, "e", 3)["status"] == "EVENT_UNKNOWN"
    assert correct(world, "never", 3)["status"] == "EVENT_UNKNOWN"


@pytest.mark.parametrize(
    "fields", [{}, {"quantity": 1, "cancel": True}, {"quantity": -1}, {"quantity": 1, "credits": "1"}]
)
def test_a_correction_says_exactly_one_thing(world: World, fields: dict[str, Any]) -> None:
    world.do(create_grant("g", "10"))
    world.use("calls", 5, event_id="e")
    assert correct(world, "e", **fields)["status"] == "INVALID"


def test_a_refused_group_corrects_nothing(engine: EngineWorld) -> None:
    engine.do(create_grant("g", "10"))
    engine.use("calls", 5, event_id="e")
    group = [correction("e", 3, correction_id="c"), correction("e", 2), correction("never", 1)]
    assert engine.try_do(*group)[2] == "EVENT_UNKNOWN"
    assert engine.of("g") == ("active", 500, 500)
    assert engine.try_do(*group[:2]) == ["OK", "OK"], "the id was not used up, and the second sees the first"
    assert engine.of("g") == ("active", 800, 200)


def test_corrections_survive_a_restart(engine: EngineWorld) -> None:
    engine.do(policy("overdraft", limit="10"))
    engine.use("calls", 6, event_id="e")
    engine.do(create_grant("g", "4"))
    correct(engine, "e", 5, correction_id="c")
    engine.reopen()
    assert correct(engine, "e", 5, correction_id="c")["status"] == "DUPLICATE"
    assert correct(engine, "e", 5)["status"] == "DUPLICATE"
    assert moved(correct(engine, "e", 2)) == ("OK", 200, -300, 200)
    assert (engine.pool().overdraft, engine.available) == (0, 200)
    assert engine.conserves()


def aggregates(world: EngineWorld) -> EngineWorld:
    world.do(
        {"type": "create_meter", "key": "peak", "aggregation": "max"},
        {"type": "create_meter", "key": "storage", "aggregation": "last"},
        {"type": "create_meter", "key": "users", "aggregation": "unique", "unique_of": "user"},
        *(set_rate(meter, credits="1") for meter in ("peak", "storage", "users")),
        create_grant("g", "1000"),
    )
    return world


def test_max_burns_what_the_others_leave(engine: EngineWorld) -> None:
    """5, 8 and 10 burned 5, 3 and 2: only the highest decides what comes back."""
    aggregates(engine)
    for quantity in (5, 8, 10):
        engine.use("peak", quantity, event_id=f"e{quantity}")
    assert moved(correct(engine, "e8", 1)) == ("OK", 300, 0, 0)
    assert moved(correct(engine, "e10", 9)) == ("OK", 100, -100, 100)
    assert moved(correct(engine, "e10", cancel=True)) == ("OK", 0, -100, 100)
    assert engine.use("peak", 9).charged == 100
    assert engine.conserves()


def test_last_falls_back_to_the_one_before(engine: EngineWorld) -> None:
    aggregates(engine)
    engine.use("storage", 4, event_id="e1", time=NOON - 2 * HOUR)
    engine.use("storage", 9, event_id="e2", time=NOON - HOUR)
    assert moved(correct(engine, "e2", cancel=True)) == ("OK", 0, -500, 500)
    assert engine.use("storage", 6).charged == 200


def test_a_unique_value_that_no_event_has_any_more_is_free_again(engine: EngineWorld) -> None:
    aggregates(engine)
    ann = (("user", "ann"),)
    engine.use("users", 1, event_id="e1", dimensions=ann)
    engine.use("users", 1, event_id="e2", dimensions=ann)
    assert correct(engine, "e2", cancel=True)["difference"] == 0
    assert correct(engine, "e1", cancel=True)["difference"] == -100
    engine.reopen()
    assert engine.use("users", 1, dimensions=ann).charged == 100


def test_a_correction_of_a_closed_period_names_it(engine: EngineWorld) -> None:
    """The control plane makes an adjustment line of it, never an edit."""
    engine.do(policy("overage", price="0.1"))
    engine.use("calls", 5, event_id="e")
    engine.do(advance(NOON + 20 * DAY))
    correct(engine, "e", 3)
    page = engine.side.query(type="ledger", account="acme", kinds=["corrected"])
    entry = next(entry for entry in page["entries"] if entry["kind"] == "corrected")
    june = 1_748_736_000_000_000
    assert (entry["facts"]["period"], entry["amounts"]["overage"], entry["charged"]) == (june, -200, -200)


def test_corrections_beside_running_usage_lose_nothing(engine: EngineWorld) -> None:
    """What a correction reads changes under it, and it reads again; cancelled all, nothing is burned."""
    aggregates(engine)
    for number in range(20):
        engine.use("peak", 5 * number, event_id=f"old-{number}")

    def ingest() -> None:
        for number in range(200):
            engine.side.record(Event(f"new-{number}", "acme", "peak", 7 * number % 150))

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ingest)
        for number in range(20):
            assert correct(engine, f"old-{number}", 3 * number + 1)["status"] == "OK"
        running.result()
    assert engine.conserves()
    engine.reopen()
    for event_id in [f"old-{n}" for n in range(20)] + [f"new-{n}" for n in range(200)]:
        assert correct(engine, event_id, cancel=True)["status"] == "OK"
    assert engine.of("g") == ("active", 100_000, 0)
    assert engine.use("peak", 3).charged == 300


def test_on_the_real_clock_a_correction_id_survives_a_restart(tmp_path: Path) -> None:
    world = EngineWorld(tmp_path / "real")
    world.do(*catalog(), {"type": "create_account", "account": "acme"}, create_grant("g", "10"))
    world.use("calls", 5, event_id="e")
    assert correct(world, "e", 3, correction_id="c")["status"] == "OK"
    for _ in range(2):
        world.reopen()
        assert correct(world, "e", 3, correction_id="c")["status"] == "DUPLICATE"
        assert correct(world, "e", 1, correction_id="c")["status"] == "CONFLICT"
        assert world.use("calls", 5, event_id="c").status in ("OK", "DUPLICATE"), "an id space of its own"
    assert moved(correct(world, "e", 2, correction_id="d")) == ("OK", 200, -100, 100)
    world.close()
