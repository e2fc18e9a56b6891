"""Reservations over restarts and sweeps, their cap, their listing, their gauges and crossings (§6)."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.model.engine_world import EngineWorld
from tests.model.worlds import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    account,
    advance,
    catalog,
    create_grant,
    policy,
    void,
)
from tests.semantics.test_crossings import crossings
from tests.semantics.test_reservations import held, release, reserve, settle


def listed(engine: EngineWorld, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine.side.query(type="reservations", **request)["reservations"]
    return found


def busy(engine: EngineWorld) -> None:
    """Open, settled, released and lapsed holds over valid, voided and expiring grants, with headroom."""
    engine.do(
        create_grant("a", "10", priority=40, expires_at=NOON + HOUR),
        create_grant("b", "10", priority=45),
        create_grant("c", "10"),
        reserve("open", 12, ttl_us=DAY, dimensions={"model": "large"}),
        reserve("settled", 3),
        settle("settled", 2),
        reserve("released", 1),
        release("released"),
        reserve("lapsed", 1, ttl_us=SECOND),
        advance(NOON + MINUTE),
        void("b"),
        policy("overdraft", limit="50"),
        reserve("deep", 20, ttl_us=DAY),
    )


def state(engine: EngineWorld) -> tuple[Any, ...]:
    return (engine.side.engine.digest(), engine.grants(), engine.pool(), listed(engine))


def repeats(engine: EngineWorld) -> list[list[str]]:
    commands = [
        reserve("open", 12, ttl_us=DAY, dimensions={"model": "large"}),
        reserve("open", 12, ttl_us=DAY),
        reserve("settled", 3),
        settle("settled", 2),
        settle("settled", 3),
        release("released"),
        settle("released", 1),
        settle("lapsed", 1),
        reserve("lapsed", 2, ttl_us=SECOND),
    ]
    return [engine.try_do(command) for command in commands]


REPEATED = ["DUPLICATE", "CONFLICT", "DUPLICATE", "DUPLICATE", "CONFLICT", "DUPLICATE"] + ["CONFLICT"] * 3


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("real_time", [False, True])
def test_holds_and_their_ids_outlive_a_restart(
    engine: EngineWorld, tmp_path: Path, checkpoint: bool, real_time: bool
) -> None:
    """After a clean stop and after a sudden end, from the journal alone or from a checkpoint."""
    busy(engine)
    if real_time:
        engine.do({"type": "create_account", "account": "bolt"}, create_grant("x", "9", to="bolt"))
        engine.do(reserve("kept", 4, of="bolt", ttl_us=DAY), reserve("done", 2, of="bolt"))
        engine.do(settle("done", 1, of="bolt"))
    if checkpoint:
        engine.side.engine.checkpoint()
    before = state(engine)
    engine.side.reopen_from_copy(tmp_path / "copy")
    assert state(engine) == before
    assert repeats(engine) == [[status] for status in REPEATED]
    engine.reopen()
    assert state(engine) == before
    assert repeats(engine) == [[status] for status in REPEATED]
    if real_time:
        assert engine.try_do(reserve("done", 2, of="bolt")) == ["DUPLICATE"]
        assert engine.try_do(settle("done", 1, of="bolt")) == ["DUPLICATE"]
        assert engine.try_do(settle("done", 2, of="bolt")) == ["CONFLICT"]
        engine.do(settle("kept", 6, of="bolt"))
        assert engine.pool(account="bolt").available == 200
    engine.do(settle("open", 12), settle("deep", 25))
    engine.do(advance(NOON + 2 * DAY))
    assert held(engine) == {} and engine.conserves()


def lapses(engine: EngineWorld, of: str) -> list[str]:
    """Of the journal: that time passes writes entries of its own there, such as a floor that rises."""
    entries = engine.side.query(type="ledger", account=of, kinds=["lapsed"])["entries"]
    return [each["facts"]["reservation_id"] for each in entries]


def test_the_sweep_ends_the_holds_of_idle_accounts(engine: EngineWorld) -> None:
    engine.do({"type": "create_account", "account": "bolt"}, create_grant("g", "9", to="bolt"))
    engine.do(reserve("s", 4, of="bolt", ttl_us=DAY), reserve("r", 4, of="bolt", ttl_us=SECOND // 5))
    deadline = time.monotonic() + 60
    while not lapses(engine, "bolt"):
        assert time.monotonic() < deadline, "no sweep ended the hold"
        time.sleep(0.02)
        engine.sweep()
    for _ in range(5):
        engine.sweep()
    assert lapses(engine, "bolt") == ["r"], "one lapse, no matter how often it is asked"
    assert engine.pool(account="bolt").available == 500
    assert [row["reservation_id"] for row in listed(engine, account="bolt")] == ["s"]


def test_listing_names_what_is_held_and_goes_by_pages(engine: EngineWorld) -> None:
    engine.do({"type": "create_account", "account": "bolt", "test_clock": NOON})
    engine.do(create_grant("g", "9"), create_grant("x", "9", to="bolt"))
    for n in range(5):
        engine.do(reserve(f"r{n}", 1), reserve(f"s{n}", credit_type="credits", credits="0.5", of="bolt"))
    first = listed(engine, account="acme")[0]
    assert {name: first[name] for name in ("account", "reservation_id", "meter", "quantity", "credits")} == {
        "account": "acme",
        "reservation_id": "r0",
        "meter": "calls",
        "quantity": 1,
        "credits": None,
    }
    assert (first["held"], first["headroom"], first["parts"]) == (100, 0, [{"grant_id": "g", "amount": 100}])
    assert (first["created_at"], first["expires_at"]) == (NOON, NOON + MINUTE)
    pages, after = [], None
    while True:
        request = {"limit": 3} if after is None else {"limit": 3, "after": after}
        answer = engine.side.query(type="reservations", **request)
        rows = answer["reservations"]
        pages += [row["reservation_id"] for row in rows]
        if not answer["more"]:
            break
        assert len(rows) == 3
        after = {"account": rows[-1]["account"], "reservation_id": rows[-1]["reservation_id"]}
    assert pages == [f"r{n}" for n in range(5)] + [f"s{n}" for n in range(5)]
    engine.do(advance(NOON + MINUTE, of="bolt"))
    assert [row["account"] for row in listed(engine)] == ["acme"] * 5


@pytest.fixture
def capped(tmp_path: Path) -> Iterator[EngineWorld]:
    """At most two open reservations per account."""
    keeper = EngineWorld(tmp_path / "capped", reservations_max=2)
    keeper.do(*catalog(), account(), create_grant("g", "9"))
    yield keeper
    keeper.close()
    shutil.rmtree(keeper.side.folder)


def test_the_cap_bounds_open_reservations_and_no_others(capped: EngineWorld) -> None:
    capped.do(reserve("a", 1), reserve("b", 1))
    assert capped.try_do(reserve("c", 1)) == ["LIMIT_REACHED"]
    assert capped.try_do(reserve("a", 1)) == ["DUPLICATE"]
    capped.do(settle("a", 1), reserve("c", 1), account("bolt"), create_grant("h", "9", to="bolt"))
    capped.do(reserve("a", 1, of="bolt"))
    assert capped.try_do(reserve("d", 1)) == ["LIMIT_REACHED"]
    capped.do(advance(NOON + MINUTE), reserve("d", 1))


def test_gauges_count_open_holds_and_tell_the_age_of_the_oldest(engine: EngineWorld) -> None:
    def gauges() -> tuple[int, bool]:
        stats = json.loads(engine.side.engine.stats())
        return stats["reservations_open"], stats["reservation_oldest_age_us"] > 0

    engine.do({"type": "create_account", "account": "bolt"}, create_grant("g", "9", to="bolt"))
    assert gauges() == (0, False)
    engine.do(reserve("r", 1, of="bolt"), reserve("s", 1, of="bolt"))
    engine.try_do(reserve("t", 1, of="bolt"), release("r", of="bolt"), void("nix", of="bolt"))
    engine.sweep()
    assert gauges() == (2, True)
    engine.reopen()
    engine.sweep()
    assert gauges() == (2, True)
    engine.do(release("r", of="bolt"), settle("s", 1, of="bolt"))
    assert gauges() == (0, False)


def test_holds_cross_thresholds_and_their_return_recovers(engine: EngineWorld) -> None:
    engine.do(create_grant("g", "10"))
    engine.do({"type": "set_thresholds", "account": "acme", "credit_type": "credits", "thresholds": ["5"]})
    engine.do(reserve("r", 10, ttl_us=MINUTE))
    assert crossings(engine)[-2:] == [("balance.low", 500), ("balance.depleted", None)]
    engine.do(advance(NOON + MINUTE))
    assert {"balance.recovered", "balance.low_cleared"} <= {kind for kind, _ in crossings(engine)}
