"""Event ids (§5.5, §5.6): what is the same event, what is another, and for how long it is known."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.engine_world import EngineWorld
from tests.model.worlds import DAY, HOUR, MINUTE, NOON, World, advance, create_grant, set_rate

FIRST: dict[str, Any] = {
    "subject": "tokens",
    "quantity": 1_000,
    "event_id": "e",
    "time": NOON,
    "dimensions": (("model", "large"),),
}


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 1_001},
        {"subject": "calls"},
        {"time": NOON + 1},
        {"time": None},
        {"dimensions": ()},
        {"dimensions": (("model", "small"),)},
        {"dimensions": (("model", "large"), ("region", "eu"))},
        {"subject": "credits", "direct": True},
    ],
    ids=str,
)
def test_same_id_with_other_content_is_a_conflict(world: World, change: dict[str, Any]) -> None:
    """Undeclared dimensions count too: content is what the caller sent."""
    world.do(create_grant("g", "10"))
    assert world.use(**FIRST).status == "OK"
    answer = world.use(**{**FIRST, **change})
    assert (answer.status, answer.charged) == ("CONFLICT", 0)
    assert world.available == 950


@pytest.mark.parametrize("change", [{}, {"force": True}], ids=["same", "force"])
def test_same_id_with_same_content_is_a_duplicate(world: World, change: dict[str, Any]) -> None:
    """Charged 0, present balance; ``force`` is not content."""
    world.do(create_grant("g", "10"))
    world.use(**FIRST)
    world.use("calls", 1)
    answer = world.use(**{**FIRST, **change})
    assert (answer.status, answer.charged, answer.available) == ("DUPLICATE", 0, 850)
    assert world.available == 850


def test_dimensions_are_content_as_a_set(world: World) -> None:
    world.do(create_grant("g", "10"))
    both = (("model", "large"), ("region", "eu"))
    assert world.use("tokens", 1, event_id="e", time=NOON, dimensions=both).status == "OK"
    assert world.use("tokens", 1, event_id="e", time=NOON, dimensions=both[::-1]).status == "DUPLICATE"


def test_ids_are_unique_per_account_only(world: World) -> None:
    world.do({"type": "create_account", "account": "globex", "test_clock": NOON})
    world.do(create_grant("g", "10"), create_grant("g", "10", to="globex"))
    assert world.use("calls", 1, event_id="e").status == "OK"
    assert world.use("calls", 1, event_id="e", account="globex").status == "OK"


@pytest.mark.behaviour("S1-7")
def test_one_accounts_credits_never_pay_for_another(world: World) -> None:
    world.do({"type": "create_account", "account": "globex", "test_clock": NOON})
    world.do(create_grant("g", "10"))
    assert world.use("calls", 1, account="globex").status == "INSUFFICIENT"
    assert world.available == 1_000


def test_a_refused_event_does_not_use_up_its_id(world: World) -> None:
    assert world.use("calls", 1, event_id="e").status == "INSUFFICIENT"
    assert world.use("calls", 2, event_id="e").status == "INSUFFICIENT"
    world.do(create_grant("g", "10"))
    assert world.use("calls", 3, event_id="e").status == "OK"


def test_a_later_price_does_not_change_what_a_duplicate_is(world: World) -> None:
    world.do(create_grant("g", "10"))
    world.use("calls", 1, event_id="e", time=NOON)
    world.do(set_rate("calls", credits="7"))
    assert world.use("calls", 1, event_id="e", time=NOON).status == "DUPLICATE"
    assert world.use("calls", 1).charged == 700


@pytest.mark.parametrize(
    ("ahead", "status"),
    [
        (0, "OK"),
        (5 * MINUTE, "OK"),
        (5 * MINUTE + 1, "TOO_EARLY"),
        (-34 * DAY, "OK"),
        (-35 * DAY - 1, "TOO_LATE"),
    ],
)
def test_the_acceptance_window(world: World, ahead: int, status: str) -> None:
    world.do(create_grant("g", "10"))
    assert world.use("calls", 1, time=NOON + ahead).status == status


def test_the_floor_stands_at_a_bucket_edge(world: World) -> None:
    """35 days before NOON lies 40 s into its minute: the floor is the next full minute."""
    world.do(create_grant("g", "10"))
    edge = NOON - 35 * DAY + 20_000_000
    assert edge % MINUTE == 0
    assert world.use("calls", 1, time=edge - 1).status == "TOO_LATE"
    assert world.use("calls", 1, time=edge).status == "OK"


def test_an_event_with_its_time_is_applied_at_most_once_ever(world: World) -> None:
    world.do(create_grant("g", "10"))
    assert world.use("calls", 1, event_id="e", time=NOON).status == "OK"
    answers = []
    for days in (1, 34, 36, 400):
        world.do(advance(NOON + days * DAY))
        answers.append(world.use("calls", 1, event_id="e", time=NOON).status)
    assert answers == ["DUPLICATE", "DUPLICATE", "TOO_LATE", "TOO_LATE"]
    assert world.available == 900


def test_test_clocks_have_a_floor_of_their_own(world: World) -> None:
    """Advancing one account leaves another's window where it was."""
    world.do({"type": "create_account", "account": "globex", "test_clock": NOON})
    world.do(create_grant("g", "10"), create_grant("g", "10", to="globex"), advance(NOON + 100 * DAY))
    assert world.use("calls", 1, time=NOON).status == "TOO_LATE"
    assert world.use("calls", 1, time=NOON, account="globex").status == "OK"


def test_what_was_known_is_known_after_a_restart(engine: EngineWorld) -> None:
    """The window survives: duplicates and conflicts are told as before."""
    engine.do(create_grant("g", "10"))
    engine.use("calls", 1, event_id="e", time=NOON)
    engine.do(advance(NOON + HOUR))
    engine.reopen()
    assert engine.use("calls", 1, event_id="e", time=NOON).status == "DUPLICATE"
    assert engine.use("calls", 2, event_id="e", time=NOON).status == "CONFLICT"
    assert engine.use("calls", 1, event_id="f", time=NOON - 35 * DAY).status == "TOO_LATE"
    assert engine.available == 900
