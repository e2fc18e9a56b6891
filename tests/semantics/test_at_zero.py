"""What happens at zero (§5.4) under each policy, and what ``force`` overrides."""

from __future__ import annotations

import pytest

from tests.model.worlds import DAY, NOON, World, advance, create_grant, policy, suspend


@pytest.mark.behaviour("S3-6")
def test_hard_refuses_whole_and_says_what_is_missing(world: World) -> None:
    """A refused event changes nothing and does not use up its id: after a top-up it is taken."""
    world.do(create_grant("g", "10"))
    refused = world.use("calls", 11, event_id="e")
    assert (
        refused.status,
        refused.charged,
        refused.available,
        refused.shortfall,
    ) == ("INSUFFICIENT", 0, 1000, 100)
    world.do(create_grant("top-up", "1"))
    assert world.use("calls", 11, event_id="e").available == 0
    assert world.use("calls", 1).status == "INSUFFICIENT"


def test_zero_quantity_is_applied_and_uses_up_its_id(world: World) -> None:
    assert (world.use("calls", 0, event_id="e").status, world.use("calls", 0).charged) == ("OK", 0)
    assert world.use("calls", 0, event_id="e").status == "DUPLICATE"


def test_partial_burns_what_is_left_and_forgives_the_rest(world: World) -> None:
    world.do(create_grant("g", "10"), policy("partial"))
    taken = world.use("calls", 11, event_id="e")
    assert (taken.status, taken.charged, taken.uncovered, taken.available) == ("OK", 1000, 100, 0)
    world.do(create_grant("top-up", "5"))
    assert world.use("calls", 11, event_id="e").status == "DUPLICATE"
    assert world.available == 500


def test_partial_with_nothing_to_burn_is_insufficient(world: World) -> None:
    world.do(policy("partial"))
    refused = world.use("calls", 1)
    assert (refused.status, refused.shortfall) == ("INSUFFICIENT", 100)
    assert world.use("calls", 0).status == "OK"


@pytest.mark.parametrize(("quantity", "status"), [(14, "OK"), (15, "OK"), (16, "LIMIT_REACHED")])
def test_overdraft_may_reach_its_limit_and_never_passes_it(world: World, quantity: int, status: str) -> None:
    world.do(create_grant("g", "10"), policy("overdraft", limit="5"))
    answer = world.use("calls", quantity)
    assert status == answer.status
    assert answer.available == (1000 if status != "OK" else 1000 - 100 * quantity)


def test_a_smaller_limit_leaves_debt_standing(world: World) -> None:
    world.do(policy("overdraft", limit="5"))
    world.use("calls", 5)
    world.do(policy("overdraft", limit="2"))
    assert world.pool().overdraft == 500
    assert world.use("calls", 1).status == "LIMIT_REACHED"
    assert world.use("calls", 0).status == "OK"


def test_overage_accumulates_past_zero_and_is_never_settled(world: World) -> None:
    """§5.4, §4.9: usage past zero is accepted, counted for the invoice, and later grants do not pay it."""
    world.do(create_grant("g", "1"), policy("overage", price="0.02"))
    answer = world.use("calls", 6)
    assert (answer.status, answer.charged, answer.available) == ("OK", 600, 0)
    world.do(create_grant("h", "1"))
    assert (world.available, world.pool().overdraft) == (100, 0)
    assert world.conserves()


def test_the_overage_cap_is_per_period_and_whole(world: World) -> None:
    world.do(policy("overage", price="0.02", cap="5"), advance(NOON + DAY))
    assert world.use("calls", 5).status == "OK"
    assert world.use("calls", 1).status == "LIMIT_REACHED"
    world.do(advance(NOON + 20 * DAY))
    assert world.use("calls", 6).status == "LIMIT_REACHED"
    assert world.use("calls", 5).status == "OK"
    assert world.use("calls", 1, time=NOON).status == "LIMIT_REACHED"


def test_a_new_policy_governs_later_decisions_only(world: World) -> None:
    world.do(policy("overdraft", limit="5"))
    world.use("calls", 5)
    world.do(policy("hard"))
    assert (world.available, world.pool().overdraft) == (-500, 500)
    assert world.use("calls", 1).status == "INSUFFICIENT"


def test_force_owes_all_that_grants_do_not_cover(world: World) -> None:
    world.do(create_grant("g", "2"), policy("partial"))
    forced = world.use("calls", 5, force=True)
    assert (forced.status, forced.charged, forced.uncovered, forced.available) == ("OK", 500, 0, -300)
    assert world.conserves()


def test_force_changes_nothing_where_the_policy_takes_the_event_whole(world: World) -> None:
    world.do(policy("overage", price="1"))
    assert world.use("calls", 5, force=True).available == 0
    assert world.pool().overdraft == 0


@pytest.mark.parametrize("kind", ["hard", "overdraft", "overage"])
def test_force_overrides_suspension_limit_and_insufficiency(world: World, kind: str) -> None:
    extra = {"overdraft": {"limit": "1"}, "overage": {"price": "1", "cap": "1"}, "hard": {}}[kind]
    world.do(policy(kind, **extra), suspend())
    assert world.use("calls", 3).status == "ACCOUNT_SUSPENDED"
    assert world.use("calls", 3, force=True).available == -300


def test_force_does_not_override_the_other_refusals(world: World) -> None:
    world.do(create_grant("g", "2"))
    assert world.use("nothing", 1, force=True).status == "METER_UNKNOWN"
    assert world.use("bytes", 1, force=True).status == "NOT_ENTITLED"
    assert world.use("calls", -1, force=True).status == "INVALID"
    assert world.use("calls", 1, event_id="e").status == "OK"
    assert world.use("calls", 1, event_id="e", force=True).status == "DUPLICATE"


@pytest.mark.behaviour("S2-1")
@pytest.mark.behaviour("S2-11")
@pytest.mark.behaviour("S0-4")
def test_each_use_debits_exactly_its_cost_and_answers_what_is_left(world: World) -> None:
    """The answer carries the balance right after this event, and the next read shows the same."""
    world.do(create_grant("g", "10"))
    for left in (900, 800, 700):
        answer = world.use("calls", 1)
        assert (100, left) == (answer.charged, answer.available)
        assert left == world.available


@pytest.mark.behaviour("S3-19")
def test_use_requires_a_positive_balance(world: World) -> None:
    refused = world.use("calls", 1)
    assert (refused.status, refused.available or 0, refused.shortfall) == ("INSUFFICIENT", 0, 100)


@pytest.mark.behaviour("S0-14")
def test_credit_types_never_pay_for_each_other(world: World) -> None:
    dollars = {"grant_id": "dollars", "credit_type": "usd", "amount": "1000"}
    world.do({"type": "create_grant", "account": "acme", "grant": dollars})
    assert world.use("calls", 1).status == "INSUFFICIENT"
    assert world.use("usd", 100, direct=True).available == 99_900
    assert world.pool("usd").available == 99_900


@pytest.mark.behaviour("S0-3")
def test_several_meters_draw_on_one_balance(world: World) -> None:
    world.do(create_grant("g", "10"))
    assert world.use("calls", 2).available == 800
    assert world.use("seats", 1).available == 550
    assert world.use("tokens", 1_000, dimensions=(("model", "large"),)).available == 500
