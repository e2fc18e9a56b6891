"""Bad input of the typed calls: an exception with the reason, the field, and a sentence for people."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import drawdown
import pytest

from tests.model.engine_side import SETTINGS
from tests.model.worlds import HOUR, NOON

Call = Callable[[Any], object]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """``credits`` at scale 2, meter ``calls`` at 1 each, account ``acme`` with 10 granted."""
    folder: Path = tmp_path_factory.mktemp("typed") / "data"
    room = {name: SETTINGS[name] for name in ("segment_bytes", "reserve_bytes")}
    database = drawdown.open(folder, **room)
    database.create_credit_type("credits", scale=2)
    database.create_meter("calls")
    database.set_rate(meter="calls", credits="1")
    database.create_account("acme", test_clock=NOON)
    database.create_grant("acme", "credits", "10", grant_id="seed")
    yield database
    database.close()
    shutil.rmtree(folder.parent)


BAD: list[tuple[str, Call, str, str]] = [
    (
        "amount-beyond-scale",
        lambda db: db.create_grant("acme", "credits", "0.001", grant_id="g"),
        "amount",
        "0.001",
    ),
    ("amount-zero", lambda db: db.create_grant("acme", "credits", 0, grant_id="g"), "amount", "above 0"),
    ("amount-float", lambda db: db.create_grant("acme", "credits", 0.5, grant_id="g"), "amount", "float"),
    (
        "priority",
        lambda db: db.create_grant("acme", "credits", "1", grant_id="g", priority=101),
        "priority",
        "100",
    ),
    (
        "empty-scope",
        lambda db: db.create_grant("acme", "credits", "1", grant_id="g", scope=[]),
        "scope",
        "empty",
    ),
    ("grant-id", lambda db: db.create_grant("acme", "credits", "1", grant_id=""), "grant_id", "empty"),
    (
        "dates",
        lambda db: db.create_grant(
            "acme", "credits", "1", grant_id="g", effective_at=NOON + HOUR, expires_at=NOON + HOUR
        ),
        "expires_at",
        "effective_at",
    ),
    ("scale", lambda db: db.create_credit_type("gold", scale=13), "scale", "12"),
    ("rate", lambda db: db.set_rate(meter="calls", credits="-1"), "credits", "negative"),
    (
        "rate-and-tiers",
        lambda db: db.set_rate(meter="calls", credits="1", tiers=[(None, "1")]),
        "credits",
        "tiers",
    ),
    ("policy-kind", lambda db: db.set_policy("acme", "credits", "soft"), "kind", "soft"),
    ("limit", lambda db: db.set_policy("acme", "credits", "overdraft"), "limit", "overdraft"),
    ("cap", lambda db: db.set_policy("acme", "credits", "overage", price="1", cap="-1"), "cap", "negative"),
    ("edge", lambda db: db.set_period_edge("acme", NOON), "at", "margin"),
    ("clock-back", lambda db: db.advance_clock("acme", NOON - 1), "to", "back"),
    ("void-unconfirmed", lambda db: db.void_grant("acme", "seed"), "confirm", "cannot be undone"),
    ("account-id", lambda db: db.create_account("a" * 129), "account", "128"),
]


@pytest.mark.parametrize(("call", "field", "fragment"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_raises_with_field_and_message(db: Any, call: Call, field: str, fragment: str) -> None:
    """``INVALID`` is an exception here, definite, and nothing changed."""
    before = (db.grants("acme"), db.balance("acme", "credits").available)
    with pytest.raises(drawdown.InvalidRequestError) as caught:
        call(db)
    assert caught.value.field is not None and field in caught.value.field
    assert fragment in str(caught.value)
    assert caught.value.definite
    assert (before[0], before[1]) == (db.grants("acme"), db.balance("acme", "credits").available)


@pytest.mark.behaviour("S1-18")
def test_a_void_needs_an_explicit_confirmation(db: Any) -> None:
    with pytest.raises(drawdown.InvalidRequestError, match="confirm"):
        db.void_grant("acme", "seed")
    db.create_grant("acme", "credits", "1", grant_id="to-void", expires_at=NOON + HOUR)
    assert db.void_grant("acme", "to-void", confirm=True).status == "OK"
    assert db.void_grant("acme", "to-void", confirm=True).status == "DUPLICATE"


@pytest.mark.parametrize("bad", [{"quantity": -1}, {"event_id": ""}, {"event_id": "x" * 129}], ids=str)
def test_a_malformed_use_raises_or_is_invalid_and_changes_nothing(db: Any, bad: dict[str, Any]) -> None:
    before = db.balance("acme", "credits").available
    try:
        status = db.record("acme", "calls", **{"quantity": 1, **bad}).status
    except drawdown.InvalidRequestError as error:
        status = error.reason
        assert error.field is not None and error.field in ("quantity", "event_id")
    assert status in ("INVALID", "INVALID_REQUEST")
    assert before == db.balance("acme", "credits").available


def test_refusals_by_rule_are_results_with_a_status(db: Any) -> None:
    """No exception: a refusal is an answer, falsy, with what a person needs to go on."""
    refused = db.record("acme", "calls", quantity=1_000, time=NOON)
    assert (refused.status, bool(refused)) == ("INSUFFICIENT", False)
    assert refused.shortfall == Decimal(1_000) - refused.available
    assert db.record("nobody", "calls").status == "ACCOUNT_UNKNOWN"
    assert db.record("acme", "nothing", time=NOON).status == "METER_UNKNOWN"
    assert db.create_grant("acme", "credits", "11", grant_id="seed").status == "CONFLICT"
    assert db.create_grant("acme", "credits", "10", grant_id="seed").status == "DUPLICATE"
    assert db.void_grant("acme", "never", confirm=True).status == "GRANT_UNKNOWN"
