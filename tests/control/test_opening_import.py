"""What was begun elsewhere goes on here: all rows, or none (semantics §15)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown import errors
from drawdown.client.interface import Database
from drawdown.model.money import Money

from .conftest import SMALL, START, prepare
from .plans import published

Name = Callable[[str], str]
Rows = list[dict[str, str]]


def opening(name: Name, **changed: str) -> Rows:
    """A customer with an account and two remainders."""
    return [
        {
            "kind": "grant",
            "account": name("a"),
            "grant_id": "left",
            "credit_type": "credits",
            "amount": "12.5",
            "cost": "5.00",
            "cost_currency": "EUR",
            "expires_at": "2027-01-01",
            **changed,
        },
        {
            "kind": "grant",
            "account": name("a"),
            "grant_id": "gift",
            "credit_type": "credits",
            "amount": "3",
            "category": "promotional",
            "scope": "calls; tokens",
        },
        {"kind": "account", "account": name("a"), "customer_id": name("c")},
        {
            "kind": "customer",
            "customer_id": name("c"),
            "name": "Müller & Söhne",
            "currency": "EUR",
            "address": "Hauptstraße 1; 10115 Berlin",
        },
    ]


def test_a_dry_run_says_and_a_run_does_and_a_repeat_does_nothing(db: Database, name: Name) -> None:
    rows = opening(name)
    tried = db.import_opening(rows, dry_run=True)
    assert (tried.applied, tried.problems) == (False, ())
    assert [(each.line, each.kind, each.state) for each in tried.actions] == [
        (1, "grant", "new"),
        (2, "grant", "new"),
        (3, "account", "new"),
        (4, "customer", "new"),
    ]
    with pytest.raises(errors.NotFoundError):
        db.account(name("a"))
    done = db.import_opening(rows)
    assert done.applied and done.actions == tried.actions
    again = db.import_opening(rows)
    assert again.applied and {each.state for each in again.actions} == {"known"}
    left, gift = sorted(db.grants(name("a")), key=lambda each: each.grant_id, reverse=True)
    assert (left.amount, left.cost_minor, left.cost_currency) == (Decimal("12.5"), 500, "EUR")
    assert left.expires_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert (gift.amount, gift.category, sorted(gift.scope or ())) == (3, "promotional", ["calls", "tokens"])
    customer = db.customer(name("c"))
    assert (customer.name, customer.address) == ("Müller & Söhne", ("Hauptstraße 1", "10115 Berlin"))
    assert db.account(name("a")).customer == name("c")
    assert db.verify(name("a")).holds


def test_a_repeat_after_use_gives_nothing_back(db: Database, name: Name) -> None:
    db.import_opening(opening(name))
    assert db.record(name("a"), credit_type="credits", credits="10").charged == 10
    assert db.import_opening(opening(name)).applied
    assert db.balance(name("a"), "credits").available == Decimal("5.5")


def test_every_bad_row_is_named_and_none_is_taken(db: Database, name: Name) -> None:
    """Rules, the engine and what is there already judge together."""
    db.create_account(name("mine"), customer_id="somebody")
    grant = {"kind": "grant", "account": name("a"), "credit_type": "credits", "amount": "1"}
    rows: Rows = [
        *opening(name),
        {"kind": "present"},
        {**grant, "grant_id": "g1", "amount": "0.0000000001"},
        {**grant, "grant_id": "g2", "credit_type": "gold"},
        {**grant, "grant_id": "g3", "priority": "1.5"},
        {**grant, "grant_id": "g4", "priority": "101"},
        {**grant, "grant_id": "g5", "expires_at": "soon"},
        {**grant, "grant_id": "g6", "effective_at": "2027-01-02", "expires_at": "2027-01-01"},
        {**grant, "grant_id": "left"},
        {**grant, "grant_id": "g7", "account": name("nobody")},
        {**grant, "grant_id": "g8", "colour": "red"},
        {"kind": "account", "account": name("mine"), "customer_id": name("c")},
        {"kind": "customer", "customer_id": name("d"), "time_zone": "Moon/Tycho"},
        {
            "kind": "subscription",
            "subscription_id": name("s"),
            "account": name("a"),
            "plan_id": "nothing",
            "started_at": "2026-01-01",
        },
        {"kind": "customer"},
    ]
    for dry_run in (True, False):
        done = db.import_opening(rows, dry_run=dry_run)
        assert not done.applied
        assert [(each.line, each.field) for each in done.problems] == [
            (5, "kind"),
            (6, "amount"),
            (7, "credit_type"),
            (8, "priority"),
            (9, "priority"),
            (10, "expires_at"),
            (11, "expires_at"),
            (12, "grant_id"),
            (13, "account"),
            (14, "colour"),
            (15, "customer_id"),
            (16, "time_zone"),
            (17, "plan_id"),
            (18, "customer_id"),
        ]
    with pytest.raises(errors.NotFoundError):
        db.account(name("a"))
    with pytest.raises(errors.NotFoundError):
        db.customer(name("c"))


def test_what_is_there_with_other_content_is_a_problem(db: Database, name: Name) -> None:
    db.import_opening(opening(name))
    changed = opening(name, amount="13")
    changed[3]["name"] = "Meier"
    done = db.import_opening(changed)
    assert [(each.line, each.field) for each in done.problems] == [(1, "grant_id"), (4, "name")]
    assert db.balance(name("a"), "credits").available == Decimal("15.5")


def test_a_subscription_goes_on_from_its_next_edge(db: Database, account: str, name: Name) -> None:
    """Begun on the 31st two months ago: no invoice for what is settled, the next at the next edge, and
    a change of plan takes back what is left of the old plan's grant."""
    published(db, name("plan"))
    begun = datetime(2025, 11, 30, tzinfo=UTC)
    row = {
        "kind": "subscription",
        "subscription_id": name("s"),
        "account": account,
        "plan_id": name("plan"),
        "started_at": begun.isoformat(),
        "credits_left": "400",
    }
    assert [each.state for each in db.import_opening([row]).actions] == ["new"]
    assert db.import_opening([row]).actions[0].state == "known"
    found = db.subscription(name("s"))
    assert (found.state, found.billing_next) == ("active", 3)
    assert db.invoices(account) == ()
    (grant,) = db.grants(account)
    assert (grant.amount, grant.expires_at) == (Decimal(400), datetime(2026, 2, 28, tzinfo=UTC))
    assert db.check(account, "calls")
    db.advance_clock(account, datetime(2026, 2, 28, tzinfo=UTC))
    (invoice,) = db.invoices(account)
    assert (invoice.due, invoice.state) == (Money(2000, "USD"), "paid")
    assert invoice.period is not None and invoice.period.end == datetime(2026, 3, 30, tzinfo=UTC)
    assert db.balance(account, "credits").available == Decimal(1000)
    db.advance_clock(account, datetime(2026, 3, 30, tzinfo=UTC))
    assert [each.due for each in db.invoices(account)] == [Money(2000, "USD")] * 2


def test_subscribing_never_overwrites_an_imported_subscription(
    db: Database, account: str, name: Name
) -> None:
    """Neither its own account's nor another's: its id is taken, though no subscribing made it."""
    published(db, name("plan"))
    begun = datetime(2025, 11, 30, tzinfo=UTC)
    row = {
        "kind": "subscription",
        "subscription_id": name("s"),
        "account": account,
        "plan_id": name("plan"),
        "started_at": begun.isoformat(),
    }
    assert db.import_opening([row]).applied
    db.put_customer(name("other"), payment_method="test_ok")
    db.create_account(name("b"), customer_id=name("other"))
    for other in (account, name("b")):
        with pytest.raises(errors.AlreadyExistsError, match="exists with other content"):
            db.subscribe(other, name("plan"), subscription_id=name("s"))
    found = db.subscription(name("s"))
    assert (found.account, found.started_at) == (account, begun)
    assert not db.subscriptions(name("b")) and not db.grants(name("b"))


def test_a_change_of_plan_takes_back_what_was_imported(db: Database, account: str, name: Name) -> None:
    published(db, name("plan"))
    published(db, name("large"), credits="5000", fee="0")
    row = {
        "kind": "subscription",
        "subscription_id": name("s"),
        "account": account,
        "plan_id": name("plan"),
        "started_at": (START - timedelta(days=3)).isoformat(),
        "credits_left": "400",
    }
    assert db.import_opening([row]).applied
    db.change_plan(name("s"), name("large"), change_id=name("ch"))
    states = {each.grant_id: each.state for each in db.grants(account)}
    assert sorted(states.values()) == ["active", "voided"]
    assert db.balance(account, "credits").available == Decimal(4400)


@pytest.mark.parametrize(
    ("policy", "left", "credits", "then"),
    [
        ("void_replace", "400", "2000", 1400),
        ("void_replace", "0", "2000", 1400 - 400),
        ("void_replace", "400", "1000", 400),
        ("prorate", "400", "1000", 400),
        ("keep_until_expiry", "400", "2000", 1400),
    ],
)
def test_no_change_gives_again_what_was_used_elsewhere(
    db: Database, account: str, name: Name, policy: str, left: str, credits: str, then: int
) -> None:
    """Of a plan's 1,000 some are left; in the next cadence all of the new plan's are due."""
    published(db, name("plan"))
    published(db, name("other"), credits=credits, fee="20")
    row = {
        "kind": "subscription",
        "subscription_id": name("s"),
        "account": account,
        "plan_id": name("plan"),
        "started_at": (START - timedelta(days=3)).isoformat(),
        "credits_left": left,
    }
    assert db.import_opening([row]).applied
    db.change_plan(name("s"), name("other"), change_id=name("ch"), policy=policy)
    assert db.balance(account, "credits").available == Decimal(then)
    db.advance_clock(account, datetime(2026, 2, 28, tzinfo=UTC))
    assert db.balance(account, "credits").available == Decimal(credits)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"started_at": "2030-01-01"}, "started_at"),
        ({"credits_left": "-1"}, "credits_left"),
        ({"quantity": "0"}, "quantity"),
        ({"currency": "XTS"}, "currency"),
        ({"version": "9"}, "plan_id"),
    ],
    ids=str,
)
def test_a_subscription_that_cannot_go_on(
    db: Database, account: str, name: Name, changed: dict[str, str], field: str
) -> None:
    published(db, name("plan"))
    row = {
        "kind": "subscription",
        "subscription_id": name("s"),
        "account": account,
        "plan_id": name("plan"),
        "started_at": START.isoformat(),
        **changed,
    }
    assert [each.field for each in db.import_opening([row]).problems] == [field]


def test_a_subscription_whose_overage_has_no_price_in_its_currency_cannot_go_on(
    db: Database, account: str, name: Name
) -> None:
    """It has a fee in it, and would stand still at its next edge."""
    fees = [{"currency": each, "amount": "20"} for each in ("USD", "EUR")]
    published(db, name("plan"), base_fee=fees, overage={"prices": [{"currency": "USD", "amount": "1"}]})
    row = {
        "kind": "subscription",
        "subscription_id": name("s"),
        "account": account,
        "plan_id": name("plan"),
        "started_at": START.isoformat(),
        "currency": "EUR",
    }
    (problem,) = db.import_opening([row]).problems
    assert problem.field == "currency" and "overage.prices" in problem.message


def test_too_many_rows_are_for_several_files(db: Database) -> None:
    rows: list[Any] = [{"kind": "customer", "customer_id": f"c{number}"} for number in range(20_001)]
    with pytest.raises(errors.InvalidRequestError, match="several files"):
        db.import_opening(rows)


def test_a_crash_in_the_midst_is_finished_at_the_next_start(tmp_path: Path, db_url: str) -> None:
    """Committed, not delivered: the next start brings the engine to where the rows are."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as database:
        prepare(database)
        plane = database._control_plane()
        deliver = plane.delivery.deliver

        def die() -> int:
            raise KeyboardInterrupt

        plane.delivery.deliver = die  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            database.import_opening(opening(lambda stem: stem))
        # The scheduler would deliver too, as soon as it can.
        with pytest.raises(errors.NotFoundError):
            database.account("a")
        plane.delivery.deliver = deliver  # type: ignore[method-assign]
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as database:
        assert database.balance("a", "credits").available == Decimal("15.5")
        assert {each.state for each in database.import_opening(opening(lambda stem: stem)).actions} == {
            "known"
        }
