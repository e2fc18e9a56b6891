"""Boolean features and features with a value: out of the live plans, the newest first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from drawdown.client.interface import Database
from drawdown.errors import AccountNotFoundError

from .plans import published


def test_features_follow_the_live_plans(db: Database, account: str, name: Callable[[str], str]) -> None:
    """A switch, a value, one switched off; suspended nothing is allowed; after the end nothing is left."""
    features = {"sso": "true", "seats": "25", "export": "false"}
    plan = published(db, name("plan"), features=features)
    assert db.feature(account, "sso").reason == "NOT_ENTITLED"
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    sso, seats, export = (db.feature(account, each) for each in ("sso", "seats", "export"))
    assert (sso.allowed, sso.kind, sso.reason) == (True, "boolean", "OK")
    assert (seats.allowed, seats.kind, seats.value) == (True, "config", "25")
    assert (export.allowed, export.reason) == (False, "NOT_ENTITLED")
    assert [each.feature for each in db.features(account)] == ["export", "seats", "sso"]
    larger = published(db, name("larger"), features={"seats": "100"})
    db.advance_clock(account, datetime(2026, 2, 1, tzinfo=UTC))
    db.subscribe(account, larger.plan_id, subscription_id=name("second"))
    assert db.feature(account, "seats").value == "100"
    db.suspend_account(account)
    assert {each.reason for each in db.features(account)} == {"ACCOUNT_SUSPENDED"}
    assert not any(each.allowed for each in db.features(account))
    db.resume_account(account)
    db.cancel_subscription(name("second"), when="now")
    assert db.feature(account, "seats").value == "25"
    db.cancel_subscription(name("sub"), when="now")
    assert db.features(account) == ()
    with pytest.raises(AccountNotFoundError):
        db.feature("nobody", "sso")
