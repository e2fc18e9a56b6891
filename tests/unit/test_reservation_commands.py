"""Commands of reservations and corrections: exactly one way to say each, with the field named otherwise."""

from datetime import timedelta

import msgspec
import pytest
from drawdown.errors import InvalidRequestError
from drawdown.model import commands


def sent(command: commands.Command) -> dict[str, object]:
    decoded: dict[str, object] = msgspec.json.decode(commands.encode_group([command]))[0]
    return decoded


def test_a_reservation_is_sent_with_exactly_what_was_asked() -> None:
    assert sent(commands.reserve("a", "r", meter="calls", quantity=3, ttl=1.5)) == {
        "type": "reserve",
        "account": "a",
        "reservation_id": "r",
        "meter": "calls",
        "quantity": 3,
        "ttl_us": 1_500_000,
    }
    by_credits = sent(commands.reserve("a", "r", credit_type="credits", credits="2.5"))
    assert (by_credits["credit_type"], by_credits["credits"]) == ("credits", "2.5")
    assert "quantity" not in by_credits
    assert sent(commands.reserve("a", "r", meter="calls"))["quantity"] == 1
    whole_day = commands.reserve("a", "r", meter="calls", ttl=timedelta(hours=24))
    assert whole_day.ttl_us == 24 * 3600 * 1_000_000


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "meter"),
        ({"meter": "calls", "credit_type": "credits", "credits": 1}, "meter"),
        ({"meter": "calls", "quantity": 1, "credits": 1}, "credits"),
        ({"credit_type": "credits"}, "credits"),
        ({"meter": "calls", "quantity": 1.0}, "quantity"),
        ({"meter": "calls", "quantity": True}, "quantity"),
        ({"meter": "calls", "credits": 0.1}, "credits"),
        ({"meter": "calls", "ttl": 0}, "ttl"),
        ({"meter": "calls", "ttl": -1}, "ttl"),
        ({"meter": "calls", "ttl": 86_401}, "ttl"),
        ({"meter": "calls", "ttl": "soon"}, "ttl"),
        ({"meter": "calls", "ttl": float("nan")}, "ttl"),
    ],
)
def test_a_reservation_that_says_too_little_or_too_much_names_the_field(
    fields: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        commands.reserve("a", "r", **fields)  # type: ignore[arg-type]
    assert refused.value.field == field


@pytest.mark.parametrize("fields", [{}, {"quantity": 1, "credits": 1}])
def test_a_settlement_says_one_actual(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        commands.settle("a", "r", **fields)  # type: ignore[arg-type]
    assert refused.value.field == "quantity"


@pytest.mark.parametrize("fields", [{}, {"quantity": 1, "cancel": True}, {"quantity": 1, "credits": 1}])
def test_a_correction_is_one_of_three(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        commands.correct("a", "e", **fields)  # type: ignore[arg-type]
    assert refused.value.field == "quantity"


def test_a_correction_is_sent_with_exactly_what_was_asked() -> None:
    assert sent(commands.correct("a", "e", cancel=True)) == {
        "type": "correct",
        "account": "a",
        "event_id": "e",
        "cancel": True,
    }
    by_quantity = sent(commands.correct("a", "e", quantity=0, correction_id="c", regrant=True))
    assert (by_quantity["quantity"], by_quantity["correction_id"], by_quantity["regrant"]) == (0, "c", True)
