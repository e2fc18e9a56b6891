"""A command is the same however its JSON is written: escapes go round nothing that holds for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import drawdown
import msgspec
import pytest
from drawdown import errors
from drawdown.client.interface import Database
from drawdown.model.instants import us_from_instant

from .conftest import SMALL, START, prepare
from .plans import paid_plan, published

Name = Callable[[str], str]
CONTENT = '{"grant_id":"late","credit_type":"credits","amount":"5"}'


def escaped(text: str) -> str:
    """The same name in JSON, to whoever decodes it."""
    return text.replace("_", "\\u005f")


@pytest.mark.parametrize(
    ("kind", "rest"),
    [
        ("create_grant", f',"grant":{CONTENT}'),
        ("resume_account", ""),
        ("void_and_replace", f',"void":[],"create":[{CONTENT}]'),
    ],
)
def test_nothing_gives_a_closed_account_life(db: Database, account: str, kind: str, rest: str) -> None:
    db.close_account(account, confirm=True)
    for written in (
        f'[{{"type":"{kind}","account":"{account}"{rest}}}]',
        f'[{{"type":"{escaped(kind)}","account":"{account}"{rest}}}]',
        f'[{{"account":"{account}","ty\\u0070e":"{escaped(kind)}"{rest}}}]',
    ):
        with pytest.raises(errors.PreconditionError, match="closed for good"):
            db.execute_json(written.encode())
    assert db.account(account).suspended
    assert db.balance(account, "credits").available == 0


def test_a_clock_does_not_jump(db: Database, account: str, name: Name) -> None:
    """What falls due on its way is done when the clock is there, as after any advance."""
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    before = len(db.invoices(account))
    to = us_from_instant(START + timedelta(days=70))
    command = f'[{{"type":"{escaped("advance_clock")}","account":"{account}","to":{to}}}]'
    _, outcomes = db.execute_json(command.encode())
    assert msgspec.json.decode(outcomes)[0]["status"] == "OK"
    assert len(db.invoices(account)) > before + 1


def test_a_new_account_gets_its_plan(tmp_path: Path, db_url: str) -> None:
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as db:
        prepare(db)
        db.create_product("start", "Start", signup_plan="free")
        plan = paid_plan("free", credits="100", fee="0", type="free", base_fee=[])
        db.create_plan(**{**plan, "product": "start"})
        db.publish_plan("free")
        db.execute_json(f'[{{"type":"{escaped("create_account")}","account":"acme"}}]'.encode())
        (subscription,) = db.subscriptions("acme")
        assert subscription.plan_id == "free"
        assert db.balance("acme", "credits").available == Decimal(100)
