"""Debt and what settles it (§4.9)."""

from __future__ import annotations

import pytest

from tests.model.worlds import DAY, HOUR, NOON, World, advance, create_grant, policy, void

LARGE = (("model", "large"),)


@pytest.fixture
def indebted(world: World) -> World:
    """``calls`` owe 3.00 since first, ``tokens`` 2.00 since second."""
    world.do(policy("overdraft", limit="100"))
    world.use("calls", 3)
    world.use("tokens", 4_000, dimensions=LARGE)
    assert world.available == -500
    return world


def test_a_new_grant_settles_at_once(indebted: World) -> None:
    indebted.do(create_grant("top-up", "12"))
    assert indebted.of("top-up") == ("active", 700, 500)
    assert (indebted.available, indebted.pool().overdraft) == (700, 0)
    assert indebted.conserves()


def test_a_scoped_grant_settles_only_the_debt_of_its_meters(indebted: World) -> None:
    indebted.do(create_grant("for-seats", "4", scope=["seats"]))
    assert (indebted.of("for-seats"), indebted.pool().overdraft) == (("active", 400, 0), 500)
    indebted.do(create_grant("for-tokens", "4", scope=["tokens"]))
    assert (indebted.of("for-tokens"), indebted.pool().overdraft) == (("active", 200, 200), 300)


def test_meters_settle_by_the_age_of_their_debt(indebted: World) -> None:
    """3.50 pays the calls whole and half a credit of the tokens: a grant for calls then finds no debt."""
    indebted.do(create_grant("all", "3.5"), create_grant("for-calls", "1", scope=["calls"]))
    assert [indebted.of("all"), indebted.of("for-calls")] == [("exhausted", 0, 350), ("active", 100, 0)]
    assert indebted.pool().overdraft == 150


def test_age_is_that_of_the_open_debt(indebted: World) -> None:
    """Settled in between, the calls' debt is the younger one when it opens again."""
    indebted.do(create_grant("for-calls", "3", scope=["calls"]))
    indebted.use("calls", 1)
    indebted.do(create_grant("all", "2"))
    assert indebted.pool().overdraft == 100
    indebted.do(create_grant("for-tokens", "1", scope=["tokens"]))
    assert indebted.of("for-tokens") == ("active", 100, 0)


def test_debt_never_blocks_another_meters_grants(indebted: World) -> None:
    indebted.do(create_grant("for-seats", "5", scope=["seats"]))
    answer = indebted.use("seats", 1)
    assert (answer.status, answer.available) == ("OK", -250)
    assert indebted.of("for-seats") == ("active", 250, 250)


def test_the_limit_is_for_the_sum_of_the_pool(indebted: World) -> None:
    indebted.do(policy("overdraft", limit="6"))
    assert indebted.use("seats", 1).status == "LIMIT_REACHED"
    assert indebted.use("calls", 1).status == "OK"
    assert indebted.use("calls", 1).status == "LIMIT_REACHED"


def test_a_scheduled_grant_settles_at_its_activation_even_noticed_after_its_end(indebted: World) -> None:
    """§3: instants are lived in order, however late they are noticed."""
    indebted.do(
        create_grant("short", "10", effective_at=NOON + HOUR, expires_at=NOON + 2 * HOUR),
        advance(NOON + 2 * HOUR),
    )
    assert indebted.of("short") == ("expired", 500, 500)
    assert (indebted.available, indebted.pool().overdraft) == (0, 0)
    assert indebted.conserves()


def test_activations_settle_in_the_order_of_their_instants(indebted: World) -> None:
    """The later one would burn first by priority, but it is not there yet when the earlier one pays."""
    indebted.do(
        create_grant("later", "5", priority=1, effective_at=NOON + 2 * HOUR),
        create_grant("earlier", "5", priority=90, effective_at=NOON + HOUR),
        advance(NOON + DAY),
    )
    assert [indebted.of("earlier"), indebted.of("later")] == [("exhausted", 0, 500), ("active", 500, 0)]


def test_a_release_settles(indebted: World) -> None:
    indebted.do(create_grant("g", "10", pending=True))
    assert indebted.pool().overdraft == 500
    indebted.do({"type": "release_grant", "account": "acme", "grant_id": "g"})
    assert (indebted.of("g"), indebted.pool().overdraft) == (("active", 500, 500), 0)


def test_what_settled_a_debt_stays_burned_when_the_grant_is_voided(indebted: World) -> None:
    indebted.do(create_grant("g", "10"), void("g"))
    assert (indebted.available, indebted.pool().overdraft) == (0, 0)
    assert (indebted.grants()["g"].burned, indebted.grants()["g"].voided) == (500, 500)


def test_a_direct_debits_debt_is_paid_by_grants_of_all_meters_only(world: World) -> None:
    world.use("credits", 300, direct=True, force=True)
    world.do(create_grant("scoped", "5", scope=["calls"]))
    assert (world.pool().overdraft, world.available) == (300, 200)
    world.do(create_grant("all", "5"))
    assert (world.pool().overdraft, world.available) == (0, 700)
