"""Crossings (§12): one per transition, out of the debit itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.model.engine_world import EngineWorld
from tests.model.worlds import DAY, NOON, advance, create_grant, policy, void


def crossings(engine: EngineWorld) -> list[tuple[str, int | None]]:
    """Kind and threshold of every crossing of the pool so far."""
    _cursor, found = engine.side.engine.take_crossings(0, 1_000)
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


def test_the_cursor_reads_on_where_it_stopped(watched: EngineWorld) -> None:
    """After a restart as well: each crossing is read once by a relay that keeps its cursor."""
    watched.use("calls", 6)
    cursor, found = watched.side.engine.take_crossings(0, 1_000)
    assert [row["threshold"] for row in json.loads(found) if row["kind"] == "balance.low"] == [500]
    watched.reopen()
    watched.use("calls", 4)
    cursor, found = watched.side.engine.take_crossings(cursor, 1_000)
    kinds = [row["kind"] for row in json.loads(found)]
    assert sorted(kinds) == ["balance.depleted", "balance.low"]
    _cursor, found = watched.side.engine.take_crossings(cursor, 1_000)
    assert json.loads(found) == []
