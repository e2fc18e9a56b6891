"""Credits from one account to another of the same customer (semantics §15)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from drawdown import errors
from drawdown.client.interface import Database
from drawdown.embedded import EmbeddedDatabase
from drawdown.model import commands
from drawdown.model.money import Money

from .conftest import START
from .plans import published

Name = Callable[[str], str]
LATER = START + timedelta(days=30)


@pytest.fixture
def other(db: Database, account: str, name: Name) -> str:
    """Another account of the same customer, on a clock that stands at the same instant."""
    assert account
    assert db.create_account(name("other"), customer_id=name("customer"), test_clock=START)
    return name("other")


def available(db: Database, account: str) -> Decimal:
    return db.balance(account, "credits").available


def move(db: Database, transfer_id: str, giver: str, taker: str, credits: str) -> Any:
    return db.transfer(
        transfer_id, from_account=giver, to_account=taker, credit_type="credits", credits=credits
    )


def test_a_visible_pair_with_validity_and_cost(db: Database, account: str, other: str, name: Name) -> None:
    """All of the first grant and a part of the second; what was paid goes along to the cent."""
    db.create_grant(
        account, "credits", "10", grant_id="soon", expires_at=LATER, cost_minor=1000, cost_currency="USD"
    )
    db.create_grant(
        account,
        "credits",
        "90",
        grant_id="long",
        priority=60,
        scope=None,
        cost_minor=1000,
        cost_currency="USD",
    )
    for _ in range(2):
        done = move(db, name("t"), account, other, "40")
        assert done.state == "done"
        assert [(each.from_grant_id, each.credits, each.cost) for each in done.parts] == [
            ("soon", Decimal(10), Money(1000, "USD")),
            ("long", Decimal(30), Money(333, "USD")),
        ]
        assert (available(db, account), available(db, other)) == (Decimal(60), Decimal(40))
    assert db.transfer_of(name("t")) == done
    first, second = db.grants(other)
    assert (first.amount, first.expires_at, first.cost_minor) == (Decimal(10), LATER, 1000)
    assert (second.amount, second.expires_at, second.cost_minor, second.priority) == (30, None, 333, 60)
    assert first.source_reference == f"transfer:{name('t')}"
    given = {each.grant_id: each for each in db.grants(account)}
    assert (given["soon"].moved, given["soon"].voided) == (Decimal(10), Decimal(0))
    assert (given["long"].moved, given["long"].voided) == (Decimal(90), Decimal(0))
    (rest,) = [each for each in given.values() if each.state == "active"]
    assert (rest.amount, rest.cost_minor, rest.priority) == (Decimal(60), 667, 60)
    assert [each.kind for each in db.ledger(account)].count("voided") == 2
    assert [each.kind for each in db.ledger(other)].count("granted") == 2
    assert db.verify(account).holds and db.verify(other).holds


def test_what_is_spent_afterwards_burns_where_it_is(
    db: Database, account: str, other: str, name: Name
) -> None:
    db.create_grant(account, "credits", "10", grant_id="g", expires_at=LATER)
    move(db, name("t"), account, other, "10")
    assert db.record(account, credit_type="credits", credits="1", time=START).status == "INSUFFICIENT"
    assert db.record(other, credit_type="credits", credits="4", time=START).charged == 4
    db.advance_clock(other, LATER)
    assert available(db, other) == 0


def test_too_little_changes_nothing(db: Database, account: str, other: str, name: Name) -> None:
    """What is held stays with its reservation, and a live plan's own credits stay with the plan."""
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.create_grant(account, "credits", "100", grant_id="held", priority=1)
    db.reserve(account, credit_type="credits", credits="1", reservation_id="h", ttl=3600)
    db.create_grant(account, "credits", "5", grant_id="free", priority=90)
    assert available(db, account) == Decimal(1104)
    for _ in range(2):
        with pytest.raises(errors.PreconditionError, match="has 5 credits that may leave, not 6") as raised:
            move(db, name("t"), account, other, "6")
        assert raised.value.reason == "INSUFFICIENT"
    assert (available(db, account), available(db, other)) == (Decimal(1104), 0)
    assert move(db, name("t"), account, other, "5").state == "done"


def test_what_the_receiving_account_has_no_room_for_stays(
    db: Database, account: str, other: str, name: Name
) -> None:
    """It is said of that account, and the same transfer goes when there is room."""
    db.create_grant(account, "credits", "100", grant_id="g")
    db.create_grant(other, "credits", "9223372036", grant_id="full")
    for _ in range(2):
        with pytest.raises(errors.PreconditionError, match=f"{other}' cannot take 50 credits more") as raised:
            move(db, name("t"), account, other, "50")
        assert (raised.value.reason, raised.value.field) == ("OVERFLOW", "to_account")
    assert (available(db, account), len(db.grants(account))) == (Decimal(100), 1)
    db.void_grant(other, "full", confirm=True)
    assert move(db, name("t"), account, other, "50").state == "done"
    assert available(db, other) == Decimal(50)


def test_a_room_that_is_gone_before_the_credits_arrive_refuses_them_at_once(
    embedded: EmbeddedDatabase, name: Name, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another grant is quicker: it is said of the receiving account, without twenty attempts."""
    giver, taker = name("giver"), name("taker")
    for each in (giver, taker):
        embedded.create_account(each, customer_id=name("both"))
    embedded.create_grant(giver, "credits", "100", grant_id="g")
    delivery = embedded._control_plane().delivery
    deliver = delivery.deliver

    def overtaken() -> int:
        embedded.create_grant(taker, "credits", "9223372036", grant_id="full")
        return deliver()

    monkeypatch.setattr(delivery, "deliver", overtaken)
    before = delivery.refused
    with pytest.raises(errors.PreconditionError, match="cannot take 50 credits more"):
        move(embedded, name("t"), giver, taker, "50")
    monkeypatch.undo()
    assert (embedded.transfer_of(name("t")).state, delivery.refused - before) == ("refused", 1)
    embedded.void_grant(taker, "full", confirm=True)
    with pytest.raises(errors.PreconditionError) as raised:
        move(embedded, name("t"), giver, taker, "50")
    assert raised.value.reason == "TRANSFER_REFUSED"
    assert move(embedded, name("again"), giver, taker, "50").state == "done"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"credits": "0"}, "credits"),
        ({"credits": "-1"}, "credits"),
        ({"credits": "0.0000000001"}, "credits"),
        ({"transfer_id": ""}, "transfer_id"),
        ({"transfer_id": "x" * 97}, "transfer_id"),
        ({"credit_type": "nothing"}, "credit_type"),
        ({"to_account": "giver"}, "to_account"),
        ({"to_account": "nobody"}, None),
    ],
    ids=str,
)
def test_bad_input_moves_nothing(
    db: Database, account: str, other: str, name: Name, changed: dict[str, str], field: str | None
) -> None:
    db.create_grant(account, "credits", "10", grant_id="g")
    asked = {
        "transfer_id": name("t"),
        "from_account": account,
        "to_account": other,
        "credit_type": "credits",
        "credits": "1",
        **changed,
    }
    if asked["to_account"] == "giver":
        asked["to_account"] = account
    with pytest.raises((errors.InvalidRequestError, errors.NotFoundError)) as raised:
        db.transfer(**asked)  # type: ignore[arg-type]
    assert field is None or raised.value.field == field
    assert available(db, account) == Decimal(10)


def test_only_within_a_customer(db: Database, account: str, name: Name) -> None:
    db.create_grant(account, "credits", "10", grant_id="g")
    db.create_account(name("stranger"), customer_id=name("somebody"), test_clock=START)
    with pytest.raises(errors.PreconditionError, match="different customers") as raised:
        move(db, name("t"), account, name("stranger"), "1")
    assert raised.value.reason == "CUSTOMER_DIFFERS"
    assert (available(db, account), available(db, name("stranger"))) == (Decimal(10), 0)


def test_an_id_is_one_transfer(db: Database, account: str, other: str, name: Name) -> None:
    db.create_grant(account, "credits", "10", grant_id="g")
    move(db, name("t"), account, other, "1")
    with pytest.raises(errors.AlreadyExistsError):
        move(db, name("t"), account, other, "2")
    assert available(db, other) == Decimal(1)


def test_beside_running_usage_no_credit_is_made_or_lost(db: Database, name: Name) -> None:
    """Debits race with transfers of everything: planned anew until the engine takes the step."""
    giver, taker = name("busy"), name("calm")
    for each in (giver, taker):
        db.create_account(each, customer_id=name("both"))
    db.create_grant(giver, "credits", "1000", grant_id="g")
    burned: list[Decimal] = []
    stop = threading.Event()

    def spend() -> None:
        while not stop.is_set():
            burned.append(db.record(giver, credit_type="credits", credits="0.5").charged)

    spender = threading.Thread(target=spend)
    spender.start()
    try:
        for number in range(10):
            move(db, name(f"t{number}"), giver, taker, "20")
    finally:
        stop.set()
        spender.join()
    assert available(db, taker) == Decimal(200)
    assert available(db, giver) == Decimal(800) - sum(burned)
    assert db.verify(giver).holds and db.verify(taker).holds


def test_the_engine_lets_out_what_is_free_and_no_more(db: Database, account: str) -> None:
    """One step: more than is free refuses all of it; the same again is a duplicate."""
    db.create_grant(account, "credits", "10", grant_id="g")

    def out(amount: str, grant_id: str = "rest") -> str:
        group = commands.VoidAndReplace(
            account=account,
            void=["g"],
            create=[commands.grant_input(grant_id, "credits", commands.formula("g", minus=amount))],
            move_out=[commands.MoveOut(of="g", amount=amount)],
        )
        return db.execute([group])[0].status

    assert out("10.5") == "INSUFFICIENT"
    assert available(db, account) == Decimal(10)
    assert out("10") == "OK"
    assert out("10") == "DUPLICATE"
    assert out("10", "another") == "INSUFFICIENT"
    (grant,) = db.grants(account)
    assert (grant.moved, grant.voided, grant.state) == (Decimal(10), Decimal(0), "voided")
    assert db.verify(account).holds


@pytest.mark.parametrize(
    "wrong",
    [
        {"create": []},
        {"move_out": [{"of": "x", "amount": "1"}]},
        {"move_out": [{"of": "g", "amount": "0"}]},
        {"move_out": [{"of": "g", "amount": "-1"}]},
    ],
    ids=str,
)
def test_a_move_that_cannot_be_understood_is_refused(
    db: Database, account: str, wrong: dict[str, Any]
) -> None:
    db.create_grant(account, "credits", "10", grant_id="g")
    group = {
        "type": "void_and_replace",
        "account": account,
        "void": ["g"],
        "create": [{"grant_id": "rest", "credit_type": "credits", "amount": {"of": "g", "minus": "1"}}],
        "move_out": [{"of": "g", "amount": "1"}],
        **wrong,
    }
    try:
        status = db.execute([group])[0].status
    except errors.InvalidRequestError:
        status = "INVALID"
    assert status == "INVALID"
    assert available(db, account) == Decimal(10)
