"""Every status of usage (§5.3) by itself, and each pair that can meet, by precedence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.engine_world import EngineWorld
from tests.model.reference_ledger import Event
from tests.model.reference_prices import I64_MAX
from tests.model.worlds import DAY, MINUTE, NOON, World, advance, create_grant, policy, set_rate, suspend

FAR_AHEAD = 2**62
TOO_OLD = 0


def prepared(world: World) -> World:
    """10.00 credits under ``hard``, one event ``taken`` applied, and a meter at 2^40 a unit."""
    world.do(create_grant("g", "10"))
    world.do(set_rate("bytes", credits=str(2**40)))
    world.do({"type": "create_meter", "key": "disk"})
    assert world.use("calls", 1, event_id="taken", time=NOON).status == "OK"
    return world


BY_ITSELF: list[tuple[str, dict[str, Any]]] = [
    ("OK", {"subject": "calls", "quantity": 9}),
    ("INVALID", {"subject": "calls", "quantity": -1}),
    ("TOO_EARLY", {"subject": "calls", "quantity": 1, "time": NOON + 5 * MINUTE + 1}),
    ("TOO_LATE", {"subject": "calls", "quantity": 1, "time": NOON - 35 * DAY - 1}),
    ("ACCOUNT_UNKNOWN", {"subject": "calls", "quantity": 1, "account": "nobody"}),
    ("DUPLICATE", {"subject": "calls", "quantity": 1, "event_id": "taken", "time": NOON}),
    ("CONFLICT", {"subject": "calls", "quantity": 2, "event_id": "taken", "time": NOON}),
    ("METER_UNKNOWN", {"subject": "nothing", "quantity": 1}),
    ("NOT_ENTITLED", {"subject": "disk", "quantity": 1}),
    ("OVERFLOW", {"subject": "bytes", "quantity": I64_MAX}),
    ("INSUFFICIENT", {"subject": "calls", "quantity": 10}),
]


@pytest.mark.parametrize(("status", "use"), BY_ITSELF, ids=[row[0] for row in BY_ITSELF])
def test_status_by_itself(world: World, status: str, use: dict[str, Any]) -> None:
    """One event that only this status fits; whatever is refused leaves everything as it was."""
    before = (prepared(world).grants(), world.pool())
    assert status == world.use(**use).status
    if status != "OK":
        assert before == (world.grants(), world.pool())


def test_account_suspended_by_itself(world: World) -> None:
    prepared(world).do(suspend())
    assert world.use("calls", 1).status == "ACCOUNT_SUSPENDED"


def test_limit_reached_by_itself(world: World) -> None:
    prepared(world).do(policy("overdraft", limit="5"))
    assert world.use("calls", 15).status == "LIMIT_REACHED"
    assert world.use("calls", 14).status == "OK"


def test_overflow_of_a_total_by_itself(world: World) -> None:
    """Overage without a cap: the sum would leave 64 bits, no single charge does."""
    world.do(policy("overage", price="1"))
    assert world.use("credits", I64_MAX, direct=True).status == "OK"
    assert world.use("credits", 1, direct=True).status == "OVERFLOW"
    assert world.pool().overage == I64_MAX


PAIRS: list[tuple[str, str, list[dict[str, Any]], dict[str, Any]]] = [
    ("INVALID", "TOO_EARLY", [], {"subject": "calls", "quantity": -1, "time": FAR_AHEAD}),
    ("INVALID", "TOO_LATE", [], {"subject": "calls", "quantity": -1, "time": TOO_OLD}),
    (
        "TOO_EARLY",
        "ACCOUNT_UNKNOWN",
        [],
        {"subject": "calls", "quantity": 1, "time": FAR_AHEAD, "account": "nobody"},
    ),
    (
        "TOO_LATE",
        "ACCOUNT_UNKNOWN",
        [],
        {"subject": "calls", "quantity": 1, "time": TOO_OLD, "account": "nobody"},
    ),
    (
        "TOO_LATE",
        "DUPLICATE",
        [advance(NOON + 36 * DAY)],
        {"subject": "calls", "quantity": 1, "event_id": "taken", "time": NOON},
    ),
    ("TOO_LATE", "CONFLICT", [], {"subject": "calls", "quantity": 1, "event_id": "taken", "time": TOO_OLD}),
    (
        "TOO_EARLY",
        "CONFLICT",
        [],
        {"subject": "calls", "quantity": 1, "event_id": "taken", "time": FAR_AHEAD},
    ),
    ("ACCOUNT_UNKNOWN", "METER_UNKNOWN", [], {"subject": "nothing", "quantity": 1, "account": "nobody"}),
    (
        "DUPLICATE",
        "ACCOUNT_SUSPENDED",
        [suspend()],
        {"subject": "calls", "quantity": 1, "event_id": "taken", "time": NOON},
    ),
    (
        "CONFLICT",
        "ACCOUNT_SUSPENDED",
        [suspend()],
        {"subject": "calls", "quantity": 2, "event_id": "taken", "time": NOON},
    ),
    (
        "CONFLICT",
        "METER_UNKNOWN",
        [],
        {"subject": "nothing", "quantity": 1, "event_id": "taken", "time": NOON},
    ),
    ("ACCOUNT_SUSPENDED", "METER_UNKNOWN", [suspend()], {"subject": "nothing", "quantity": 1}),
    ("ACCOUNT_SUSPENDED", "NOT_ENTITLED", [suspend()], {"subject": "disk", "quantity": 1}),
    ("ACCOUNT_SUSPENDED", "INSUFFICIENT", [suspend()], {"subject": "calls", "quantity": 99}),
    (
        "OVERFLOW",
        "LIMIT_REACHED",
        [policy("overdraft", limit="5")],
        {"subject": "bytes", "quantity": I64_MAX},
    ),
    ("OVERFLOW", "INSUFFICIENT", [], {"subject": "bytes", "quantity": I64_MAX}),
]


@pytest.mark.parametrize(
    ("first", "second", "terms", "use"), PAIRS, ids=[f"{row[0]}_before_{row[1]}" for row in PAIRS]
)
def test_precedence(world: World, first: str, second: str, terms: list[Any], use: dict[str, Any]) -> None:
    """Both statuses fit the event; the answer is the one that stands first in §5.3."""
    prepared(world).do(*terms)
    assert first == world.use(**use).status
    assert first != second


def test_limit_reached_before_overflow_of_a_total(world: World) -> None:
    """Debt and charge together pass the limit and 64 bits at once."""
    world.do(policy("overdraft", limit=I64_MAX))
    assert world.use("credits", I64_MAX, direct=True).status == "OK"
    assert world.use("credits", 1, direct=True).status == "LIMIT_REACHED"
    assert world.use("credits", 1, direct=True, force=True).status == "OVERFLOW"
    assert world.pool().overdraft == I64_MAX


def test_force_without_the_right_is_invalid(engine: EngineWorld) -> None:
    """The right comes with the caller, never with the event; before every other status."""
    from drawdown import _engine

    engine.do(create_grant("g", "10"), suspend())
    encoder = _engine.BatchEncoder("rows", "all")
    encoder.add("acme", "calls", 1, "forced", None, (), False, True)
    message = encoder.take(1)
    _seq, ack = engine.side.engine.submit(message)
    assert _engine.decode_ack(ack)[5][0][1] == "INVALID"
    _seq, ack = engine.side.engine.submit(message, may_force=True)
    assert _engine.decode_ack(ack)[5][0][1] == "OK"


def test_an_account_outside_the_callers_prefix_is_unknown(engine: EngineWorld) -> None:
    from drawdown import _engine

    encoder = _engine.BatchEncoder("rows", "all")
    encoder.add("acme", "calls", 0, "mine")
    message = encoder.take(1)
    _seq, ack = engine.side.engine.submit(message, account_prefix="other-")
    assert _engine.decode_ack(ack)[5][0][1] == "ACCOUNT_UNKNOWN"
    _seq, ack = engine.side.engine.submit(message, account_prefix="ac")
    assert _engine.decode_ack(ack)[5][0][1] == "OK"


@pytest.mark.parametrize("encoding", ["rows", "columns"])
def test_a_refused_event_never_fails_its_neighbours(engine: EngineWorld, encoding: str) -> None:
    """§5.3: each event of a batch has its own answer, with the balance right after it."""
    engine.do(create_grant("g", "3"))
    batch = [
        Event("a", "acme", "calls", 1),
        Event("b", "nobody", "calls", 1),
        Event("a", "acme", "calls", 1),
        Event("a", "acme", "calls", 2),
        Event("c", "acme", "calls", 3),
        Event("d", "acme", "nothing", 1),
        Event("e", "acme", "calls", 2),
    ]
    answers = engine.side.record_batch(batch, encoding)
    wanted = ["OK", "ACCOUNT_UNKNOWN", "DUPLICATE", "CONFLICT", "INSUFFICIENT", "METER_UNKNOWN", "OK"]
    assert wanted == [answer.status for answer in answers]
    assert [answers[i].available for i in (0, 2, 4, 6)] == [200, 200, 200, 0]


def test_no_account_is_created_by_usage(world: World) -> None:
    assert world.use("calls", 1, account="newcomer").status == "ACCOUNT_UNKNOWN"
    assert world.use("calls", 1, account="newcomer").status == "ACCOUNT_UNKNOWN"
