"""Thresholds in percent of what was granted (§12), with figures worked out by hand; 100 units a credit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.model.engine_world import EngineWorld
from tests.model.worlds import DAY, NOON, Command, World, advance, create_grant, void

Passage = tuple[str, str | int, int]
"""Kind without ``balance.``, the threshold as given (absolute: units), and its value in units."""


def thresholds(*given: str) -> Command:
    return {"type": "set_thresholds", "account": "acme", "credit_type": "credits", "thresholds": list(given)}


def passages(engine: EngineWorld) -> list[Passage]:
    """Of thresholds, as a relay sees them: only what is on disk, those of before a restart first."""
    engine.side.engine.wait_durable(engine.side.engine.applied_seq())
    rows: list[dict[str, Any]] = []
    cursor, following = -1, 0
    while cursor != following:
        cursor = following
        following, found = engine.side.engine.take_crossings(cursor, 1_000)
        rows += json.loads(found)
    low = [row for row in rows if row["kind"].startswith("balance.low")]
    given = [row.get("threshold_percent", row["threshold"]) for row in low]
    return [
        (row["kind"].removeprefix("balance."), each, row["threshold"])
        for row, each in zip(low, given, strict=True)
    ]


def spend(engine: EngineWorld, units: int) -> None:
    assert engine.use("credits", units, direct=True).status == "OK"


@pytest.fixture
def watched(engine: EngineWorld) -> EngineWorld:
    """1,000 credits until a day from now, and a threshold at 20 % of what was granted."""
    engine.do(create_grant("first", "1000", expires_at=NOON + DAY), thresholds("20%"))
    assert passages(engine) == []
    return engine


def test_low_is_at_a_fifth_of_the_grant_exactly_and_once(watched: EngineWorld) -> None:
    spend(watched, 799_99)
    assert passages(watched) == []
    spend(watched, 1)
    assert passages(watched) == [("low", "20%", 200_00)]
    spend(watched, 100_00)
    assert len(passages(watched)) == 1


def test_a_second_grant_lifts_it_and_the_end_of_the_first_lowers_it(watched: EngineWorld) -> None:
    """20 % of 1,500 is 300; of the 500 that are left, 100."""
    watched.do(create_grant("second", "500"))
    spend(watched, 1_199_99)
    assert passages(watched) == []
    spend(watched, 1)
    assert passages(watched) == [("low", "20%", 300_00)]
    # All 1,000 of the first and 200 of the second are spent: 300 are left, of 500 granted.
    watched.do(advance(NOON + DAY))
    assert passages(watched)[1:] == [("low_cleared", "20%", 100_00)]
    spend(watched, 199_99)
    assert len(passages(watched)) == 2
    spend(watched, 1)
    assert passages(watched)[2:] == [("low", "20%", 100_00)]


def test_an_expiry_with_credits_left_may_cross_by_itself(engine: EngineWorld) -> None:
    """100 of 1,100 are granted for good, and 15 of them are spent; 85 is below 90 % of the 100 that stay."""
    engine.do(
        create_grant("kept", "100", priority=1),
        create_grant("short", "1000", priority=9, expires_at=NOON + DAY),
        thresholds("10%", "90%"),
    )
    spend(engine, 15_00)
    assert passages(engine) == []
    engine.do(advance(NOON + DAY))
    assert passages(engine) == [("low", "90%", 90_00)]


def test_a_grant_counts_from_its_beginning_and_not_while_it_is_pending(engine: EngineWorld) -> None:
    engine.do(
        create_grant("now", "100"),
        create_grant("tomorrow", "900", effective_at=NOON + DAY),
        create_grant("unpaid", "1000", pending=True),
        thresholds("50%"),
    )
    spend(engine, 50_00)
    assert passages(engine) == [("low", "50%", 50_00)]
    engine.do(advance(NOON + DAY))
    # 950 are available, of 1,000 granted.
    assert passages(engine)[1:] == [("low_cleared", "50%", 500_00)]
    engine.do({"type": "release_grant", "account": "acme", "grant_id": "unpaid"})
    spend(engine, 950_00)
    assert passages(engine)[2:] == [("low", "50%", 1_000_00)]


def test_a_void_takes_what_was_granted_away(watched: EngineWorld) -> None:
    """600 of 1,000 are left, then 1,000 more come and go again: 20 % is 400, and 200."""
    watched.do(create_grant("gift", "1000"))
    spend(watched, 400_00)
    watched.do(void("gift"))
    assert passages(watched) == []
    spend(watched, 399_99)
    assert passages(watched) == []
    spend(watched, 1)
    assert passages(watched) == [("low", "20%", 200_00)]


def test_what_is_used_up_still_counts(engine: EngineWorld) -> None:
    """The value moves with grants, never with use: 30 and 70 are granted, the 30 are gone, 10 % stays 10."""
    engine.do(create_grant("a", "30", priority=1), create_grant("b", "70"), thresholds("10%"))
    spend(engine, 89_99)
    assert passages(engine) == []
    spend(engine, 1)
    assert passages(engine) == [("low", "10%", 10_00)]


def test_a_part_of_a_unit_is_rounded_down(engine: EngineWorld) -> None:
    """33.33 % of 0.10 is 3.333 units: 0.03."""
    engine.do(create_grant("g", "0.10"), thresholds("33.33%"))
    spend(engine, 6)
    assert passages(engine) == []
    spend(engine, 1)
    assert passages(engine) == [("low", "33.33%", 3)]


def test_absolute_ones_and_percentages_of_one_value_are_told_apart(watched: EngineWorld) -> None:
    """200.00 by either name: both pass, both recover, both pass again."""
    watched.do(thresholds("200", "20%", "500"))
    spend(watched, 800_00)
    both: list[Passage] = [("low", 500_00, 500_00), ("low", 200_00, 200_00), ("low", "20%", 200_00)]
    assert passages(watched) == both
    watched.do(create_grant("more", "1000"))
    # 1,200 are available; 20 % of 2,000 is 400.
    cleared: list[Passage] = [
        ("low_cleared", 500_00, 500_00),
        ("low_cleared", 200_00, 200_00),
        ("low_cleared", "20%", 400_00),
    ]
    assert passages(watched)[3:] == cleared
    spend(watched, 1_000_00)
    assert passages(watched)[6:] == [
        ("low", 500_00, 500_00),
        ("low", 200_00, 200_00),
        ("low", "20%", 400_00),
    ]


@pytest.mark.parametrize("with_checkpoint", [True, False], ids=["from the image", "from the journal"])
def test_a_restart_keeps_what_is_set_and_what_has_fired(watched: EngineWorld, with_checkpoint: bool) -> None:
    """Also where the transitions fell between: the journal is applied with other grants in force."""
    watched.do(create_grant("second", "500"), thresholds("20%", "50%", "1"))
    spend(watched, 1_200_00)
    watched.do(advance(NOON + DAY))
    before = passages(watched)
    assert before == [
        ("low", "50%", 750_00),
        ("low", "20%", 300_00),
        # 300 of 500 are left.
        ("low_cleared", "50%", 250_00),
        ("low_cleared", "20%", 100_00),
    ]
    digest = watched.side.engine.digest()
    if with_checkpoint:
        watched.side.engine.checkpoint()
    watched.reopen()
    assert digest == watched.side.engine.digest()
    shown = watched.side.query(type="balance", account="acme", credit_type="credits")
    assert (shown["thresholds"], shown["percent_thresholds"]) == ([1_00], ["50%", "20%"])
    spend(watched, 50_00)
    assert passages(watched) == [*before, ("low", "50%", 250_00)]
    spend(watched, 150_00)
    assert passages(watched)[5:] == [("low", "20%", 100_00)]


def test_a_percentage_that_stays_is_not_told_again(watched: EngineWorld) -> None:
    """Beside a level of credits of the same value, which is another one and is told."""
    spend(watched, 800_00)
    watched.do(thresholds("20%", "50%", "200"))
    assert passages(watched) == [
        ("low", "20%", 200_00),
        ("low", 200_00, 200_00),
        ("low", "50%", 500_00),
    ]


def test_what_is_given_twice_counts_once(engine: EngineWorld) -> None:
    engine.do(create_grant("g", "10"), thresholds("20%", "20.0%", "12.50%", "20.00%"))
    shown = engine.side.query(type="balance", account="acme", credit_type="credits")
    assert shown["percent_thresholds"] == ["20%", "12.5%"]
    spend(engine, 10_00)
    assert passages(engine) == [("low", "20%", 2_00), ("low", "12.5%", 1_25)]


@pytest.mark.parametrize(
    "given", ["0%", "0.00%", "100.01%", "101%", "-5%", "abc%", "%", "20%%", "1e1%", "0.001%", " 5%"]
)
def test_what_is_no_percentage_is_refused_by_name(world: World, given: str) -> None:
    """And changes nothing: those before still stand."""
    outcome = world.execute([thresholds("5", given)])[0]
    assert (outcome["status"], outcome["field"]) == ("INVALID", "thresholds")
    if "reason" in outcome:
        assert f"'{given}'" in outcome["reason"]
    assert world.execute([thresholds("5", "100%", "0.01%")])[0]["status"] == "OK"
