"""A grant's life (§4.1–§4.8): creation, states, expiry, void, release, and the law of conservation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.reference_prices import I64_MAX
from tests.model.worlds import DAY, HOUR, NOON, SECOND, World, advance, create_grant, suspend, void


def test_a_scope_is_a_set(world: World) -> None:
    """In whatever order its meters are sent, and how often: the same content."""
    world.do(create_grant("g", "10", scope=["calls", "bytes"]))
    for same in (["bytes", "calls"], ["calls", "bytes", "calls"]):
        assert world.try_do(create_grant("g", "10", scope=same)) == ["DUPLICATE"]
    assert world.try_do(create_grant("g", "10", scope=["calls"])) == ["CONFLICT"]


def test_a_meter_of_the_scope_is_no_key_of_the_metadata(world: World) -> None:
    world.do(create_grant("g", "10", scope=["bytes", "calls", "seats"]))
    other = create_grant("g", "10", scope=["bytes"], metadata={"calls": "seats"})
    assert world.try_do(other) == ["CONFLICT"]


@pytest.mark.behaviour("S1-15")
@pytest.mark.parametrize(
    "change",
    [
        {"priority": 2},
        {"expires_at": NOON + DAY},
        {"scope": ["calls"]},
        {"category": "promotional"},
        {"name": "n"},
    ],
    ids=str,
)
def test_a_grant_is_never_edited(world: World, change: dict[str, Any]) -> None:
    """The same id with other content is a conflict and changes nothing; with the same a duplicate."""
    world.do(create_grant("g", "10"))
    before = world.grants()
    assert world.try_do(create_grant("g", "10")) == ["DUPLICATE"]
    assert world.try_do(create_grant("g", "10", **change)) == ["CONFLICT"]
    assert world.try_do(create_grant("g", "11")) == ["CONFLICT"]
    assert before == world.grants()


def test_states_the_first_that_fits(world: World) -> None:
    world.do(
        create_grant("active", "5"),
        create_grant("scheduled", "5", effective_at=NOON + DAY),
        create_grant("expired", "5", effective_at=NOON - DAY, expires_at=NOON),
        create_grant("pending", "5", pending=True, effective_at=NOON - DAY, expires_at=NOON),
        create_grant("voided", "5", effective_at=NOON - DAY, expires_at=NOON),
        void("voided"),
        create_grant("exhausted", "1", priority=1),
    )
    world.use("calls", 1)
    assert {name: name for name in world.grants()} == {
        name: view.state for name, view in world.grants().items()
    }
    assert world.available == 500


@pytest.mark.behaviour("S3-2")
def test_a_purchase_of_a_year_is_usable_one_second_before_its_end_and_not_after(world: World) -> None:
    """2,000 credits for 365 days: the last second pays, the end itself does not."""
    ends = NOON + 365 * DAY
    world.do(create_grant("bought", "2000", source="purchase", expires_at=ends), advance(ends - SECOND))
    assert world.use("calls", 1).available == 199_900
    world.do(advance(ends))
    assert (world.use("calls", 1).status, world.available) == ("INSUFFICIENT", 0)


@pytest.mark.behaviour("S2-25")
def test_a_grant_without_an_end_never_lapses(world: World) -> None:
    world.do(create_grant("pack", "20"), advance(NOON + 100 * 365 * DAY))
    world.sweep()
    assert (world.of("pack"), world.available) == (("active", 2_000, 0), 2_000)


@pytest.mark.behaviour("S4-20")
@pytest.mark.behaviour("S4-23")
def test_credits_count_while_active_and_used_plus_remaining_is_their_number(world: World) -> None:
    """Not before the start, not after the end; in between used + remaining = number, always."""
    world.do(
        create_grant("first", "10", expires_at=NOON + 2 * DAY),
        create_grant("second", "7", effective_at=NOON + DAY, expires_at=NOON + 3 * DAY),
    )
    numbers = []
    for day in range(4):
        world.do(advance(NOON + day * DAY))
        world.use("calls", 1)
        active = [view for view in world.grants().values() if view.state in ("active", "exhausted")]
        numbers.append(sum(view.amount for view in active))
        assert numbers[-1] == sum(view.remaining + view.burned for view in active)
    assert numbers == [1_000, 1_700, 700, 0]


def test_a_scheduled_grant_activates_at_its_instant(world: World) -> None:
    world.do(create_grant("g", "5", effective_at=NOON + DAY), advance(NOON + DAY - 1))
    assert (world.of("g")[0], world.available) == ("scheduled", 0)
    world.do(advance(NOON + DAY))
    assert (world.of("g")[0], world.available) == ("active", 500)


def test_expiry_is_decided_at_the_instant_of_use(world: World) -> None:
    """At ``expires_at`` the remainder leaves the balance, whether or not anyone swept."""
    world.do(create_grant("g", "5", expires_at=NOON + DAY), advance(NOON + DAY - 1))
    assert world.available == 500
    world.do(advance(NOON + DAY))
    assert world.of("g") == ("expired", 500, 0)
    assert world.available == 0
    assert world.use("calls", 1).status == "INSUFFICIENT"


@pytest.mark.behaviour("S4-18")
def test_breakage_is_booked_no_earlier_than_the_grace(world: World) -> None:
    """§4.6: until ``expires_at + late_grace`` it still counts as remaining; then it is booked, once."""
    world.do(create_grant("g", "5", expires_at=NOON + DAY), advance(NOON + DAY + HOUR - 1))
    assert world.sweep() == 0
    assert (world.grants()["g"].remaining, world.grants()["g"].expired) == (500, 0)
    world.do(advance(NOON + DAY + HOUR))
    world.sweep()
    assert (
        world.grants()["g"].remaining,
        world.grants()["g"].expired,
        world.grants()["g"].state,
    ) == (0, 500, "expired")
    assert world.sweep() == 0
    assert world.conserves()


@pytest.mark.parametrize("how", ["created", "released"])
def test_what_is_due_when_it_arrives_is_booked_by_the_next_sweep(world: World, how: str) -> None:
    """A grant whose end and grace lie behind the clock when it is created, or released."""
    dates: dict[str, Any] = {"effective_at": NOON - DAY, "expires_at": NOON}
    if how == "released":
        world.do(create_grant("g", "5", pending=True, **dates), advance(NOON + DAY))
        world.do({"type": "release_grant", "account": "acme", "grant_id": "g"})
    else:
        world.do(advance(NOON + DAY), create_grant("g", "5", **dates))
    world.sweep()
    view = world.grants()["g"]
    assert (view.state, view.remaining, view.expired) == ("expired", 0, 500)
    assert world.conserves()


@pytest.mark.behaviour("S4-16")
def test_overlapping_lifetimes_both_count_until_each_ends(world: World) -> None:
    month = 30 * DAY
    world.do(
        create_grant("first", "5", expires_at=NOON + 2 * month),
        create_grant("second", "5", effective_at=NOON + month, expires_at=NOON + 3 * month),
        advance(NOON + month),
    )
    assert world.available == 1_000
    world.use("calls", 6)
    assert [world.of("first"), world.of("second")] == [("exhausted", 0, 500), ("active", 400, 100)]
    world.do(advance(NOON + 2 * month))
    assert world.available == 400


@pytest.mark.behaviour("S1-18")
@pytest.mark.behaviour("S1-19")
@pytest.mark.behaviour("S1-20")
def test_void_forfeits_what_is_left_at_once_and_for_ever(world: World) -> None:
    """What was burned stays burned; a second void is a no-op that says so."""
    world.do(create_grant("g", "10"))
    world.use("calls", 3)
    outcome = world.do(void("g"))[0]
    assert outcome["forfeited"] == 700
    view = world.grants()["g"]
    assert (view.state, view.remaining, view.burned, view.voided) == ("voided", 0, 300, 700)
    assert world.use("calls", 1).status == "INSUFFICIENT"
    assert world.try_do(void("g")) == ["DUPLICATE"]
    assert world.try_do(create_grant("g", "10")) == ["DUPLICATE"]
    assert view == world.grants()["g"]
    assert world.conserves()


@pytest.mark.parametrize("kind", ["exhausted", "expired", "booked"])
def test_voiding_an_exhausted_or_expired_grant_is_allowed(world: World, kind: str) -> None:
    world.do(create_grant("g", "3", expires_at=NOON + DAY))
    if kind == "exhausted":
        world.use("calls", 3)
    else:
        world.do(advance(NOON + DAY if kind == "expired" else NOON + 2 * DAY))
        world.sweep()
    assert (300 if kind == "expired" else 0) == world.do(void("g"))[0]["forfeited"]
    assert world.of("g")[0] == "voided"
    assert world.conserves()


def test_voiding_an_unknown_grant_says_so(world: World) -> None:
    assert world.try_do(void("never")) == ["GRANT_UNKNOWN"]
    assert world.try_do(void("never", of="nobody")) == ["ACCOUNT_UNKNOWN"]


def test_a_pending_grant_is_listed_and_never_spendable_until_released(world: World) -> None:
    world.do(create_grant("g", "5", pending=True))
    assert (world.of("g"), world.available) == (("pending", 500, 0), 0)
    assert world.use("calls", 1).status == "INSUFFICIENT"
    world.do({"type": "release_grant", "account": "acme", "grant_id": "g"})
    assert world.use("calls", 1).available == 400


def test_a_release_may_carry_its_own_dates(world: World) -> None:
    world.do(create_grant("kept", "5", pending=True, expires_at=NOON + DAY))
    world.do(create_grant("moved", "5", pending=True, expires_at=NOON + DAY))
    world.do(advance(NOON + DAY))
    release = {"type": "release_grant", "account": "acme"}
    world.do({**release, "grant_id": "kept"})
    world.do({**release, "grant_id": "moved", "effective_at": NOON + DAY, "expires_at": NOON + 2 * DAY})
    assert [world.of("kept")[0], world.of("moved")[0]] == ["expired", "active"]
    assert world.try_do({**release, "grant_id": "never"}) == ["GRANT_UNKNOWN"]


def test_dates_that_default_to_the_stamp_are_judged_after_duplicate(world: World) -> None:
    """§5.3: the same creation sent again after its expiry is a duplicate, not a bad date."""
    command = create_grant("g", "5", expires_at=NOON + 1)
    world.do(command, advance(NOON + DAY))
    assert world.try_do(command) == ["DUPLICATE"]
    assert world.try_do(create_grant("g", "6", expires_at=NOON + 1)) == ["CONFLICT"]
    assert world.try_do(create_grant("h", "5", expires_at=NOON + 1)) == ["INVALID"]


def test_both_dates_may_lie_in_the_past(world: World) -> None:
    world.do(create_grant("g", "5", effective_at=NOON - 2 * DAY, expires_at=NOON - DAY))
    assert (world.of("g"), world.available) == (("expired", 500, 0), 0)


def test_grants_go_on_while_an_account_is_suspended(world: World) -> None:
    world.do(suspend(), create_grant("g", "5"), create_grant("h", "5"), void("h"))
    assert world.available == 500
    world.do({"type": "resume_account", "account": "acme"})
    assert world.use("calls", 1).status == "OK"


def test_the_sum_of_remaining_fits_64_bits_exactly(world: World) -> None:
    """§2: up to the last unit; one more is OVERFLOW and changes nothing; burning makes room again."""
    world.do(create_grant("g", I64_MAX - 1), create_grant("one", 1))
    assert world.available == I64_MAX
    assert world.try_do(create_grant("two", 1)) == ["OVERFLOW"]
    assert sorted(world.grants()) == ["g", "one"]
    assert world.use("credits", 1, direct=True).available == I64_MAX - 1
    assert world.try_do(create_grant("two", 1)) == ["OK"]


def test_what_was_ever_burned_has_no_limit_of_64_bits(world: World) -> None:
    """§2: no smaller limit anywhere: three times the largest balance passes through one pool."""
    for number in range(3):
        world.do(create_grant(f"g{number}", I64_MAX))
        assert world.use("credits", I64_MAX, direct=True).available == 0
    assert world.conserves()
    assert [view.burned for view in world.grants().values()] == [I64_MAX] * 3
