"""Automatic recharge: out of the debit itself, once per crossing, and never a loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import drawdown
import pytest
from drawdown.billing.recharge_requests import Recharge
from drawdown.client.interface import Database
from drawdown.errors import AlreadyExistsError, InvalidRequestError, NotFoundError, PreconditionError
from drawdown.model.money import Money
from drawdown.payments import ChargeState, ScriptedProvider

from .conftest import SMALL, prepare
from .plans import published
from .waiting import wait_until

Name = Callable[[str], str]


def topped(db: Database, name: Name, **settings: object) -> str:
    """A customer's account on real time, under a plan that sells credits in between at 1 USD each."""
    db.put_customer(name("customer"), **{"payment_method": "test_ok", **settings})
    db.create_account(name("acme"), customer_id=name("customer"))
    plan = published(
        db,
        name("plan"),
        type="free",
        base_fee=[],
        credits="1",
        top_up={"prices": [{"currency": "USD", "model": "per_unit", "amount": "1"}]},
    )
    db.subscribe(name("acme"), plan.plan_id, subscription_id=name("sub"))
    db.record(name("acme"), credit_type="credits", credits="1", event_id="spend-the-plans-own")
    return name("acme")


def use(db: Database, account: str, credits: str, event_id: str) -> None:
    assert db.record(account, credit_type="credits", credits=credits, event_id=event_id).status == "OK"


def settled(db: Database, account: str, purchases: int) -> list[Decimal]:
    """Credits of each recharge, once there are so many and all have ended."""

    def ended() -> bool:
        found = db.purchases(account)
        is_over = all(each.state in ("granted", "failed") for each in found)
        in_flight = db.recharge(account, "credits").standing.state == "in_flight"
        return len(found) >= purchases and is_over and not in_flight

    wait_until(ended)
    return [each.credits for each in db.purchases(account)]


def available(db: Database, account: str) -> Decimal:
    return db.balance(account, "credits").available


@pytest.mark.behaviour("S3-29", "S3-33", "S2-5", "S3-31")
def test_threshold_five_to_twenty_buys_twenty_then_fifteen(db: Database, name: Name) -> None:
    """Off until it is set; usage is answered at once, and the purchase follows."""
    account = topped(db, name)
    with pytest.raises(NotFoundError):
        db.recharge(account, "credits")
    assert db.purchases(account) == ()
    db.set_recharge(account, "credits", threshold="5", to="20")
    assert settled(db, account, 1) == [Decimal(20)]
    wait_until(lambda: available(db, account) == 20)
    use(db, account, "14", "a")
    assert len(db.purchases(account)) == 1, "6 is above the threshold"
    use(db, account, "1", "b")
    assert settled(db, account, 2) == [Decimal(20), Decimal(15)]
    wait_until(lambda: available(db, account) == 20)
    assert [each.kind for each in db.purchases(account)] == ["recharge", "recharge"]


def test_buying_never_overwrites_the_purchase_of_a_recharge(db: Database, name: Name) -> None:
    """Its id is taken, though no call to buy made it."""
    account = topped(db, name)
    db.set_recharge(account, "credits", threshold="5", to="20")
    settled(db, account, 1)
    (recharged,) = db.purchases(account)
    db.create_account(name("other"), customer_id=name("customer"))
    db.subscribe(name("other"), name("plan"), subscription_id=name("others"))
    with pytest.raises(AlreadyExistsError):
        db.top_up(name("other"), "credits", "3", purchase_id=recharged.purchase_id)
    assert db.purchases(account) == (recharged,)


def test_no_purchase_of_a_callers_keeps_a_recharge_from_beginning(db: Database, name: Name) -> None:
    """Ids of recharges follow from what they are for, so anybody could have taken the next."""
    account = topped(db, name)
    db.create_account(name("other"), customer_id=name("customer"))
    db.subscribe(name("other"), name("plan"), subscription_id=name("others"))
    with pytest.raises(InvalidRequestError, match="begins like the id of an automatic recharge") as raised:
        db.top_up(name("other"), "credits", "3", purchase_id=f"recharge:{account}:credits:set.1")
    assert raised.value.field == "purchase_id"
    db.set_recharge(account, "credits", threshold="5", to="20")
    assert settled(db, account, 1) == [Decimal(20)]


def test_an_account_whose_recharges_ids_read_like_anothers_is_recharged(db: Database, name: Name) -> None:
    """The first account's second recharge reads like the second's first: that begins as its rule is set,
    whether or not a crossing comes to its help."""
    account = topped(db, name)
    db.set_recharge(account, "credits", threshold="15", amount="10")
    assert settled(db, account, 2) == [Decimal(10)] * 2
    alike = f"{account}:credits:recharge.evaluate:recharge:{account}"
    db.create_account(alike, customer_id=name("customer"))
    db.subscribe(alike, name("plan"), subscription_id=name("alike"))
    db.set_recharge(alike, "credits", threshold="5", to="20")
    assert settled(db, alike, 1) == [Decimal(19)]
    (own,) = db.purchases(alike)
    assert "crossing" not in own.purchase_id
    assert own.purchase_id not in [each.purchase_id for each in db.purchases(account)]


@pytest.mark.behaviour("S3-30", "S2-12", "S2-10")
def test_the_purchase_is_the_target_less_the_balance_at_the_trigger(db: Database, name: Name) -> None:
    """From 6 to 3: 17. At exactly the threshold it fires."""
    account = topped(db, name)
    db.set_recharge(account, "credits", threshold="5", to="20")
    settled(db, account, 1)
    wait_until(lambda: available(db, account) == 20)
    use(db, account, "14", "a")
    use(db, account, "3", "b")
    assert settled(db, account, 2)[1] == Decimal(17)
    wait_until(lambda: available(db, account) == 20)
    use(db, account, "15", "c")
    assert settled(db, account, 3)[2] == Decimal(15)


@pytest.mark.behaviour("S2-14")
def test_a_thousand_concurrent_debits_make_one_recharge(db: Database, name: Name) -> None:
    account = topped(db, name)
    db.set_recharge(account, "credits", threshold="500", to="2000")
    settled(db, account, 1)
    wait_until(lambda: available(db, account) == 2000)

    def debit(thread: int) -> None:
        for number in range(100):
            use(db, account, "1.6", f"{thread}-{number}")

    threads = [threading.Thread(target=debit, args=(n,)) for n in range(10)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    bought = settled(db, account, 2)
    assert len(bought) == 2 and 1500 <= bought[1] <= Decimal("1501.6")
    wait_until(lambda: available(db, account) == 2000 - 1600 + bought[1])
    assert db.verify(account)


@pytest.mark.behaviour("S2-14")
def test_a_crossing_that_is_told_late_begins_no_second_recharge(
    tmp_path: Path, db_url: str, name: Name
) -> None:
    """The relay was away: the recharge that was set meanwhile has looked at what those crossings tell."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as db:
        prepare(db)
        account = topped(db, name)
        relay = db._relay
        assert relay is not None
        relay.background.stop()
        use(db, account, "0", "wakes the relay's last wait")
        db.set_recharge(account, "credits", threshold="5", to="20")
        assert settled(db, account, 1) == [Decimal(20)]
        relay._cursor = 0
        with db._control_plane().sql.transaction() as work:
            work.series.move_cursor("crossings", 0)
        assert relay.relay_some() > 0
        assert len(db.purchases(account)) == 1, "an old crossing began another recharge"
        use(db, account, "16", "a")
        use(db, account, "1", "b")
        assert relay.relay_some() > 0
        assert settled(db, account, 2) == [Decimal(20), Decimal(16)], "what it was at the crossing counts"


@pytest.mark.behaviour("S3-34", "S3-35", "S3-36")
def test_a_declining_card_makes_one_attempt_and_enabling_tries_at_once(db: Database, name: Name) -> None:
    account = topped(db, name, payment_method="test_decline")
    db.set_recharge(account, "credits", threshold="5", to="20")
    settled(db, account, 1)
    wait_until(lambda: db.recharge(account, "credits").standing.state == "disabled")
    standing = db.recharge(account, "credits").standing
    assert (standing.reason, standing.broken_method) == ("payment_failed", "test_decline")
    db.create_grant(account, "credits", amount="10", grant_id="gift")
    for number in range(5):
        use(db, account, "1.5", f"e{number}")
    assert len(db.purchases(account)) == 1, "a second attempt was made"
    db.put_customer(name("customer"), payment_method="test_ok")
    db.set_recharge(account, "credits", threshold="5", to="20")
    assert settled(db, account, 2)[1] == Decimal("17.5")
    assert db.purchases(account)[1].state == "granted"


@pytest.mark.behaviour("S3-36")
def test_enabling_again_looks_at_the_balance_itself(tmp_path: Path, db_url: str, name: Name) -> None:
    """The relay is away, so no crossing tells of it: the call alone begins the recharge."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as db:
        prepare(db)
        account = topped(db, name, payment_method="test_decline")
        db.set_recharge(account, "credits", threshold="5", to="20")
        settled(db, account, 1)
        wait_until(lambda: db.recharge(account, "credits").standing.state == "disabled")
        relay = db._relay
        assert relay is not None
        relay.background.stop()
        use(db, account, "0", "wakes the relay's last wait")
        db.put_customer(name("customer"), payment_method="test_ok")
        db.set_recharge(account, "credits", threshold="5", to="20")
        assert settled(db, account, 2) == [Decimal(20), Decimal(20)]
        assert db.purchases(account)[1].state == "granted"


def test_action_required_is_a_state_of_its_own(db: Database, name: Name) -> None:
    account = topped(db, name, payment_method="test_action")
    db.set_recharge(account, "credits", threshold="5", to="20")
    wait_until(lambda: db.recharge(account, "credits").standing.state == "action_required")
    db.set_recharge(account, "credits", threshold="5", to="20")
    assert len(db.purchases(account)) == 1, "another one began while the customer has to act"


@pytest.mark.behaviour("S3-32")
def test_caps_of_the_month_hold(db: Database, name: Name) -> None:
    account = topped(db, name)
    db.set_recharge(
        account,
        "credits",
        threshold="5",
        to="20",
        cap_count=2,
        cap_money={"minor": 10_000, "currency": "USD"},
    )
    for number, expected in ((1, 1), (2, 2)):
        settled(db, account, expected)
        wait_until(lambda: available(db, account) == 20)
        use(db, account, "16", f"e{number}")
    wait_until(lambda: db.recharge(account, "credits").standing.reason == "cap_count_reached")
    assert len(db.purchases(account)) == 2
    db.set_recharge(account, "credits", threshold="5", to="20", cap_money={"minor": 4_000, "currency": "USD"})
    wait_until(lambda: db.recharge(account, "credits").standing.reason == "cap_money_reached")
    assert len(db.purchases(account)) == 2


@pytest.mark.behaviour("S3-32")
def test_with_the_month_the_caps_begin_anew(db: Database, account: str, name: Name) -> None:
    """Held back at 10 by a cap of one a month: on 1 February it is looked at again and 20 are bought."""
    published(
        db,
        name("plan"),
        credits="100",
        billing_period="yearly",
        top_up={"prices": [{"currency": "USD", "model": "per_unit", "amount": "1"}]},
    )
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.set_recharge(account, "credits", threshold="30", amount="20", cap_count=1)
    use(db, account, "90", "a")
    assert settled(db, account, 1) == [Decimal(20)]
    wait_until(lambda: db.recharge(account, "credits").standing.reason == "cap_count_reached")
    assert available(db, account) == Decimal(30)
    db.advance_clock(account, datetime(2026, 2, 1, tzinfo=UTC))
    assert settled(db, account, 2) == [Decimal(20), Decimal(20)]
    wait_until(lambda: available(db, account) == Decimal(50))


def test_a_pack_as_recharge(db: Database, account: str, name: Name) -> None:
    db.create_pack(
        pack_id=name("pack"),
        name="20",
        credit_type="credits",
        amount="20",
        prices=[{"currency": "USD", "amount": "60"}],
    )
    db.set_recharge(account, "credits", threshold="5", pack_id=name("pack"))
    assert settled(db, account, 1) == [Decimal(20)]
    (bought,) = db.purchases(account)
    assert (bought.pack_id, bought.price.minor) == (name("pack"), 6000)
    wait_until(lambda: available(db, account) == 20)
    use(db, account, "16", "a")
    assert settled(db, account, 2) == [Decimal(20), Decimal(20)]


def test_rules_that_cannot_be_are_refused(db: Database, account: str, name: Name) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        db.set_recharge(account, "credits", threshold="20", to="20")
    assert raised.value.field == "to"
    with pytest.raises(PreconditionError):
        db.set_recharge(account, "credits", threshold="5", to="20")
    with pytest.raises(NotFoundError):
        db.set_recharge(account, "credits", threshold="5", pack_id=name("none"))
    with pytest.raises(InvalidRequestError):
        db.set_recharge(account, "credits", threshold=0.5, to="20")
    assert db.balance(account, "credits").thresholds == ()


def test_off_means_off(db: Database, name: Name) -> None:
    account = topped(db, name)
    set_off: Recharge = db.set_recharge(account, "credits", threshold="5", to="20", enabled=False)
    assert set_off.standing.state == "off"
    db.create_grant(account, "credits", amount="10", grant_id="gift")
    use(db, account, "9", "a")
    assert db.purchases(account) == ()
    assert db.balance(account, "credits").thresholds == ()


@pytest.mark.parametrize("outcome", [ChargeState.SUCCEEDED, ChargeState.FAILED])
def test_switched_off_while_it_is_paid_it_is_off_afterwards(tmp_path: Path, outcome: ChargeState) -> None:
    """The bank's answer comes when the customer has opted out: what is paid is granted, and no more is."""
    with drawdown.open(tmp_path / "data", **SMALL) as db:
        prepare(db)
        account = topped(db, lambda stem: stem, payment_method="test_pending")
        db.set_recharge(account, "credits", threshold="5", to="20")
        wait_until(lambda: db.purchases(account))
        db.set_recharge(account, "credits", threshold="5", to="20", enabled=False)
        assert db.recharge(account, "credits").standing.state == "in_flight"
        provider, (bought,) = db.payment_provider(), db.purchases(account)
        assert isinstance(provider, ScriptedProvider)
        wait_until(lambda: provider.find_charge(bought.charge_key))
        body, headers = provider.finish(bought.charge_key, outcome)
        assert db.provider_callback(body.decode(), headers)
        wait_until(lambda: db.recharge(account, "credits").standing.state != "in_flight")
        assert db.recharge(account, "credits").standing.state == "off"
        assert available(db, account) == (20 if outcome is ChargeState.SUCCEEDED else 0)
        told = [each.data["reason"] for each in db.notices(account, kinds=["recharge.disabled"]).notices]
        assert told == ["switched_off"]


def test_a_cap_in_money_counts_what_is_charged(tmp_path: Path) -> None:
    """Tax counts, and what an invoice credit pays does not; a failed one is taken back whole.

    A pack of 40 EUR and 19 % are 47.60: under a cap of 90 a second one is 95.20.
    """
    with drawdown.open(tmp_path / "data", **SMALL, tax_rates="DE 19 VAT") as db:
        prepare(db)
        db.put_customer("c", currency="EUR", country="DE", payment_method="test_ok")
        db.create_pack("p", name="P", amount="10", prices=[{"currency": "EUR", "amount": "40"}])
        rule = {"threshold": "5", "pack_id": "p", "cap_money": {"minor": 9_000, "currency": "EUR"}}
        db.create_account("acme", customer_id="c")
        db.set_recharge("acme", "credits", **rule)
        wait_until(lambda: available(db, "acme") == 10)
        use(db, "acme", "6", "one")
        wait_until(lambda: db.recharge("acme", "credits").standing.reason == "cap_money_reached")
        spent = db.recharge("acme", "credits").standing.spent
        assert (spent, len(db.purchases("acme"))) == (Money(4_760, "EUR"), 1)
        db.create_invoice_credit("acme", "k", amount="10", currency="EUR", name="Ten off")
        # 30 and 19 %: with what was charged before, 83.30.
        db.set_recharge("acme", "credits", **rule)
        wait_until(lambda: available(db, "acme") == 14)
        assert db.recharge("acme", "credits").standing.spent == Money(8_330, "EUR")

        db.put_customer("d", currency="EUR", country="DE", payment_method="test_decline")
        db.create_account("other", customer_id="d")
        db.set_recharge("other", "credits", **rule)
        wait_until(lambda: db.recharge("other", "credits").standing.state == "disabled")
        assert db.recharge("other", "credits").standing.spent == Money(0, "EUR")


TWO_CURRENCIES = [{"currency": each, "model": "per_unit", "amount": "1"} for each in ("USD", "EUR")]


def test_a_cap_in_another_currency_than_the_price_is_refused(db: Database, account: str, name: Name) -> None:
    published(db, name("plan"), type="free", base_fee=[], credits="1", top_up={"prices": TWO_CURRENCIES})
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    rule = {"threshold": "5", "to": "50", "cap_money": {"minor": 5_000, "currency": "EUR"}}
    with pytest.raises(InvalidRequestError, match=r"is in EUR, but account .* pays in USD") as raised:
        db.set_recharge(account, "credits", **rule)
    assert raised.value.field == "cap_money"
    with pytest.raises(NotFoundError):
        db.recharge(account, "credits")
    assert not db.set_recharge(account, "credits", **rule, enabled=False).rule.enabled


def test_recharges_go_on_in_the_currency_that_the_customer_has_since(
    db: Database, account: str, name: Name
) -> None:
    """50 of 60 USD are spent in the month; in EUR counting begins anew, under a cap in EUR alone."""
    published(db, name("plan"), type="free", base_fee=[], credits="1", top_up={"prices": TWO_CURRENCIES})
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    use(db, account, "1", "spend-the-plans-own")
    rule = {"threshold": "5", "to": "50"}
    db.set_recharge(account, "credits", **rule, cap_money={"minor": 6_000, "currency": "USD"})
    settled(db, account, 1)
    db.put_customer(name("customer"), payment_method="test_ok", currency="EUR")
    use(db, account, "48", "a")
    wait_until(lambda: db.recharge(account, "credits").standing.reason == "cap_currency_differs")
    told = db.notices(account, kinds=["recharge.failed"]).notices
    assert [each.data["reason"] for each in told] == ["cap_currency_differs"]
    db.set_recharge(account, "credits", **rule, cap_money={"minor": 6_000, "currency": "EUR"})
    assert settled(db, account, 2) == [Decimal(50), Decimal(48)]
    assert db.recharge(account, "credits").standing.spent == Money(4_800, "EUR")


def test_closing_an_account_ends_its_recharge(db: Database, name: Name) -> None:
    """What the closing forfeits crosses the threshold, and nothing is bought for it."""
    account = topped(db, name)
    db.set_recharge(account, "credits", threshold="5", to="20")
    settled(db, account, 1)
    wait_until(lambda: available(db, account) == 20)
    db.close_account(account, confirm=True)
    found = db.recharge(account, "credits")
    assert (found.rule.enabled, found.standing.state, found.standing.reason) == (
        False,
        "off",
        "account_closed",
    )
    wait_until(lambda: "account.closed" in [each.kind for each in db.notices(account).notices])
    assert (available(db, account), len(db.purchases(account))) == (0, 1)
    told = [each for each in db.notices(account).notices if each.kind == "recharge.disabled"]
    assert [each.data["reason"] for each in told] == ["account_closed"]


def test_a_transfer_that_leaves_enough_buys_nothing(db: Database, name: Name) -> None:
    """1 of 1,000 leaves in one step: nobody's balance was ever 0, so nothing is told and nothing is paid."""
    account = topped(db, name)
    db.create_account(name("other"), customer_id=name("customer"))
    db.create_grant(account, "credits", amount="1000", grant_id="bought")
    db.set_recharge(account, "credits", threshold="5", to="20")
    move = {"from_account": account, "to_account": name("other"), "credit_type": "credits"}
    assert db.transfer(name("t"), credits="1", **move).state == "done"
    assert available(db, account) == 999
    # The next notices of the account are those of the level it comes to in truth.
    use(db, account, "995", "a")
    assert settled(db, account, 1) == [Decimal(16)]
    wait_until(lambda: available(db, account) == 20)
    told = [each.kind for each in db.notices(account).notices]
    # The plan's own credit was spent first of all, and nothing else ever was.
    assert (told.count("balance.depleted"), told.count("balance.low")) == (1, 1)
