"""Crossings (§12): one per transition, out of the debit itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.model.engine_world import EngineWorld
from tests.model.worlds import (
    DAY,
    NOON,
    advance,
    create_grant,
    grant,
    policy,
    void,
    void_and_replace,
)


def durable_crossings(engine: EngineWorld, cursor: int, limit: int = 1_000) -> tuple[int, bytes]:
    """What a relay sees: only what is on disk, so wait for it."""
    engine.side.engine.wait_durable(engine.side.engine.applied_seq())
    return engine.side.engine.take_crossings(cursor, limit)


def crossings(engine: EngineWorld) -> list[tuple[str, int | None]]:
    """Kind and threshold of every crossing of the pool so far."""
    _cursor, found = durable_crossings(engine, 0)
    rows: list[dict[str, Any]] = json.loads(found)
    assert all(row["account"] == "acme" and row["credit_type"] == "credits" for row in rows)
    return [(row["kind"], row.get("threshold") if row["kind"] == "balance.low" else None) for row in rows]


@pytest.fixture
def watched(engine: EngineWorld) -> EngineWorld:
    """10.00 credits, thresholds at 5.00 and 2.00."""
    thresholds = {
        "type": "set_thresholds",
        "account": "acme",
        "credit_type": "credits",
        "thresholds": ["5", "2"],
    }
    engine.do(create_grant("g", "10"), thresholds)
    assert [kind for kind, _ in crossings(engine) if kind in ("balance.low", "balance.depleted")] == []
    return engine


def test_low_is_at_the_threshold_and_once(watched: EngineWorld) -> None:
    """available <= threshold: 5.01 is not low, 5.00 is, and every use below says nothing more."""
    watched.use("credits", 499, direct=True)
    assert ("balance.low", 500) not in crossings(watched)
    watched.use("credits", 1, direct=True)
    assert [c for c in crossings(watched) if c[0] == "balance.low"] == [("balance.low", 500)]
    watched.use("calls", 1)
    watched.use("calls", 1)
    assert [c for c in crossings(watched) if c[0] == "balance.low"] == [("balance.low", 500)]


def test_one_debit_may_cross_several(watched: EngineWorld) -> None:
    watched.use("calls", 10)
    seen = crossings(watched)
    assert {("balance.low", 500), ("balance.low", 200), ("balance.depleted", None)} <= set(seen)
    assert len([c for c in seen if c[0] in ("balance.low", "balance.depleted")]) == 3


def test_depleted_is_at_zero_and_once(watched: EngineWorld) -> None:
    watched.do(policy("overdraft", limit="9"))
    watched.use("credits", 999, direct=True)
    assert ("balance.depleted", None) not in crossings(watched)
    watched.use("credits", 1, direct=True)
    watched.use("calls", 1)
    assert crossings(watched).count(("balance.depleted", None)) == 1


def test_recovered_follows_depleted(watched: EngineWorld) -> None:
    watched.use("calls", 10)
    watched.do(create_grant("top-up", "10"))
    assert crossings(watched).count(("balance.recovered", None)) == 1
    watched.use("calls", 10)
    assert crossings(watched).count(("balance.depleted", None)) == 2
    assert crossings(watched).count(("balance.low", 500)) == 2


@pytest.mark.parametrize("how", ["void", "expiry"])
def test_what_leaves_the_balance_otherwise_crosses_too(engine: EngineWorld, how: str) -> None:
    engine.do(create_grant("g", "10", expires_at=NOON + DAY))
    engine.do(void("g") if how == "void" else advance(NOON + DAY))
    assert crossings(engine).count(("balance.depleted", None)) == 1


def test_a_refused_use_crosses_nothing(watched: EngineWorld) -> None:
    before = crossings(watched)
    assert watched.use("calls", 11).status == "INSUFFICIENT"
    assert before == crossings(watched)


@pytest.mark.parametrize("order", [["g"], ["g", "other"], ["other", "g"]], ids="-".join)
def test_a_replacement_is_one_change_of_the_balance(watched: EngineWorld, order: list[str]) -> None:
    """What it voids before it grants was never the balance: 13.00, then 30.00, cross nothing."""
    watched.do(create_grant("other", "3"))
    watched.do(void_and_replace(order, grant("new", "30")))
    assert crossings(watched) == []


def test_a_replacement_crosses_what_lies_between_before_and_after(watched: EngineWorld) -> None:
    """From 10.00 to 4.00 the one level between is passed, and on the way back it is left, each once."""
    watched.do(void_and_replace(["g"], grant("small", "4")))
    assert crossings(watched) == [("balance.low", 500)]
    watched.do(void_and_replace(["small"], grant("large", "10")))
    assert crossings(watched)[1:] == [("balance.low_cleared", None)]
    watched.do(void_and_replace(["large"]))
    assert crossings(watched)[2:] == [("balance.low", 500), ("balance.low", 200), ("balance.depleted", None)]


def test_a_replacement_crosses_in_the_pool_it_takes_from(watched: EngineWorld) -> None:
    """The new grant is of another credit type: the balance of the old one is gone."""
    watched.do(void_and_replace(["g"], grant("dollars", "10", credit_type="usd")))
    assert [kind for kind, _ in crossings(watched)] == ["balance.low", "balance.low", "balance.depleted"]


def test_a_part_that_moves_to_another_account_crosses_nothing(watched: EngineWorld) -> None:
    """1.00 of 10.00 leaves, so 9.00 stay: neither account came to a level."""
    watched.do({"type": "create_account", "account": "globex", "test_clock": NOON})
    leave = {
        **void_and_replace(["g"], grant("rest", {"of": "g", "minus": "1"})),
        "move_out": [{"of": "g", "amount": "1"}],
    }
    assert watched.try_do(leave, create_grant("part", "1", to="globex")) == ["OK", "OK"]
    assert watched.available == 900
    assert crossings(watched) == []


def test_thresholds_that_stay_are_not_told_again(watched: EngineWorld) -> None:
    """One per transition: the list once more, or with one more level, says nothing of those told before."""
    levels = {"type": "set_thresholds", "account": "acme", "credit_type": "credits"}
    watched.use("calls", 9)
    told = [("balance.low", 500), ("balance.low", 200)]
    assert told == crossings(watched)
    watched.do({**levels, "thresholds": ["5", "2"]})
    assert told == crossings(watched)
    watched.do({**levels, "thresholds": ["5", "2", "1.5", "0.5"]})
    assert [*told, ("balance.low", 150)] == crossings(watched)
    watched.do(create_grant("more", "9"))
    assert [kind for kind, _ in crossings(watched)[3:]] == ["balance.low_cleared"] * 3
    watched.use("calls", 6)
    assert crossings(watched)[6:] == [("balance.low", 500)]


def test_what_was_told_of_thresholds_that_stay_outlives_a_restart(watched: EngineWorld) -> None:
    """The list was set twice before; the level that was told then is not told after the start."""
    watched.use("calls", 6)
    watched.do({"type": "set_thresholds", "account": "acme", "credit_type": "credits", "thresholds": ["5"]})
    digest = watched.side.engine.digest()
    watched.reopen()
    assert digest == watched.side.engine.digest()
    cursor, _ = durable_crossings(watched, 0)
    watched.use("calls", 1)
    assert json.loads(durable_crossings(watched, cursor)[1]) == []


def test_a_threshold_that_was_gone_for_a_while_is_new(watched: EngineWorld) -> None:
    """Set again below the level, it says at once that the balance is low."""
    levels = {"type": "set_thresholds", "account": "acme", "credit_type": "credits"}
    watched.use("calls", 6)
    watched.do({**levels, "thresholds": ["2"]}, {**levels, "thresholds": ["5", "2"]})
    assert crossings(watched) == [("balance.low", 500), ("balance.low", 500)]


def test_the_cursor_reads_on_where_it_stopped(watched: EngineWorld) -> None:
    """After a restart as well: each crossing is read once by a relay that keeps its cursor."""
    watched.use("calls", 6)
    cursor, found = durable_crossings(watched, 0)
    assert [row["threshold"] for row in json.loads(found) if row["kind"] == "balance.low"] == [500]
    watched.reopen()
    watched.use("calls", 4)
    cursor, found = durable_crossings(watched, cursor)
    kinds = [row["kind"] for row in json.loads(found)]
    assert sorted(kinds) == ["balance.depleted", "balance.low"]
    _cursor, found = durable_crossings(watched, cursor)
    assert json.loads(found) == []


def test_crossings_of_before_a_restart_are_read_from_the_journal(watched: EngineWorld) -> None:
    """Whoever was away, and with a checkpoint between: the cursor finds them all, once, in order."""
    watched.use("credits", 600, direct=True)
    watched.use("credits", 300, direct=True)
    before = durable_crossings(watched, 0)
    assert [row["threshold"] for row in json.loads(before[1])][-2:] == [500, 200]
    watched.side.engine.checkpoint()
    watched.reopen()
    cursor, found = 0, []
    for _ in range(100):
        following, page = durable_crossings(watched, cursor, 1)
        if following == cursor:
            break
        cursor, found = following, [*found, *json.loads(page)]
    assert found == json.loads(before[1])
    watched.use("credits", 100, direct=True)
    _, fresh = durable_crossings(watched, cursor)
    assert [row["kind"] for row in json.loads(fresh)] == ["balance.depleted"]
