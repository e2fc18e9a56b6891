"""The order in which grants pay (§4.3), and which can pay at all (§4.4)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.worlds import DAY, HOUR, NOON, World, create_grant

LADDER: list[tuple[str, dict[str, Any]]] = [
    ("first-priority", {"priority": 1, "expires_at": NOON + 9 * DAY}),
    ("soonest-expiry", {"expires_at": NOON + DAY}),
    ("later-expiry", {"expires_at": NOON + 2 * DAY}),
    ("promotional", {"category": "promotional"}),
    ("one-meter", {"scope": ["calls"]}),
    ("two-meters", {"scope": ["calls", "tokens"]}),
    ("earliest-effective", {"effective_at": NOON - 2}),
    ("next-effective", {"effective_at": NOON - 1}),
    ("oldest", {}),
    ("newest", {}),
    ("last-priority", {"priority": 51, "expires_at": NOON + 1, "category": "promotional"}),
]


@pytest.mark.parametrize("position", range(len(LADDER) - 1), ids=lambda n: f"{LADDER[n][0]}")
@pytest.mark.parametrize("created", ["in_order", "reversed"])
def test_each_term_of_the_order_decides(world: World, position: int, created: str) -> None:
    """Two neighbours of the ladder: the first pays, whichever was created first (but for age itself)."""
    pair = LADDER[position : position + 2]
    if created == "reversed" and pair[0][0] != "oldest":
        pair = pair[::-1]
    for name, fields in pair:
        world.do(create_grant(name, "1", **fields))
    world.use("calls", 1)
    assert [world.of(LADDER[position + offset][0])[0] for offset in (0, 1)] == ["exhausted", "active"]


@pytest.mark.behaviour("S1-12")
@pytest.mark.behaviour("S1-13")
@pytest.mark.behaviour("S4-19")
def test_the_whole_ladder_burns_in_order(world: World) -> None:
    """A later grant is touched only when every earlier one is exhausted; two runs would agree."""
    for name, fields in reversed(LADDER):
        if name not in ("oldest", "newest"):
            world.do(create_grant(name, "1", **fields))
    for name in ("oldest", "newest"):
        world.do(create_grant(name, "1"))
    for index, (name, _) in enumerate(LADDER):
        assert world.use("calls", 1).status == "OK"
        states = [world.of(other)[0] for other, _ in LADDER]
        assert ["exhausted"] * (index + 1) + ["active"] * (len(LADDER) - index - 1) == states, name


def test_one_charge_may_span_many_grants(world: World) -> None:
    for number in range(5):
        world.do(create_grant(f"g{number}", "2", priority=number + 1))
    assert world.use("calls", 7).available == 300
    assert [world.of(f"g{number}")[1] for number in range(5)] == [0, 0, 0, 100, 200]


def test_a_scope_without_the_meter_never_pays(world: World) -> None:
    """``available`` shows the pool; ``shortfall`` counts only what can pay for this meter."""
    world.do(create_grant("tokens-only", "10", scope=["tokens"]), create_grant("all", "2"))
    refused = world.use("calls", 3)
    assert (refused.status, refused.available, refused.shortfall) == ("INSUFFICIENT", 1_200, 100)
    assert world.use("calls", 2).available == 1_000


def test_only_grants_of_all_meters_pay_for_a_direct_debit(world: World) -> None:
    world.do(
        create_grant("scoped", "10", scope=["calls", "tokens", "seats", "bytes"]), create_grant("all", "1")
    )
    assert world.use("credits", 101, direct=True).status == "INSUFFICIENT"
    assert world.use("credits", 100, direct=True).status == "OK"
    assert [world.of("scoped"), world.of("all")] == [("active", 1000, 0), ("exhausted", 0, 100)]


@pytest.mark.parametrize(
    ("at", "status"), [(-1, "INSUFFICIENT"), (0, "OK"), (HOUR - 1, "OK"), (HOUR, "INSUFFICIENT")]
)
def test_a_grant_is_valid_from_its_first_instant_until_before_its_last(
    world: World, at: int, status: str
) -> None:
    """Start-inclusive, end-exclusive; events dated so, arriving together an hour and more later."""
    start = NOON - 9 * HOUR
    world.do({"type": "advance_clock", "account": "acme", "to": NOON})
    clock = {"type": "create_account", "account": "globex", "test_clock": start + at}
    world.do(clock, create_grant("g", "1", to="globex", effective_at=start, expires_at=start + HOUR))
    assert world.use("calls", 1, account="globex").status == status


def test_late_usage_is_paid_by_the_grant_of_its_time(world: World) -> None:
    """§7: valid at event time first; one expired since pays until late_grace is over."""
    ends = NOON + HOUR
    world.do(
        create_grant("old", "10", expires_at=ends),
        create_grant("new", "10", effective_at=ends, priority=1),
        {"type": "advance_clock", "account": "acme", "to": ends + HOUR - 1},
    )
    assert world.use("calls", 4, time=ends - 1).available == 1_000
    assert world.of("old") == ("expired", 600, 400)
    assert world.use("calls", 1, time=ends).available == 900
    world.do({"type": "advance_clock", "account": "acme", "to": ends + HOUR})
    world.use("calls", 1, time=ends - 1)
    assert (world.of("old")[2], world.of("new")) == (400, ("active", 800, 200))


def test_what_the_grants_of_its_time_lack_falls_on_those_valid_at_arrival(world: World) -> None:
    ends = NOON + HOUR
    world.do(
        create_grant("old", "1", expires_at=ends),
        create_grant("new", "10", effective_at=ends, priority=1),
        {"type": "advance_clock", "account": "acme", "to": ends + 1},
    )
    assert world.use("calls", 3, time=ends - 1).status == "OK"
    assert [world.of("old"), world.of("new")] == [("expired", 0, 100), ("active", 800, 200)]


def test_a_time_ahead_moves_price_and_period_but_not_who_pays(world: World) -> None:
    """§3: draws are decided as of min(event time, received_at)."""
    soon = NOON + 60_000_000
    world.do(
        create_grant("now", "10", expires_at=soon),
        create_grant("soon", "10", effective_at=soon),
        {
            "type": "set_rate",
            "table": "default",
            "meter": "calls",
            "credit_type": "credits",
            "credits": "3",
            "valid_from": soon,
        },
    )
    assert world.use("calls", 1, time=soon).charged == 300
    assert [world.of("now"), world.of("soon")] == [("active", 700, 300), ("scheduled", 1000, 0)]
