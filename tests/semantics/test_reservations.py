"""Reservations (§6): set aside, settle, release, lapse, and what happens to a grant meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.worlds import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    Command,
    World,
    account,
    advance,
    create_grant,
    grant,
    policy,
    set_rate,
    suspend,
    void,
    void_and_replace,
)


def reserve(hold: str = "r", quantity: int | None = None, *, of: str = "acme", **fields: Any) -> Command:
    """Calls cost one credit each."""
    command: Command = {"type": "reserve", "account": of, "reservation_id": hold, **fields}
    if quantity is not None:
        command["quantity"] = quantity
        command.setdefault("meter", "calls")
    return command


def settle(hold: str = "r", quantity: int | None = None, *, of: str = "acme", **fields: Any) -> Command:
    command: Command = {"type": "settle", "account": of, "reservation_id": hold, **fields}
    return command if quantity is None else {**command, "quantity": quantity}


def release(hold: str = "r", *, of: str = "acme") -> Command:
    return {"type": "release", "account": of, "reservation_id": hold}


def facts(world: World, command: Command, *names: str) -> tuple[Any, ...]:
    """Status and facts of one command."""
    outcome = world.execute([command])[0]
    return (outcome["status"], *(outcome.get(name) for name in names))


def held(world: World) -> dict[str, int]:
    return {grant_id: view.held for grant_id, view in world.grants().items() if view.held}


def test_a_reserve_lowers_available_and_nothing_else(world: World) -> None:
    world.do(create_grant("g", "10"))
    assert facts(world, reserve("r", 4), "held", "headroom", "uncovered", "available") == (
        "OK",
        400,
        0,
        0,
        600,
    )
    assert world.of("g") == ("active", 1000, 0)
    assert (held(world), world.available) == ({"g": 400}, 600)
    assert world.use("calls", 7).status == "INSUFFICIENT"
    assert world.use("calls", 6).available == 0
    assert world.conserves()


@pytest.mark.parametrize(
    ("used", "charged", "returned", "extra", "available"),
    [(0, 0, 400, 0, 1000), (3, 300, 100, 0, 700), (4, 400, 0, 0, 600), (9, 900, 0, 500, 100)],
)
def test_settle_below_at_and_above_what_is_held(
    world: World, used: int, charged: int, returned: int, extra: int, available: int
) -> None:
    world.do(create_grant("g", "10"), reserve("r", 4))
    outcome = facts(world, settle("r", used), "charged", "returned", "extra", "uncovered", "available")
    assert outcome == ("OK", charged, returned, extra, 0, available)
    assert world.of("g") == ("active", 1000 - charged, charged)
    assert held(world) == {}
    assert world.conserves()


def test_holds_go_over_grants_in_burn_down_order_and_return_to_the_same(world: World) -> None:
    """Held: a 3.00, b 2.00; used 4.00: all of a, 1.00 of b; the other 1.00 returns to b."""
    world.do(create_grant("b", "5", priority=60), create_grant("a", "3", priority=40))
    world.do(reserve("r", 5))
    assert held(world) == {"a": 300, "b": 200}
    world.do(create_grant("c", "9", priority=1))
    world.do(settle("r", 4))
    assert {name: world.of(name)[1:] for name in "abc"} == {"a": (0, 300), "b": (400, 100), "c": (900, 0)}


def test_release_returns_everything(world: World) -> None:
    world.do(create_grant("a", "3", priority=40), create_grant("b", "5"), reserve("r", 5))
    assert facts(world, release(), "returned", "available") == ("OK", 500, 800)
    assert held(world) == {}
    assert world.conserves()


def test_scope_decides_which_grants_hold(world: World) -> None:
    world.do(create_grant("calls-only", "3", scope=["calls"]), create_grant("other", "3", scope=["seats"]))
    assert facts(world, reserve("r", 4), "shortfall") == ("INSUFFICIENT", 100)
    world.do(reserve("r", 3))
    assert held(world) == {"calls-only": 300}
    assert facts(world, reserve("direct", credit_type="credits", credits="1"), "shortfall") == (
        "INSUFFICIENT",
        100,
    )


def test_credits_of_a_meter_use_its_scope_and_settle_either_way(world: World) -> None:
    world.do(create_grant("g", "9", scope=["calls"]))
    world.do(reserve("a", meter="calls", credits="3"), reserve("b", meter="calls", credits="3"))
    assert facts(world, settle("a", credits="2.5"), "charged", "returned") == ("OK", 250, 50)
    assert facts(world, settle("b", 2), "charged", "returned") == ("OK", 200, 100)


def test_only_sum_meters_are_reserved_by_quantity(world: World) -> None:
    world.do(create_grant("g", "10"))
    assert world.try_do(reserve("r", 2, meter="seats")) == ["INVALID"]
    assert world.try_do(reserve("r", meter="seats", credits="5")) == ["OK"]
    assert world.try_do(settle("r", 2)) == ["INVALID"]
    assert world.try_do(settle("r", credits="5")) == ["OK"]


def test_partial_holds_what_there_is_and_forgives_the_rest(world: World) -> None:
    world.do(create_grant("g", "3"), policy("partial"))
    assert facts(world, reserve("r", 5), "held", "uncovered", "available") == ("OK", 300, 200, 0)
    assert world.try_do(reserve("more", 1)) == ["INSUFFICIENT"]
    assert facts(world, settle("r", 5), "charged", "uncovered", "extra") == ("OK", 300, 200, 0)
    assert world.conserves()


def test_overdraft_headroom_is_held_and_outlives_its_policy(world: World) -> None:
    """Limit 5.00: 3.00 from the grant, 4.00 of headroom; then only 1.00 of headroom is left."""
    world.do(create_grant("g", "3"), policy("overdraft", limit="5"))
    assert facts(world, reserve("r", 7), "held", "headroom", "available") == ("OK", 300, 400, -400)
    assert facts(world, reserve("s", 2), "shortfall") == ("LIMIT_REACHED", 100)
    assert world.use("calls", 2).status == "LIMIT_REACHED"
    assert world.check("calls", 2).reason == "LIMIT_REACHED"
    world.do(policy("hard"))
    assert facts(world, settle("r", 7), "charged", "available") == ("OK", 700, -400)
    assert world.pool().overdraft == 400
    assert world.conserves()


def test_overage_headroom_counts_against_the_cap_and_not_against_available(world: World) -> None:
    world.do(create_grant("g", "3"), policy("overage", price="0.01", cap="5"))
    assert facts(world, reserve("r", 7), "held", "headroom", "available") == ("OK", 300, 400, 0)
    assert world.use("calls", 2).status == "LIMIT_REACHED"
    assert world.use("calls", 1).status == "OK"
    assert facts(world, settle("r", 6), "charged", "returned") == ("OK", 600, 100)
    assert world.pool().overage == 400
    assert world.conserves()


def test_free_grants_pay_before_held_headroom(world: World) -> None:
    world.do(policy("overdraft", limit="5"), reserve("r", 5), create_grant("late", "3"))
    assert facts(world, settle("r", 5), "charged", "returned", "extra") == ("OK", 500, 300, 0)
    assert (world.of("late"), world.pool().overdraft) == (("exhausted", 0, 300), 200)


def test_a_refused_extra_changes_nothing_and_the_hold_stays_open(world: World) -> None:
    world.do(create_grant("g", "5"), reserve("r", 4))
    assert facts(world, settle("r", 6), "shortfall", "available") == ("INSUFFICIENT", 100, 100)
    assert facts(world, settle("r", 5, refuse_extra=True), "shortfall") == ("INSUFFICIENT", 100)
    assert held(world) == {"g": 400}
    assert world.try_do(settle("r", 5)) == ["OK"]
    assert world.of("g") == ("exhausted", 0, 500)


def test_what_was_reserved_settles_also_where_an_extra_is_refused(world: World) -> None:
    """Under ``partial`` the hold was what there was: all that was asked for is no more than that."""
    world.do(policy("partial"), create_grant("g", "2"), reserve("r", 5))
    assert facts(world, settle("r", 6, refuse_extra=True), "shortfall")[0] == "INSUFFICIENT"
    assert facts(world, settle("r", 5, refuse_extra=True), "charged", "uncovered") == ("OK", 200, 300)


def test_the_flag_to_refuse_an_extra_is_not_content(world: World) -> None:
    world.do(create_grant("g", "5"), reserve("r", 4), settle("r", 2))
    assert world.try_do(settle("r", 2, refuse_extra=True)) == ["DUPLICATE"]


def test_repeats_are_duplicates_and_other_content_is_a_conflict(world: World) -> None:
    world.do(create_grant("g", "9"), reserve("r", 4, dimensions={"model": "large"}))
    assert world.try_do(reserve("r", 4, dimensions={"model": "large"})) == ["DUPLICATE"]
    for other in (
        reserve("r", 4),
        reserve("r", 5, dimensions={"model": "large"}),
        reserve("r", 4, meter="tokens", dimensions={"model": "large"}),
        reserve("r", 4, dimensions={"model": "large"}, ttl_us=MINUTE + 1),
        reserve("r", meter="calls", credits="4", dimensions={"model": "large"}),
    ):
        assert world.try_do(other) == ["CONFLICT"], other
    world.do(settle("r", 3))
    assert world.try_do(settle("r", 3)) == ["DUPLICATE"]
    assert world.try_do(settle("r", 2)) == ["CONFLICT"]
    assert world.try_do(release()) == ["CONFLICT"]
    assert world.try_do(reserve("r", 4, dimensions={"model": "large"})) == ["DUPLICATE"]
    assert (world.available, world.of("g")) == (600, ("active", 600, 300))


def test_a_refused_reserve_does_not_use_up_its_id(world: World) -> None:
    assert world.try_do(reserve("r", 1)) == ["INSUFFICIENT"]
    world.do(create_grant("g", "1"), reserve("r", 1))


def test_ids_of_reservations_and_of_events_are_apart(world: World) -> None:
    world.do(create_grant("g", "9"), reserve("same", 1))
    assert world.use("calls", 1, event_id="same").status == "OK"
    assert world.try_do(settle("same", 1)) == ["OK"]
    assert world.use("calls", 1, event_id="same").status == "DUPLICATE"


def test_what_was_released_or_has_lapsed_is_not_settled(world: World) -> None:
    world.do(create_grant("g", "9"), reserve("a", 1), reserve("b", 1, ttl_us=MINUTE))
    world.do(release("a"), advance(NOON + MINUTE))
    assert world.try_do(settle("a", 1)) == ["CONFLICT"]
    assert world.try_do(settle("b", 1)) == ["CONFLICT"]
    assert [world.try_do(release(name)) for name in "ab"] == [["DUPLICATE"]] * 2
    assert world.available == 900


def test_unknown_reservations_follow_unknown_accounts(world: World) -> None:
    for command in (settle("nix", 1), release("nix")):
        assert world.try_do(command) == ["RESERVATION_UNKNOWN"]
        assert world.try_do({**command, "account": "nobody"}) == ["ACCOUNT_UNKNOWN"]
    assert world.try_do(reserve("r", 1, of="nobody")) == ["ACCOUNT_UNKNOWN"]


def test_it_lapses_at_its_instant_and_not_before(world: World) -> None:
    world.do(create_grant("g", "9"), reserve("r", 4, ttl_us=MINUTE))
    world.do(advance(NOON + MINUTE - 1))
    assert world.available == 500
    world.do(advance(NOON + MINUTE))
    assert (world.available, held(world)) == (900, {})


def test_settling_at_the_instant_of_the_lapse_is_too_late(world: World) -> None:
    world.do(create_grant("g", "9"), reserve("r", 4, ttl_us=MINUTE), advance(NOON + MINUTE))
    assert world.try_do(settle("r", 4)) == ["CONFLICT"]


def test_a_lapse_comes_before_an_expiry_at_one_instant(world: World) -> None:
    """What returns to a grant that ends at that instant pays no debt: the grant is not valid any more."""
    world.do(create_grant("g", "4", expires_at=NOON + MINUTE), policy("overdraft", limit="9"))
    world.do(reserve("r", 4, ttl_us=MINUTE))
    assert world.use("calls", 2).status == "OK"
    world.do(advance(NOON + MINUTE))
    assert (world.of("g"), world.pool().overdraft, world.available) == (("expired", 400, 0), 200, -200)


def test_what_returns_pays_open_debt_at_once(world: World) -> None:
    world.do(create_grant("g", "4"), policy("overdraft", limit="9"), reserve("r", 4))
    assert world.use("calls", 3).available == -300
    assert facts(world, settle("r", 2), "charged", "returned", "available") == ("OK", 200, 200, -100)
    assert (world.of("g"), world.pool().overdraft) == (("exhausted", 0, 400), 100)
    assert world.conserves()


def test_a_lapse_pays_open_debt_at_its_instant(world: World) -> None:
    world.do(create_grant("g", "4"), policy("overdraft", limit="9"), reserve("r", 4, ttl_us=MINUTE))
    world.use("calls", 3)
    world.do(advance(NOON + HOUR))
    assert (world.of("g"), world.pool().overdraft, world.available) == (("active", 100, 300), 0, 100)


def test_a_grant_that_expires_while_held_keeps_the_held_part(world: World) -> None:
    """The held 4.00 of 10.00 can still be used; what returns becomes breakage."""
    world.do(create_grant("g", "10", expires_at=NOON + MINUTE), reserve("r", 4, ttl_us=3 * HOUR))
    world.do(advance(NOON + 2 * HOUR))
    world.sweep()
    view = world.grants()["g"]
    assert (view.state, view.remaining, view.held, view.expired) == ("expired", 400, 400, 600)
    assert world.available == 0
    assert facts(world, settle("r", 3), "charged", "returned") == ("OK", 300, 100)
    world.sweep()
    view = world.grants()["g"]
    assert (view.remaining, view.burned, view.expired) == (0, 300, 700)
    assert world.conserves()


def test_what_returns_within_the_grace_still_pays_for_earlier_usage(world: World) -> None:
    world.do(create_grant("g", "10", expires_at=NOON + MINUTE), reserve("r", 10, ttl_us=3 * HOUR))
    world.do(advance(NOON + 2 * MINUTE), release())
    assert world.available == 0
    assert world.use("calls", 4, time=NOON).charged == 400
    assert world.of("g") == ("expired", 600, 400)


def test_a_grant_that_is_voided_while_held_forfeits_what_returns(world: World) -> None:
    world.do(create_grant("g", "10"), reserve("r", 4))
    assert facts(world, void("g"), "forfeited") == ("OK", 600)
    assert facts(world, settle("r", 3), "charged", "returned") == ("OK", 300, 100)
    view = world.grants()["g"]
    assert (view.state, view.remaining, view.burned, view.voided, view.held) == ("voided", 0, 300, 700, 0)
    assert (world.available, world.conserves()) == (0, True)


def test_formulas_of_a_replacement_leave_held_parts_with_their_holds(world: World) -> None:
    """free = remaining − held: half of 6.00 is carried, 4.00 stay held."""
    world.do(create_grant("old", "10"), reserve("r", 4))
    world.do(void_and_replace(["old"], grant("new", {"of": "old", "fraction": "0.5"})))
    view = world.grants()["old"]
    assert (view.remaining, view.held, view.voided, view.moved) == (400, 400, 300, 300)
    world.do(settle("r", 4))
    assert (world.of("new"), world.grants()["old"].burned) == (("active", 300, 0), 400)
    assert world.conserves()


def test_suspended_accounts_reserve_nothing_but_settle_and_release(world: World) -> None:
    world.do(create_grant("g", "10"), reserve("a", 4), reserve("b", 1), suspend())
    assert world.try_do(reserve("c", 1)) == ["ACCOUNT_SUSPENDED"]
    assert facts(world, settle("a", 6), "charged", "extra") == ("OK", 600, 200)
    assert world.try_do(release("b")) == ["OK"]


def test_the_price_is_that_of_the_reserve(world: World) -> None:
    """Calls get dearer an hour after NOON; a hold from before keeps its price."""
    world.do(create_grant("g", "20"), set_rate("calls", credits="2", valid_from=NOON + HOUR))
    world.do(reserve("r", 4, ttl_us=3 * HOUR), advance(NOON + 2 * HOUR))
    assert facts(world, settle("r", 5), "charged") == ("OK", 500)
    assert facts(world, reserve("s", 4), "held") == ("OK", 800)


def test_tiers_are_counted_by_the_settle_in_its_period(empty_world: World) -> None:
    """10 at 1.00, then 0.10; a hold is priced where the counter stands and counts when it is settled."""
    tiers = [{"up_to": "10", "credits": "1"}, {"credits": "0.1"}]
    world = empty_world
    world.do(
        {"type": "create_credit_type", "name": "credits", "scale": 2},
        {"type": "create_meter", "key": "calls"},
        set_rate("calls", tiers=tiers),
        account(),
        {"type": "set_period_edge", "account": "acme", "at": NOON + HOUR},
        create_grant("g", "50"),
    )
    assert facts(world, reserve("r", 10, ttl_us=DAY), "held") == ("OK", 1000)
    assert facts(world, reserve("s", 10, ttl_us=DAY), "held") == ("OK", 1000), "nothing is counted yet"
    assert facts(world, settle("r", 10), "charged") == ("OK", 1000)
    assert world.use("calls", 10).charged == 100
    world.do(advance(NOON + HOUR))
    assert facts(world, settle("s", 12), "charged", "extra") == ("OK", 1020, 20), "a new period"
    assert world.use("calls", 1).charged == 10


def test_a_group_that_is_refused_leaves_no_hold_and_no_id(world: World) -> None:
    world.do(create_grant("g", "9"))
    assert "GRANT_UNKNOWN" in world.try_do(reserve("r", 4), settle("r", 2), void("nix"))
    assert (world.available, held(world)) == (900, {})
    assert world.try_do(settle("r", 2)) == ["RESERVATION_UNKNOWN"]
    assert world.try_do(reserve("r", 3), settle("r", 2), reserve("t", 1)) == ["OK"] * 3
    assert world.try_do(settle("r", 2)) == ["DUPLICATE"]
    assert world.available == 600


def test_checks_count_what_is_held(world: World) -> None:
    world.do(create_grant("g", "9"), reserve("r", 4, ttl_us=MINUTE))
    entitlement = world.check("calls", 6)
    assert (entitlement.allowed, entitlement.reason, entitlement.available, entitlement.units) == (
        False,
        "INSUFFICIENT",
        500,
        5,
    )
    world.do(advance(NOON + MINUTE))
    assert world.check("calls", 9).allowed


def test_an_empty_hold_uses_up_its_id(world: World) -> None:
    assert facts(world, reserve("r", 0), "held") == ("OK", 0)
    assert world.try_do(reserve("r", 1)) == ["CONFLICT"]
    world.do(create_grant("g", "1"))
    assert facts(world, settle("r", 1), "charged", "extra") == ("OK", 100, 100)


def test_a_grant_may_be_held_by_many(world: World) -> None:
    world.do(create_grant("g", "10"), *(reserve(f"r{n}", n, ttl_us=(5 - n) * SECOND) for n in range(1, 5)))
    assert held(world) == {"g": 1000}
    world.do(settle("r2", 1), advance(NOON + 2 * SECOND))
    assert (held(world), world.available) == ({"g": 100}, 800)
    world.do(advance(NOON + DAY))
    assert (held(world), world.available) == ({}, 900)
    assert world.conserves()


BAD: list[tuple[str, Command]] = [
    ("no amount", reserve("r", meter="calls")),
    ("two amounts", reserve("r", 1, credits="1")),
    ("two subjects", reserve("r", meter="calls", credit_type="credits", credits="1")),
    ("a quantity of a credit type", {**reserve("r", credit_type="credits"), "quantity": 1}),
    ("no subject", reserve("r", credits="1")),
    ("negative quantity", reserve("r", -1)),
    ("negative credits", reserve("r", meter="calls", credits="-1")),
    ("beyond the scale", reserve("r", credit_type="credits", credits="0.001")),
    ("no time", reserve("r", 1, ttl_us=0)),
    ("too much time", reserve("r", 1, ttl_us=DAY + 1)),
    ("an empty id", reserve("", 1)),
    ("unknown credit type", reserve("r", credit_type="gold", credits="1")),
    ("settle of nothing", settle("held")),
    ("settle of both", settle("held", 1, credits="1")),
    ("settle of less than nothing", settle("held", -1)),
    ("settle on the other basis", settle("held", credits="1")),
]


@pytest.mark.parametrize("command", [pytest.param(command, id=name) for name, command in BAD])
def test_bad_input_is_invalid_and_changes_nothing(world: World, command: Command) -> None:
    world.do(create_grant("g", "9"), reserve("held", 2))
    assert world.try_do(command) == ["INVALID"]
    assert (world.available, held(world)) == (700, {"g": 200})


def test_unknown_meters_and_prices_are_told_after_repeats(world: World) -> None:
    assert world.try_do(reserve("r", 1, meter="nix")) == ["METER_UNKNOWN"]
    assert world.try_do(reserve("r", 1, meter="bytes")) == ["NOT_ENTITLED"]
    world.do(create_grant("g", "1"), reserve("r", 1))
    assert world.try_do(reserve("r", 1, meter="nix")) == ["CONFLICT"]
    assert world.try_do(reserve("s", 2**62, meter="calls")) == ["OVERFLOW"]
