"""An account ends, and a customer is forgotten (semantics §15)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing as closed_at_end
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import drawdown
import msgspec
import pytest
from drawdown import aio, errors
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database
from drawdown.model import commands
from drawdown.model.money import Money

from .conftest import SMALL, START, prepare
from .plans import published

Name = Callable[[str], str]


@pytest.mark.behaviour("S3-1")
def test_what_is_left_is_paid_out_as_it_was_paid_for(db: Database, account: str, name: Name) -> None:
    """A third of a grant for 30.00 is left: 10.00 are owed. Gifts and expired credits give nothing."""
    db.create_grant(account, "credits", "90", grant_id="bought", cost_minor=3000, cost_currency="USD")
    db.create_grant(account, "credits", "7", grant_id="odd", cost_minor=100, cost_currency="EUR", priority=60)
    db.create_grant(
        account,
        "credits",
        "50",
        grant_id="gift",
        category="promotional",
        priority=70,
        cost_minor=9,
        cost_currency="USD",
    )
    db.create_grant(
        account,
        "minutes",
        "5",
        grant_id="over",
        cost_minor=500,
        cost_currency="USD",
        expires_at=START + timedelta(days=1),
    )
    db.advance_clock(account, START + timedelta(days=2))
    assert db.record(account, credit_type="credits", credits="60", time=START + timedelta(days=2))
    for _ in range(2):
        closing = db.close_account(account, remainder="pay_out", reason="moved away", confirm=True)
        assert closing.state == "closed"
        assert closing.payouts == (Money(100, "EUR"), Money(1000, "USD"))
        assert [(each.grant_id, each.credits, each.payout) for each in closing.lines] == [
            ("bought", Decimal(30), Money(1000, "USD")),
            ("odd", Decimal(7), Money(100, "EUR")),
            ("gift", Decimal(50), None),
        ]
        assert db.account_closing(account) == closing
    assert db.balance(account, "credits").available == 0
    assert db.verify(account).holds
    (told,) = [each for each in db.notices(account).notices if each.kind == "account.closed"]
    assert told.data["payouts"] == "1.00 EUR, 10.00 USD"


def test_forfeited_without_a_payout(db: Database, account: str) -> None:
    db.create_grant(account, "credits", "90", grant_id="bought", cost_minor=3000, cost_currency="USD")
    closing = db.close_account(account, confirm=True)
    assert (closing.remainder, closing.payouts) == ("forfeit", ())
    assert [(each.credits, each.payout) for each in closing.lines] == [(Decimal(90), None)]
    with pytest.raises(errors.AlreadyExistsError, match="remainder"):
        db.close_account(account, remainder="pay_out", confirm=True)


def test_a_closed_account_does_nothing_any_more(db: Database, account: str, name: Name) -> None:
    """Usage is refused; it cannot be resumed, given credits, subscribed, or buy."""
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.set_policy(account, "credits", "overdraft", limit="100")
    db.close_account(account, confirm=True)
    assert db.subscription(name("sub")).state == "ended"
    assert db.record(account, meter="calls", quantity=1, time=START).status == "ACCOUNT_SUSPENDED"
    assert db.check(account, "calls").reason == "ACCOUNT_SUSPENDED"
    refused: list[Callable[[], object]] = [
        lambda: db.resume_account(account),
        lambda: db.create_grant(account, "credits", "1", grant_id="late"),
        lambda: db.subscribe(account, name("plan"), subscription_id=name("again")),
        lambda: db.top_up(account, "credits", "10", purchase_id=name("buy")),
    ]
    for each in refused:
        with pytest.raises(errors.PreconditionError, match="closed for good"):
            each()
    before = len(db.invoices(account))
    db.advance_clock(account, START + timedelta(days=100))
    assert len(db.invoices(account)) == before
    assert db.balance(account, "credits").available == 0


def used_and_closed(db: Database, account: str) -> None:
    """Of 100 credits 60 were used by the event ``used``; the rest was voided by the closing."""
    db.create_grant(account, "credits", "100", grant_id="bought")
    assert db.record(account, credit_type="credits", credits="60", event_id="used", time=START)
    db.close_account(account, confirm=True)


def test_a_correction_gives_a_closed_account_no_new_grant(db: Database, account: str) -> None:
    """Whichever way it comes; a plain one goes on, and what returns is forfeited."""
    used_and_closed(db, account)
    asked = commands.correct(account, "used", credits="10", regrant=True)
    written = f'"account":"{account}","event_id":"used","credits":"10"'
    refused: list[Callable[[], object]] = [
        lambda: db.correct(account, "used", credits="10", regrant=True),
        lambda: db.correct(account, "used", cancel=True, regrant=True),
        lambda: db.execute([commands.set_policy(account, "credits", "partial"), asked]),
        lambda: db.execute_json(f'[{{"type":"correct",{written},"regrant":true}}]'.encode()),
        lambda: db.execute_json(f'[{{{written},"re\\u0067rant":true,"type":"correct"}}]'.encode()),
    ]
    for each in refused:
        with pytest.raises(errors.PreconditionError, match="correct without regrant") as raised:
            each()
        assert (raised.value.reason, raised.value.field) == ("ACCOUNT_CLOSED", "regrant")
    assert db.usage_event(account, "used").corrections == ()
    done = db.correct(account, "used", credits="10")
    assert (done.status, done.returned, done.available) == ("OK", Decimal(50), Decimal(0))
    assert [each.state for each in db.grants(account)] == ["voided"]
    assert db.verify(account).holds


def test_a_grant_that_is_created_again_after_the_closing_is_a_duplicate(db: Database, account: str) -> None:
    """A caller who never saw the first answer is told it; another content or id gives nothing."""
    used_and_closed(db, account)
    again = db.create_grant(account, "credits", "100", grant_id="bought")
    assert (again.status, db.balance(account, "credits").available) == ("DUPLICATE", 0)
    bought = commands.grant_input("bought", "credits", "100")
    replaced = commands.VoidAndReplace(account=account, void=[], create=[bought])
    assert [each.status for each in db.execute([replaced])] == ["DUPLICATE"]
    assert db.create_grant(account, "credits", "200", grant_id="bought").status == "CONFLICT"
    new = commands.grant_input("new", "credits", "100")
    with pytest.raises(errors.PreconditionError, match="closed for good"):
        db.execute([commands.VoidAndReplace(account=account, void=[], create=[bought, new])])
    assert [each.grant_id for each in db.grants(account)] == ["bought"]


def test_an_awaited_correction_gives_a_closed_account_no_new_grant(server: ServerProcess, name: Name) -> None:
    with drawdown.connect(server.target) as plain:
        plain.create_account(name("account"), test_clock=START)
        used_and_closed(plain, name("account"))

    async def corrected() -> str:
        async with aio.connect(server.target) as db:
            with pytest.raises(errors.PreconditionError, match="correct without regrant"):
                await db.correct(name("account"), "used", credits="10", regrant=True)
            return (await db.correct(name("account"), "used", credits="10")).status

    assert asyncio.run(corrected()) == "OK"


def test_what_a_correction_returns_to_a_grant_used_up_before_the_closing_is_forfeited(
    db: Database, account: str
) -> None:
    """It was exhausted when the account was closed: the closing has no line for it, and it stays closed."""
    db.create_grant(account, "credits", "100", grant_id="gone", cost_minor=1000, cost_currency="USD")
    assert db.record(account, credit_type="credits", credits="100", event_id="used", time=START)
    closing = db.close_account(account, remainder="pay_out", confirm=True)
    assert (closing.grants, closing.lines, closing.payouts) == ((), (), ())
    done = db.correct(account, "used", credits="10")
    assert (done.status, done.returned, done.available) == ("OK", Decimal(90), Decimal(0))
    (grant,) = db.grants(account)
    assert (grant.state, grant.burned, grant.voided) == ("voided", Decimal(10), Decimal(90))
    assert db.verify(account).holds


def test_an_open_hold_ends_as_it_would(db: Database, account: str) -> None:
    """What is held stays with its reservation; what returns is forfeited."""
    db.create_grant(account, "credits", "100", grant_id="g", cost_minor=1000, cost_currency="USD")
    hold = db.reserve(account, credit_type="credits", credits="40", reservation_id="h", ttl=3600)
    assert hold
    assert db.close_account(account, remainder="pay_out", confirm=True).payouts == (Money(600, "USD"),)
    assert db.settle(account, "h", credits="10").status == "OK"
    (grant,) = db.grants(account)
    assert (grant.burned, grant.voided, grant.remaining) == (Decimal(10), Decimal(90), Decimal(0))
    assert db.verify(account).holds


@pytest.mark.parametrize(
    ("asked", "field"), [({"confirm": True, "remainder": "keep"}, "remainder"), ({}, "confirm")]
)
def test_bad_input_closes_nothing(db: Database, account: str, asked: dict[str, object], field: str) -> None:
    with pytest.raises(errors.InvalidRequestError) as raised:
        db.close_account(account, **asked)  # type: ignore[arg-type]
    assert raised.value.field == field
    assert not db.account(account).suspended
    with pytest.raises(errors.NotFoundError):
        db.account_closing(account)


def test_closed_stays_closed_over_a_restart(tmp_path: Path, db_url: str) -> None:
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as database:
        prepare(database)
        database.create_account("acme")
        database.close_account("acme", confirm=True)
    with (
        drawdown.open(tmp_path / "data", db=db_url, **SMALL) as database,
        pytest.raises(errors.PreconditionError, match="closed for good"),
    ):
        database.resume_account("acme")


@contextmanager
def no_closing_is_stored(data: Path) -> Iterator[None]:
    """The database refuses the row of a closing, after all that is decided before it."""
    with closed_at_end(sqlite3.connect(data / "control.sqlite3", isolation_level=None)) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON account_closing BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        yield
        connection.execute("DROP TRIGGER full")


def test_an_account_whose_closing_failed_is_open(tmp_path: Path) -> None:
    """It is resumed and given credits, and its customer stays; closed again, it is closed."""
    with drawdown.open(tmp_path / "data", **SMALL) as database:
        prepare(database)
        database.put_customer("person", name="Ada")
        database.create_account("acme", customer_id="person")
        with no_closing_is_stored(tmp_path / "data"), pytest.raises(errors.DrawdownError, match="full"):
            database.close_account("acme", confirm=True)
        with pytest.raises(errors.PreconditionError, match="acme"):
            database.erase_customer("person", confirm=True)
        assert database.customer("person").name == "Ada"
        assert database.resume_account("acme")
        assert database.create_grant("acme", "credits", "1", grant_id="g")
        closing = database.close_account("acme", confirm=True)
        assert [each.credits for each in closing.lines] == [Decimal(1)]
        with pytest.raises(errors.PreconditionError, match="closed for good"):
            database.create_grant("acme", "credits", "1", grant_id="late")


WHO = {
    "name": "Ada Quillfeather",
    "email": "ada@quillfeather.example",
    "address": ["Larkspur Lane 77", "99999 Brambleton"],
    "tax_id": "DE-QUILL-4711",
    "payment_method": "test_ok_quill",
    "provider_id": "cus_quill_9",
    "metadata": {"phone": "+49 30 QUILL 5"},
}
PERSONAL = [
    *(text for text in WHO.values() if isinstance(text, str)),
    *WHO["address"],
    *WHO["metadata"].values(),  # type: ignore[attr-defined]
]


def live_and_close(database: Database, account: str, customer: str, plan: str) -> None:
    """A customer with an invoice, a credit note reason, a purchase and a closed account."""
    database.put_customer(customer, country="DE", time_zone="Europe/Berlin", **WHO)
    database.create_account(account, customer_id=customer, test_clock=START)
    published(database, plan, release="immediate")
    database.subscribe(account, plan, subscription_id=f"{plan}-sub", payment_method=WHO["payment_method"])
    database.advance_clock(account, START + timedelta(days=1))
    database.close_account(
        account, remainder="pay_out", reason=f"asked by {WHO['name']}, {WHO['email']}", confirm=True
    )


def test_a_customer_is_forgotten_and_the_figures_stay(db: Database, name: Name) -> None:
    account, customer = name("quiet"), name("person")
    live_and_close(db, account, customer, name("plan"))
    (invoice,) = db.invoices(account)
    assert str(WHO["name"]) in db.render_invoice(invoice.invoice_id).decode()
    balances = db.balances(account)
    for _ in range(2):
        assert db.erase_customer(customer, confirm=True).accounts == (account,)
    found = db.customer(customer)
    assert (found.name, found.email, found.address, found.metadata) == ("erased", "", (), {})
    assert (found.currency, found.country, found.time_zone) == ("USD", "DE", "Europe/Berlin")
    # Its figures, its number and who issued it; whom it was for is forgotten.
    assert msgspec.structs.replace(db.invoice(invoice.invoice_id), buyer=invoice.buyer) == invoice
    assert [each.remaining for each in db.balances(account)] == [each.remaining for each in balances]
    page = db.render_invoice(invoice.invoice_id).decode()
    assert not [text for text in PERSONAL if text in page]
    assert db.account_closing(account).reason == "asked by erased, erased"
    assert db.subscription(f"{name('plan')}-sub").payment_method == "erased"


def test_an_open_account_keeps_its_customer(db: Database, account: str, name: Name) -> None:
    db.create_account(name("second"), customer_id=name("customer"))
    db.close_account(account, confirm=True)
    with pytest.raises(errors.PreconditionError, match=name("second")):
        db.erase_customer(name("customer"), confirm=True)
    with pytest.raises(errors.NotFoundError):
        db.erase_customer(name("nobody"), confirm=True)
    db.close_account(name("second"), confirm=True)
    with pytest.raises(errors.InvalidRequestError, match="confirm"):
        db.erase_customer(name("customer"))
    assert db.customer(name("customer")).payment_method == "test_ok"


def test_no_byte_of_the_control_plane_names_the_customer(tmp_path: Path) -> None:
    """Not in rows, not in free pages, not in the log beside them."""
    with drawdown.open(tmp_path / "data", **SMALL) as database:
        prepare(database)
        live_and_close(database, "quiet", "person", "plan")
        before = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("control.sqlite3*"))
        assert all(text.encode() in before for text in PERSONAL)
        assert database.erase_customer("person", confirm=True).texts >= 3
        after = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("control.sqlite3*"))
        assert not [text for text in PERSONAL if text.encode() in after]
        assert b"person" in after
