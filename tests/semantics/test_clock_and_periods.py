"""Time (§3, §14): test clocks move only forward, and periods begin at edges."""

from __future__ import annotations

import pytest

from tests.model.worlds import DAY, MINUTE, NOON, World, advance, create_grant, set_rate

JULY = 1_751_328_000_000_000
TIERS = [{"up_to": "10", "credits": "1"}, {"credits": "0"}]


@pytest.fixture
def tiered(world: World) -> World:
    """The first ten bytes of a period cost 1.00 each, the others nothing: the charge tells the position."""
    world.do(create_grant("g", "1000000"), set_rate("bytes", tiers=TIERS))
    return world


def test_a_test_clock_never_runs_back(world: World) -> None:
    world.do(advance(NOON + 1))
    assert world.try_do(advance(NOON)) == ["INVALID"]
    world.do(advance(NOON + 1))


def test_advancing_one_account_touches_no_other(world: World) -> None:
    world.do({"type": "create_account", "account": "globex", "test_clock": NOON})
    ends = NOON + DAY
    world.do(create_grant("g", "1", expires_at=ends), create_grant("g", "1", to="globex", expires_at=ends))
    world.do(advance(NOON + DAY))
    assert (world.grants()["g"].state, world.grants("globex")["g"].state) == ("expired", "active")


def test_the_default_period_is_the_calendar_month_in_utc(tiered: World) -> None:
    tiered.use("bytes", 10, time=NOON)
    tiered.do(advance(JULY + DAY))
    assert [tiered.use("bytes", 10, time=at).charged for at in (JULY - 1, JULY)] == [0, 1_000]


def test_from_the_first_edge_on_only_edges_begin_periods(tiered: World) -> None:
    tiered.do({"type": "set_period_edge", "account": "acme", "at": NOON + DAY})
    assert tiered.use("bytes", 10).charged == 1_000
    tiered.do(advance(NOON + DAY))
    assert tiered.use("bytes", 10, time=NOON + DAY - 1).charged == 0
    assert tiered.use("bytes", 10).charged == 1_000
    tiered.do(advance(JULY + DAY))
    assert tiered.use("bytes", 10).charged == 0


@pytest.mark.parametrize(
    ("ahead", "status"), [(0, "INVALID"), (5 * MINUTE, "INVALID"), (5 * MINUTE + 1, "OK")]
)
def test_an_edge_lies_beyond_the_margin_of_early_events(world: World, ahead: int, status: str) -> None:
    assert [status] == world.try_do({"type": "set_period_edge", "account": "acme", "at": NOON + ahead})


@pytest.mark.behaviour("S0-38")
def test_usage_in_the_instant_of_an_edge_falls_in_exactly_one_period(tiered: World) -> None:
    """Start-inclusive: at the edge itself the new period has begun, one microsecond before it has not."""
    edge = NOON + DAY
    tiered.do({"type": "set_period_edge", "account": "acme", "at": edge})
    tiered.use("bytes", 10)
    tiered.do(advance(edge))
    assert [tiered.use("bytes", 10, time=at).charged for at in (edge - 1, edge, edge)] == [0, 1_000, 0]


def test_an_event_without_a_time_takes_the_accounts_clock(tiered: World) -> None:
    tiered.use("bytes", 10)
    tiered.do(advance(JULY))
    assert tiered.use("bytes", 10).charged == 1_000


def test_no_month_ends_the_period_that_is_open_when_the_first_edge_is_told(tiered: World) -> None:
    """From then on only edges begin periods: a cap or a package of the first billing period counts once."""
    edge = JULY + 10 * DAY
    assert tiered.use("bytes", 10).charged == 1_000
    tiered.do({"type": "set_period_edge", "account": "acme", "at": edge})
    for at in (JULY - 1, JULY, JULY + 9 * DAY):
        tiered.do(advance(at))
        assert tiered.use("bytes", 10).charged == 0
    tiered.do(advance(edge))
    assert tiered.use("bytes", 10).charged == 1_000


def test_an_edge_that_is_withdrawn_begins_no_period(tiered: World) -> None:
    first, second = ({"type": "set_period_edge", "account": "acme", "at": NOON + n * DAY} for n in (1, 2))
    tiered.do(first, second)
    assert tiered.use("bytes", 10).charged == 1_000
    assert tiered.try_do({**first, "withdrawn": True}) == ["OK"]
    assert tiered.try_do({**first, "withdrawn": True}) == ["DUPLICATE"]
    tiered.do(advance(NOON + DAY))
    assert tiered.use("bytes", 10).charged == 0
    tiered.do(advance(NOON + 2 * DAY))
    assert tiered.use("bytes", 10).charged == 1_000


def test_an_edge_that_has_begun_a_period_is_withdrawn_no_more(tiered: World) -> None:
    edge = {"type": "set_period_edge", "account": "acme", "at": NOON + DAY}
    tiered.do(edge, advance(NOON + DAY - 5 * MINUTE))
    assert tiered.try_do({**edge, "withdrawn": True}) == ["INVALID"]
