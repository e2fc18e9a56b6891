"""Overage is counted apart from the instant of a new price (§5.4, §7): by the time of the event."""

from __future__ import annotations

import pytest

from tests.model.engine_world import EngineWorld
from tests.model.worlds import DAY, HOUR, MINUTE, NOON, World, advance, policy

from .test_corrections import correct

MARK = NOON + DAY


def overage(since: int | None = None, **fields: object) -> dict[str, object]:
    """``calls`` cost a credit each, and no grant pays: all of them are past zero."""
    return policy("overage", price="1", **fields, **({} if since is None else {"since": since}))


def counted(world: EngineWorld) -> dict[int, int]:
    """Credits past zero by what they are counted since, of one period: its start is 0."""
    rows = world.side.query(type="balance", account="acme", credit_type="credits")["overage_periods"]
    (begun, _), *_ = rows
    return {since if since != begun else 0: credits // 100 for since, credits in rows}


def marked(world: EngineWorld, *, used: int = 3) -> None:
    """Some used before the instant, and the clock stands a day behind it."""
    world.do(overage())
    world.use("calls", used, event_id="before")
    world.do(advance(MARK), overage(MARK), advance(MARK + DAY))


def test_what_was_used_before_is_counted_there_however_late(engine: EngineWorld) -> None:
    marked(engine)
    engine.use("calls", 2, time=MARK - 1)
    engine.use("calls", 4, time=MARK)
    engine.use("calls", 1)
    assert counted(engine) == {0: 5, MARK: 5}
    assert engine.conserves()


def test_a_correction_is_counted_with_its_event(engine: EngineWorld) -> None:
    """More and less, before and after; and with an event that was noted before the instant was set."""
    engine.do(overage())
    engine.use("calls", 3, event_id="early", time=NOON + MINUTE)
    engine.do(overage(NOON), advance(NOON + HOUR))
    engine.use("calls", 2, event_id="after", time=NOON + MINUTE)
    assert counted(engine) == {0: 3, NOON: 2}
    correct(engine, "early", 7)
    assert counted(engine) == {0: 7, NOON: 2}
    correct(engine, "after", 5)
    correct(engine, "early", 1)
    assert counted(engine) == {0: 1, NOON: 5}
    engine.reopen()
    correct(engine, "early", cancel=True)
    assert counted(engine) == {0: 0, NOON: 5}
    assert engine.conserves()


def test_a_settle_is_counted_when_it_is_settled(engine: EngineWorld) -> None:
    engine.do(overage())
    held = {"type": "reserve", "account": "acme", "reservation_id": "r", "meter": "calls", "quantity": 3}
    engine.do({**held, "ttl_us": DAY})
    engine.do(advance(NOON + HOUR), overage(NOON + HOUR), advance(NOON + 2 * HOUR))
    engine.do({"type": "settle", "account": "acme", "reservation_id": "r", "quantity": 2})
    assert engine.side.query(type="balance", account="acme", credit_type="credits")["overage_periods"] == [
        [NOON + HOUR, 200]
    ]


def test_it_survives_restart(engine: EngineWorld) -> None:
    marked(engine)
    engine.reopen()
    engine.use("calls", 2, time=MARK - 1)
    engine.use("calls", 4)
    assert counted(engine) == {0: 5, MARK: 4}


def test_the_cap_is_for_all_of_the_period(world: World) -> None:
    """5 of 5, before and after: neither an event of now nor a late one is taken any more."""
    world.do(overage(cap="5"))
    assert world.use("calls", 3).status == "OK"
    world.do(advance(MARK), overage(MARK, cap="5"), advance(MARK + DAY))
    assert world.use("calls", 2).status == "OK"
    assert world.use("calls", 1).status == "LIMIT_REACHED"
    assert world.use("calls", 1, time=MARK - 1).status == "LIMIT_REACHED"
    world.do(advance(NOON + 20 * DAY))
    assert world.use("calls", 5).status == "OK", "the next period"
    assert world.conserves()


@pytest.mark.parametrize("kind", ["hard", "partial"])
def test_only_overage_is_counted(world: World, kind: str) -> None:
    (refused,) = world.execute([policy(kind, since=NOON)])
    assert (refused["status"], refused["field"]) == ("INVALID", "since")


def test_instants_that_nobody_used_are_bounded(engine: EngineWorld) -> None:
    """The newest stay, and every one with overage."""
    engine.do(overage())
    engine.use("calls", 1)
    for each in range(100):
        engine.do(overage(NOON + each + 1))
    rows = engine.side.query(type="balance", account="acme", credit_type="credits")["overage_periods"]
    assert (len(rows), rows[0][1], rows[-1]) == (65, 100, [NOON + 100, 0])
