"""Products, plans and packs: what can be defined, and what a plan needs to be published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import drawdown
import pytest
from drawdown.client.interface import Database

from .plans import paid_plan, published

Name = Callable[[str], str]


@pytest.mark.behaviour("S0-8")
def test_a_plan_belongs_to_one_product(db: Database, name: Name) -> None:
    with pytest.raises(drawdown.NotFoundError) as raised:
        db.create_plan(name("plan"), product="nothing", name="Plan")
    assert raised.value.field == "product_id"
    with pytest.raises(drawdown.InvalidRequestError) as invalid:
        db.create_plan(name("plan"), product="", name="Plan")
    assert invalid.value.field == "product_id"
    assert not [plan for plan in db.plans() if plan.plan_id == name("plan")]


@pytest.mark.behaviour("S0-9")
def test_a_plan_has_a_name_an_id_and_perhaps_a_description(db: Database, name: Name) -> None:
    created = db.create_plan(**paid_plan(name("plan")))
    assert (created.name, created.description) == (name("plan"), "")
    assert db.create_plan(**paid_plan(name("plan"))) == created
    with pytest.raises(drawdown.AlreadyExistsError):
        db.create_plan(**paid_plan(name("plan"), description="another"))
    with pytest.raises(drawdown.InvalidRequestError) as raised:
        db.create_plan(name("nameless"), product="ai", name="")
    assert raised.value.field == "name"


@pytest.mark.behaviour("S0-10", "S0-11", "S0-12")
@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("type", ["free", "paid", "custom"], "cheap"),
        ("billing_model", ["recurring", "one_off"], "sometimes"),
        ("billing_period", ["monthly", "yearly"], "weekly"),
        ("proration", ["none", "first", "both"], "last"),
        ("anchor", ["subscription_start", "first_of_month"], "friday"),
        ("release", ["on_payment", "on_approval", "immediate"], "later"),
        ("change_policy", ["void_replace", "keep_until_expiry", "prorate"], "double"),
    ],
)
def test_closed_settings_take_their_words_only(
    db: Database, name: Name, field: str, good: list[str], bad: str
) -> None:
    """Type, billing model and billing period are explicit words out of a closed list."""
    for word in good:
        plan = db.create_plan(**paid_plan(f"{name('plan')}-{field}-{word}", fee="0", **{field: word}))
        assert getattr(plan, field) == word
    with pytest.raises(drawdown.InvalidRequestError) as raised:
        db.create_plan(**paid_plan(f"{name('plan')}-{field}-bad", **{field: bad}))
    assert raised.value.field == field


_TWENTY = [{"currency": "USD", "amount": "20"}]


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("base_fee", {"base_fee": _TWENTY}),
        ("minimum_spend", {"base_fee": [], "minimum_spend": _TWENTY}),
        (
            "credits.prices",
            {"base_fee": [], "credits": {"credit_type": "credits", "amount": "1", "prices": _TWENTY}},
        ),
    ],
)
def test_a_free_plan_has_nothing_that_falls_due_by_itself(
    db: Database, name: Name, field: str, settings: dict[str, Any]
) -> None:
    """Refused with the field; a fee of zero is none, and what a customer chooses to buy has its price."""
    with pytest.raises(drawdown.InvalidRequestError) as raised:
        db.create_plan(**paid_plan(name("plan"), type="free", **settings))
    assert raised.value.field == field
    top_up = {"prices": [{"currency": "USD", "model": "per_unit", "amount": "1"}]}
    db.create_plan(**paid_plan(name("plan"), type="free", fee="0", top_up=top_up))
    assert db.publish_plan(name("plan")).state == "published"


@pytest.mark.behaviour("S0-13")
def test_a_plan_carries_charges_of_several_kinds(db: Database, name: Name) -> None:
    """A base fee, credits and overage on one plan; the first invoice has a line of each that is due."""
    plan = published(
        db,
        name("plan"),
        credits={
            "credit_type": "credits",
            "amount": "1000",
            "cadence": "monthly",
            "prices": [{"currency": "USD", "model": "per_unit", "amount": "0.01"}],
        },
        overage={"prices": [{"currency": "USD", "model": "per_unit", "amount": "0.02"}]},
    )
    assert plan.credits is not None and plan.overage is not None and plan.base_fee
    customer = name("customer")
    db.put_customer(customer, payment_method="test_ok")
    db.create_account(name("account"), customer_id=customer)
    db.subscribe(name("account"), plan.plan_id, subscription_id=name("sub"))
    (invoice,) = db.invoices(name("account"))
    assert {line.kind: line.amount.minor for line in invoice.lines} == {"base_fee": 2000, "credits": 1000}


@pytest.mark.behaviour("S0-14")
def test_a_credits_charge_names_one_type_and_types_never_mix(db: Database, name: Name) -> None:
    """Credits of the plan cannot pay for a meter that is priced in another type."""
    published(db, name("plan"), type="free", base_fee=[])
    db.create_account(name("account"))
    db.subscribe(name("account"), name("plan"), subscription_id=name("sub"))
    db.set_rate(table=name("minutes"), meter="storage", credit_type="minutes", credits="1")
    db.assign_rate_table(name("account"), name("minutes"))
    used = db.record(name("account"), "storage", quantity=1)
    assert used.status == "INSUFFICIENT"
    assert db.balance(name("account"), "credits").available == Decimal(1000)


@pytest.mark.behaviour("S0-24")
def test_a_draft_cannot_be_subscribed_to_and_publishing_makes_it_available(
    db: Database, account: str, name: Name
) -> None:
    db.create_plan(**paid_plan(name("plan")))
    with pytest.raises(drawdown.PreconditionError) as raised:
        db.subscribe(account, name("plan"), subscription_id=name("sub"))
    assert raised.value.reason == "PLAN_NOT_PUBLISHED"
    assert not db.subscriptions(account)
    db.publish_plan(name("plan"))
    assert db.subscribe(account, name("plan"), subscription_id=name("sub")).state == "active"
    db.archive_plan(name("plan"))
    with pytest.raises(drawdown.PreconditionError):
        db.subscribe(account, name("plan"), subscription_id=name("other"))
    assert db.subscription(name("sub")).state == "active"


@pytest.mark.behaviour("S0-25")
@pytest.mark.parametrize(
    ("lacks", "field"),
    [
        ({"base_fee": []}, "base_fee"),
        ({"credits": None}, "credits.credit_type"),
        ({"credits": {"credit_type": "credits", "amount": "1000"}}, "credits.cadence"),
    ],
)
def test_an_incomplete_paid_plan_is_not_published(
    db: Database, name: Name, lacks: dict[str, Any], field: str
) -> None:
    plan_id = f"{name('plan')}-{field}"
    db.create_plan(**paid_plan(plan_id, **lacks))
    with pytest.raises(drawdown.PreconditionError) as raised:
        db.publish_plan(plan_id)
    assert raised.value.field == field
    assert db.plan(plan_id).state == "draft"


@pytest.mark.behaviour("S0-32")
def test_a_change_of_a_published_plan_is_a_new_version(db: Database, account: str, name: Name) -> None:
    """Who is on version 1 stays on it; who comes later gets version 2."""
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    second = db.create_plan(
        **paid_plan(name("plan"), credits={"credit_type": "credits", "amount": "5", "cadence": "monthly"})
    )
    assert (second.version, second.state) == (2, "draft")
    assert db.plan(name("plan")).version == 1
    db.publish_plan(name("plan"))
    assert db.plan(name("plan")).version == 2
    assert db.subscription(name("sub")).version == 1
    assert db.balance(account, "credits").available == Decimal(1000)
    db.advance_clock(account, datetime(2026, 2, 28, tzinfo=UTC))
    assert (db.subscription(name("sub")).version, len(db.invoices(account))) == (1, 2)
    assert db.balance(account, "credits").available == Decimal(1000), "renewed on what it was subscribed to"


def test_amounts_beyond_the_scale_are_refused_when_published(db: Database, name: Name) -> None:
    db.create_plan(
        **paid_plan(name("plan"), credits={"credit_type": "minutes", "amount": "1.005", "cadence": "monthly"})
    )
    with pytest.raises(drawdown.InvalidRequestError) as raised:
        db.publish_plan(name("plan"))
    assert raised.value.field == "credits.amount"


@pytest.mark.parametrize(
    ("settings", "at_zero"),
    [
        ({"kind": "hard"}, ("hard", None)),
        ({"kind": "partial"}, ("partial", None)),
        ({"kind": "overdraft", "limit": "0"}, ("overdraft", Decimal(0))),
        ({"kind": "overdraft", "limit": "50.5"}, ("overdraft", Decimal("50.5"))),
    ],
)
def test_every_policy_at_zero_that_a_plan_takes_is_in_force_for_its_subscriber(
    db: Database, account: str, name: Name, settings: dict[str, Any], at_zero: tuple[str, Decimal | None]
) -> None:
    """What the engine would refuse is refused of the plan, so nobody pays for what is never served."""
    published(db, name("plan"), at_zero=settings)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    balance = db.balance(account, "credits")
    assert (balance.policy, balance.policy_limit) == at_zero
    assert db.record(account, "calls", quantity=1).status == "OK"


@pytest.mark.parametrize("amount", ["0.001", "100000000000000000"])
@pytest.mark.parametrize("field", ["at_zero.limit", "overage.cap"])
def test_a_limit_beyond_the_credit_type_is_refused_when_published(
    db: Database, name: Name, field: str, amount: str
) -> None:
    """More decimals than the type has, or more than a balance can hold; the plan stays a draft."""
    settings: dict[str, Any] = {
        "at_zero.limit": {"at_zero": {"kind": "overdraft", "limit": amount}},
        "overage.cap": {"overage": {"prices": _TWENTY, "cap": amount}},
    }[field]
    minutes = {"credit_type": "minutes", "amount": "1", "cadence": "monthly"}
    plan_id = f"{name('plan')}-{field}-{amount}"
    db.create_plan(**paid_plan(plan_id, credits=minutes, **settings))
    with pytest.raises(drawdown.InvalidRequestError) as raised:
        db.publish_plan(plan_id)
    assert raised.value.field == field
    assert db.plan(plan_id).state == "draft"


def test_a_rate_of_an_unknown_meter_is_refused_when_published(db: Database, name: Name) -> None:
    db.create_plan(**paid_plan(name("plan"), rates=[{"meter": "nothing", "credits": "1"}]))
    with pytest.raises(drawdown.NotFoundError):
        db.publish_plan(name("plan"))
    assert db.plan(name("plan")).state == "draft"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"base_fee": [{"currency": "usd", "amount": "1"}]}, "currency"),
        ({"base_fee": [{"currency": "USD", "amount": "-1"}]}, "base_fee[0]"),
        ({"base_fee": [{"currency": "USD", "amount": "1"}, {"currency": "USD", "amount": "2"}]}, "base_fee"),
        ({"base_fee": [{"currency": "USD", "model": "tiered"}]}, "base_fee[0].tiers"),
        ({"base_fee": [{"currency": "USD", "amount": "5.005"}]}, "base_fee[0].amount"),
        ({"base_fee": [{"currency": "JPY", "amount": "5.5"}]}, "base_fee[0].amount"),
        ({"credits": {"credit_type": "credits", "amount": "0", "cadence": "monthly"}}, "credits.amount"),
        ({"credits": {"credit_type": "credits", "amount": "1", "cadence": "daily"}}, "credits.cadence"),
        ({"trial": {"days": 0}}, "trial.days"),
        ({"trial": {"days": 7, "credits": "5"}, "credits": None, "type": "custom"}, "trial.credits"),
        ({"rates": [{"meter": "calls", "credits": "2"}, {"meter": "calls", "credits": "7"}]}, "rates"),
        ({"at_zero": {"kind": "soft"}}, "at_zero.kind"),
        ({"at_zero": {"kind": "overdraft"}}, "at_zero.limit"),
        ({"at_zero": {"kind": "overdraft", "limit": "-5"}}, "at_zero.limit"),
        ({"at_zero": {"kind": "hard", "limit": "5"}}, "at_zero.limit"),
        ({"at_zero": {"kind": "partial", "limit": "5"}}, "at_zero.limit"),
        ({"at_zero": {"kind": "overdraft", "limit": "5"}, "credits": None, "type": "custom"}, "at_zero.kind"),
        ({"overage": {"prices": _TWENTY}, "credits": None, "type": "custom"}, "overage"),
        ({"state": "publised"}, "state"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_content_names_its_field(db: Database, name: Name, content: dict[str, Any], field: str) -> None:
    with pytest.raises(drawdown.InvalidRequestError) as raised:
        db.create_plan(**paid_plan(name("plan"), **content))
    assert raised.value.field == field
    assert not [plan for plan in db.plans() if plan.plan_id == name("plan")]


def test_a_pack_takes_the_words_for_its_state_only(db: Database, name: Name) -> None:
    price = [{"currency": "USD", "amount": "5"}]
    with pytest.raises(drawdown.InvalidRequestError) as raised:
        db.create_pack(name("pack"), name="P", amount="5", prices=price, state="Archived")
    assert raised.value.field == "state"
    assert name("pack") not in {each.pack_id for each in db.packs()}


@pytest.mark.parametrize("model", ["flat", "per_unit", "tiered"])
def test_a_pack_costs_what_its_price_says(db: Database, name: Name, model: str) -> None:
    """Half a cent cannot be charged: refused, where the pack was sold for less than it says."""

    def content(amount: str) -> dict[str, Any]:
        price: dict[str, Any] = {"currency": "USD", "model": model, "amount": amount}
        if model == "tiered":
            price = {"currency": "USD", "model": model, "tiers": [{"unit_price": amount}]}
        pack_id = f"{name('pack')}-{model}"
        return {"pack_id": pack_id, "name": "P", "credit_type": "credits", "amount": "5", "prices": [price]}

    for take in (
        lambda: db.create_pack(**content("5.005")),
        lambda: db.load_catalog({"packs": [content("5.005")]}),
    ):
        with pytest.raises(drawdown.InvalidRequestError) as raised:
            take()
        assert raised.value.field == "prices[0].amount"
    assert db.load_catalog({"packs": [content("5.010")]}).applied


def test_the_same_content_is_the_same_however_it_is_written(db: Database, account: str, name: Name) -> None:
    """Trailing zeros and the offset of an instant are no other content."""
    for amount, price in (("10", "5"), ("10.0", "5.00")):
        pack = db.create_pack(
            name("pack"), name="P", amount=amount, prices=[{"currency": "USD", "amount": price}]
        )
        assert pack.amount == 10
    expires = datetime(2026, 5, 1, tzinfo=UTC)
    for offset in (UTC, timezone(timedelta(hours=2))):
        db.create_invoice_credit(
            account, name("c"), amount="5", currency="USD", name="C", expires_at=expires.astimezone(offset)
        )
    with pytest.raises(drawdown.AlreadyExistsError):
        db.create_pack(name("pack"), name="P", amount="10.01", prices=[{"currency": "USD", "amount": "5"}])
