"""When a recharge fires, for how much, and how a purchase moves whatever order the callbacks come in."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from drawdown.billing import recharge
from drawdown.billing.purchase import Purchase, check_purchase, grant_of, moved
from drawdown.billing.recharge import RechargeRule, RechargeStanding
from drawdown.errors import InvalidRequestError
from drawdown.model.money import money_from

AT = datetime(2026, 3, 1, tzinfo=UTC)
PRICE = money_from("15", "USD")


def rule(**changes: Any) -> RechargeRule:
    settings = {"account": "acme", "credit_type": "credits", "threshold": Decimal(5), "to": Decimal(20)}
    return RechargeRule(**{**settings, **changes})


@pytest.mark.parametrize(
    ("available", "bought"),
    [("6", "0"), ("5.000001", "0"), ("5", "15"), ("3", "17"), ("0", "20"), ("-4", "24")],
)
def test_the_target_less_what_is_there(available: str, bought: str) -> None:
    assert recharge.credits_to_buy(rule(), Decimal(available)) == Decimal(bought)


def test_fixed_amounts_packs_and_off() -> None:
    fixed = rule(to=None, amount=Decimal(50))
    assert recharge.credits_to_buy(fixed, Decimal(1)) == 50
    pack = rule(to=None, pack_id="p20")
    assert recharge.credits_to_buy(pack, Decimal(1), Decimal(20)) == 20
    assert recharge.credits_to_buy(rule(enabled=False), Decimal(0)) == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"to": Decimal(5)}, "to"),
        ({"to": None}, "to"),
        ({"amount": Decimal(1)}, "to"),
        ({"to": None, "amount": Decimal(0)}, "amount"),
        ({"threshold": Decimal(-1)}, "threshold"),
        ({"cap_count": 0}, "cap_count"),
        ({"cap_money": money_from(0, "USD")}, "cap_money"),
        ({"expires_after_days": 0}, "expires_after_days"),
    ],
)
def test_bad_rules_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        recharge.check_rule(rule(**changes))
    assert raised.value.field == field


def test_one_in_flight_then_caps_then_the_breaker() -> None:
    capped = rule(cap_count=2, cap_money=money_from(40, "USD"))
    standing = recharge.in_period(RechargeStanding(state="idle"), AT, "USD")
    assert recharge.refusal(capped, standing, PRICE, "") == "no_payment_method"
    assert recharge.refusal(capped, standing, PRICE, "card") == ""
    flying = recharge.begun(standing, "r1", PRICE)
    assert recharge.refusal(capped, flying, PRICE, "card") == "in_flight"
    landed = recharge.ended(capped, flying, "granted", PRICE, "card")
    again = recharge.ended(capped, recharge.begun(landed, "r2", PRICE), "granted", PRICE, "card")
    assert recharge.refusal(capped, again, PRICE, "card") == "cap_count_reached"
    assert (
        recharge.refusal(rule(cap_money=money_from(40, "USD")), again, PRICE, "card") == "cap_money_reached"
    )
    next_month = recharge.in_period(again, AT.replace(month=4), "USD")
    assert recharge.refusal(capped, next_month, PRICE, "card") == ""
    failed = recharge.ended(capped, flying, "failed", PRICE, "card")
    assert (failed.state, failed.reason, failed.count) == ("disabled", "payment_failed", 0)
    assert recharge.refusal(capped, failed, PRICE, "card") == "payment_failed"
    assert recharge.refusal(capped, msgspec.structs.replace(failed, state="idle"), PRICE, "card") == (
        "payment_method_failed"
    )
    assert recharge.refusal(capped, recharge.enabled_again(failed), PRICE, "card") == ""
    waiting = recharge.ended(capped, flying, "action_required", PRICE, "card")
    assert recharge.enabled_again(waiting) == waiting


@pytest.mark.parametrize("outcome", ["granted", "failed", "refused"])
def test_switched_off_on_its_way_it_is_off_however_it_ends(outcome: str) -> None:
    """What was spent and what failed is kept, as where it stays on."""
    flying = recharge.begun(recharge.in_period(RechargeStanding(state="idle"), AT, "USD"), "r1", PRICE)
    on = recharge.ended(rule(), flying, outcome, PRICE, "card")
    off = recharge.ended(rule(enabled=False), flying, outcome, PRICE, "card")
    assert (off.state, off.reason) == ("off", "")
    assert msgspec.structs.replace(on, state="off", reason="") == off


def purchase(**changes: Any) -> Purchase:
    settings: dict[str, Any] = {
        "purchase_id": "p1",
        "account": "acme",
        "customer_id": "cus",
        "kind": "pack",
        "credit_type": "credits",
        "credits": Decimal(20),
        "price": money_from(60, "USD"),
        "created_at": AT,
    }
    return Purchase(**{**settings, **changes})


def test_whatever_order_the_words_come_in_the_end_is_the_same() -> None:
    """Granted and refunded stay; a late failure of what is paid changes nothing."""
    for words in itertools.permutations(["action_required", "paid", "failed"]):
        found = purchase()
        for word in [*words, *words]:
            found = moved(found, word, AT)
        first_final = next(word for word in words if word in ("paid", "failed"))
        assert found.state == first_final
    granted = moved(moved(purchase(), "paid", AT), "granted", AT)
    for word in ("pending", "action_required", "paid", "failed"):
        assert moved(granted, word, AT) == granted
    assert moved(granted, "refunded", AT).state == "refunded"


def test_the_grant_follows_from_the_purchase() -> None:
    cost = money_from(60, "USD")
    command = grant_of(purchase(), cost, AT)
    assert command == grant_of(purchase(), cost, AT)
    assert (command.grant.grant_id, command.grant.cost_minor) == ("purchase:p1", 6000)
    free = grant_of(purchase(price=money_from(0, "USD")), money_from(0, "USD"), AT)
    assert (free.grant.cost_minor, free.grant.cost_currency) == (0, "")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"purchase_id": "x" * 120}, "purchase_id"),
        ({"kind": "gift"}, "kind"),
        ({"credits": Decimal(0)}, "credits"),
        ({"price": money_from(-1, "USD")}, "price"),
    ],
)
def test_bad_purchases_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        check_purchase(purchase(**changes))
    assert raised.value.field == field
