"""Boolean features stand beside metered ones: a meter with an explicit rate of 0 in the account's table."""

from __future__ import annotations

from collections.abc import Callable

from drawdown.client.interface import Database

NewAccount = Callable[..., str]
FREE_UNITS = 2**63 - 1


def test_a_feature_is_on_where_the_rate_table_names_it_at_no_price(
    database: Database, new_account: NewAccount
) -> None:
    """Two plans: one has single sign-on, the other has not; neither needs credits for it."""
    database.create_meter("sso", unit="feature")
    database.set_rate(table="team", meter="sso", credits=0)
    database.set_rate(table="team", meter="calls", credits=1)
    database.set_rate(table="solo", meter="calls", credits=1)
    team, solo = (new_account(database, rate_table=table) for table in ("team", "solo"))
    on, off = database.check(team, "sso"), database.check(solo, "sso")
    assert (on.allowed, on.reason, on.units) == (True, "OK", FREE_UNITS)
    assert (off.allowed, off.reason) == (False, "NOT_ENTITLED")
    assert database.check(team, "calls").reason == "INSUFFICIENT"


def test_a_change_of_plan_or_a_suspension_is_told(database: Database, new_account: NewAccount) -> None:
    """The feature comes with the table and goes with the suspension."""
    database.create_meter("export", unit="feature")
    database.set_rate(table="pro", meter="export", credits=0)
    account = new_account(database, rate_table="solo")
    with database.watch_entitlements([(account, "export")]) as watch:
        assert next(watch).check.reason == "NOT_ENTITLED"
        database.assign_rate_table(account, "pro")
        assert next(watch).check.allowed
        database.suspend_account(account)
        assert next(watch).check.reason == "ACCOUNT_SUSPENDED"
        database.resume_account(account)
        assert next(watch).check.allowed
