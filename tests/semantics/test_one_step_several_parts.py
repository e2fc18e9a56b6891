"""One command with several faults or several parts: what stands first, and who pays first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.engine_world import EngineWorld
from tests.model.worlds import (
    DAY,
    NOON,
    ReferenceWorld,
    World,
    create_grant,
    grant,
    policy,
    void_and_replace,
)


def settle_over_two_new_grants(world: World) -> tuple[int, int]:
    """Burned of ``lasting`` and of ``ending``, both created by one step while 5.00 are owed."""
    world.do(policy("overdraft", limit="100"), create_grant("old", "1", scope=["seats"]))
    world.use("calls", 5)
    step = void_and_replace(["old"], grant("lasting", "10"), grant("ending", "3", expires_at=NOON + DAY))
    world.do(step)
    return world.of("lasting")[2], world.of("ending")[2]


def test_the_reference_settles_over_all_new_grants_in_burn_down_order() -> None:
    assert settle_over_two_new_grants(ReferenceWorld().begin()) == (200, 300)


def test_new_grants_of_one_step_settle_debt_in_burn_down_order(engine: EngineWorld) -> None:
    """§4.9, §4.10: one step, so the soonest expiry pays first, however the step lists its grants."""
    assert settle_over_two_new_grants(engine) == (200, 300)


@pytest.mark.parametrize(
    "command",
    [
        create_grant("g", "-1", scope=["nowhere"]),
        create_grant("g", "1", effective_at=NOON, expires_at=NOON, scope=["nowhere"]),
        void_and_replace(["unheard-of"], grant("g", "-1")),
    ],
    ids=["amount-and-meter", "dates-and-meter", "amount-and-grant"],
)
def test_invalid_stands_before_what_is_unknown(engine: EngineWorld, command: dict[str, Any]) -> None:
    """§5.3: all commands use the order of statuses."""
    assert engine.try_do(command) == ["INVALID"]
