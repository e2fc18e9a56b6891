"""What a period's events come to (§5.8): `max`, `last` and `unique` values of one dimension.

An event burns what the period comes to with it, less what the others burned; a decrease gives nothing
back. Told on the engine; `tests/model` compares it with the reference besides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.model.engine_world import EngineWorld
from tests.model.worlds import DAY, HOUR, NOON, SECOND, advance, create_grant, policy, set_rate

TIERS = [{"up_to": "10", "credits": "1"}, {"up_to": "20", "credits": "0.5"}, {"credits": "0.25"}]


def meter(key: str, aggregation: str, **fields: Any) -> dict[str, Any]:
    return {"type": "create_meter", "key": key, "aggregation": aggregation, **fields}


def define(world: EngineWorld) -> EngineWorld:
    world.do(
        meter("peak", "max", quantity_scale=1, dimensions=["model"]),
        meter("storage", "last"),
        meter("users", "unique", unique_of="user"),
        set_rate("peak", credits="1"),
        set_rate("peak", credits="3", match={"model": "large"}),
        set_rate("storage", credits="1"),
        set_rate("users", credits="2"),
        create_grant("g", "100000"),
    )
    return world


@pytest.fixture
def rich(engine: EngineWorld) -> EngineWorld:
    return define(engine)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[EngineWorld]:
    """Counters of `unique` meters tell three values apart."""
    world = EngineWorld(tmp_path / "small", unique_values_max=3)
    world.begin()
    yield define(world)
    world.close()


def user(name: str) -> dict[str, Any]:
    return {"dimensions": (("user", name),)}


def test_max_burns_only_what_rises_above_the_period(rich: EngineWorld) -> None:
    charged = [rich.use("peak", quantity).charged for quantity in (50, 30, 50, 80, 79, 81)]
    assert charged == [500, 0, 0, 300, 0, 10]


def test_last_burns_the_rise_over_all_that_was_burned(rich: EngineWorld) -> None:
    """5 → 2 gives nothing back, and 2 → 4 was paid for when it was 5."""
    charged = [rich.use("storage", quantity).charged for quantity in (5, 2, 4, 6)]
    assert charged == [500, 0, 0, 100]


def test_last_is_by_event_time_not_by_arrival(rich: EngineWorld) -> None:
    assert rich.use("storage", 5, time=NOON - HOUR).charged == 500
    assert rich.use("storage", 9, time=NOON - 2 * HOUR).charged == 0
    assert rich.use("storage", 6, time=NOON - HOUR + 1).charged == 100


def test_of_two_at_one_time_the_later_seq_is_the_last(rich: EngineWorld) -> None:
    assert rich.use("storage", 5, time=NOON - HOUR).charged == 500
    assert rich.use("storage", 7, time=NOON - HOUR).charged == 200
    assert rich.use("storage", 9, time=NOON - HOUR - 1).charged == 0


def test_unique_burns_one_unit_for_each_new_value(rich: EngineWorld) -> None:
    names = ["ann", "bob", "ann", "Ann", "bob", "cy"]
    charged = [rich.use("users", 7, **user(name)).charged for name in names]
    assert charged == [200, 200, 0, 200, 0, 200]


def test_an_event_without_the_counted_dimension_counts_nothing(rich: EngineWorld) -> None:
    assert (rich.use("users", 1).status, rich.use("users", 1).charged) == ("OK", 0)
    assert rich.use("users", 1, dimensions=(("team", "red"),)).charged == 0


def test_an_empty_value_is_a_value(rich: EngineWorld) -> None:
    assert [rich.use("users", 1, **user("")).charged for _ in range(2)] == [200, 0]


def test_refused_events_do_not_count(engine: EngineWorld) -> None:
    define(engine)
    engine.do(
        {"type": "void_grant", "account": "acme", "grant_id": "g"},
        create_grant("little", "10"),
    )
    assert engine.use("peak", 200).status == "INSUFFICIENT"
    assert engine.use("storage", 11).status == "INSUFFICIENT"
    assert engine.use("storage", 10).charged == 1_000
    engine.do(create_grant("more", "15"))
    assert engine.use("peak", 150).charged == 1_500
    assert engine.use("storage", 10).charged == 0


def test_partly_covered_events_count_whole(engine: EngineWorld) -> None:
    define(engine)
    engine.do(
        {"type": "void_grant", "account": "acme", "grant_id": "g"},
        create_grant("little", "4"),
        policy("partial"),
    )
    taken = engine.use("storage", 10)
    assert (taken.status, taken.charged, taken.uncovered) == ("OK", 400, 600)
    engine.do(create_grant("more", "10"))
    assert engine.use("storage", 12).charged == 200


def test_aggregates_are_per_period_of_the_event(rich: EngineWorld) -> None:
    assert rich.use("peak", 50).charged == 500
    rich.do(advance(NOON + 20 * DAY))
    assert rich.use("peak", 30).charged == 300, "a new month"
    assert rich.use("peak", 60, time=NOON).charged == 100, "late usage counts in its own month"
    assert rich.use("peak", 31).charged == 10


def test_aggregates_are_per_match(rich: EngineWorld) -> None:
    large = (("model", "large"),)
    assert rich.use("peak", 50).charged == 500
    assert rich.use("peak", 40, dimensions=large).charged == 1_200
    assert rich.use("peak", 50, dimensions=large).charged == 300
    assert rich.use("peak", 51).charged == 10


def test_aggregated_units_take_their_place_in_tiers(rich: EngineWorld) -> None:
    rich.do(meter("level", "last"), set_rate("level", tiers=TIERS))
    charged = [rich.use("level", quantity).charged for quantity in (8, 15, 3, 15, 24)]
    assert charged == [800, 200 + 250, 0, 0, 250 + 100]


def test_beyond_its_limit_a_unique_counter_overflows(small: EngineWorld) -> None:
    statuses = [small.use("users", 1, **user(name)).status for name in ("a", "b", "c", "d", "a")]
    assert statuses == ["OK", "OK", "OK", "OVERFLOW", "OK"]
    assert small.check("users", 1, (("user", "d"),)).reason == "OVERFLOW"
    small.do(advance(NOON + 20 * DAY))
    assert small.use("users", 1, **user("d")).charged == 200, "each period begins anew"


def test_check_tells_what_a_record_would_burn(engine: EngineWorld) -> None:
    define(engine)
    engine.do({"type": "void_grant", "account": "acme", "grant_id": "g"}, create_grant("little", "12"))
    assert engine.use("storage", 5).charged == 500
    assert engine.check("storage", 12).allowed
    answer = engine.check("storage", 13)
    assert (answer.allowed, answer.reason, answer.units) == (False, "INSUFFICIENT", 12)
    assert engine.check("peak", 70).allowed and not engine.check("peak", 71).allowed
    assert engine.check("peak", 1).units == 70
    assert engine.use("users", 1, **user("ann")).charged == 200
    assert engine.use("storage", 10).charged == 500
    assert engine.available == 0
    assert engine.check("users", 1, (("user", "ann"),)).allowed
    assert not engine.check("users", 1, (("user", "bob"),)).allowed


def test_an_event_ahead_of_now_is_the_last_until_its_time(rich: EngineWorld) -> None:
    assert rich.use("storage", 5, time=NOON + 60 * SECOND).charged == 500
    assert rich.use("storage", 9).charged == 0
    assert rich.check("storage", 10**9).units == 2**63 - 1
    rich.do(advance(NOON + 60 * SECOND))
    assert rich.use("storage", 9).charged == 400


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"aggregation": "unique"}, "unique_of"),
        ({"aggregation": "sum", "unique_of": "user"}, "unique_of"),
        ({"aggregation": "max", "unique_of": "user"}, "unique_of"),
        ({"aggregation": "unique", "unique_of": ""}, "unique_of"),
    ],
)
def test_a_meter_that_cannot_be_counted_is_refused(
    engine: EngineWorld, fields: dict[str, Any], field: str
) -> None:
    outcome = engine.execute([{"type": "create_meter", "key": "m", **fields}])[0]
    assert (outcome["status"], outcome["field"]) == ("INVALID", field)


def test_aggregates_survive_a_restart(rich: EngineWorld) -> None:
    def story() -> list[int]:
        return [
            rich.use("peak", 50 + rich.serial).charged,
            rich.use("storage", 5 + rich.serial).charged,
            rich.use("users", 1, **user(f"u{rich.serial // 3}")).charged,
            rich.use("users", 1, **user("u0")).charged,
        ]

    story()
    rich.reopen()
    assert rich.use("peak", 10).charged == rich.use("storage", 1).charged == 0
    assert rich.use("users", 1, **user("u0")).charged == 0
    before = json.dumps(rich.side.query(type="balance", account="acme", credit_type="credits"))
    rich.reopen()
    assert before == json.dumps(rich.side.query(type="balance", account="acme", credit_type="credits"))
    assert rich.conserves()
