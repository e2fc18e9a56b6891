"""The feed: one notice per transition, in order, by cursor, through every door."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest
from drawdown.client.interface import Database
from drawdown.errors import InvalidRequestError
from drawdown.notices import KINDS
from drawdown.notices.requests import FeedNotice

from tests.tidy.tree import PACKAGE

from .test_purchases import pack
from .waiting import wait_until

Name = Callable[[str], str]


def kinds_of(db: Database, account: str) -> list[str]:
    return [each.kind for each in db.notices(account).notices]


@pytest.mark.behaviour("S3-13")
def test_the_feed_tells_of_payments_and_credits_in_order(db: Database, account: str, name: Name) -> None:
    """Pages by cursor put together are the whole, numbered without gaps, each once."""
    sold = pack(db, name("pack"))
    db.buy_pack(account, sold, purchase_id=name("yes"))
    db.buy_pack(account, sold, purchase_id=name("no"), payment_method="test_decline")
    whole = db.notices(account)
    assert not whole.more
    assert [each.sequence for each in whole.notices] == list(range(1, len(whole.notices) + 1))
    kinds = [each.kind for each in whole.notices]
    assert kinds.count("payment.succeeded") == kinds.count("payment.failed") == 1
    assert kinds.index("payment.succeeded") < kinds.index("payment.failed")
    (failed,) = db.notices(account, kinds=["payment.failed"]).notices
    assert failed.data["purchase_id"] == name("no")
    assert failed.data["reason"]

    pages: list[FeedNotice] = []
    cursor = 0
    while True:
        page = db.notices(account, after=cursor, limit=1)
        pages += page.notices
        cursor = page.next
        if not page.more:
            break
    # What the engine says of the grant may come between.
    assert tuple(pages[: len(whole.notices)]) == whole.notices
    assert [each.sequence for each in pages] == list(range(1, len(pages) + 1))
    wait_until(lambda: "grant.created" in kinds_of(db, account))
    last = db.notices(account).notices[-1].cursor
    assert db.notices(account, after=last).notices == ()
    assert db.notices(account, after=last).next >= last


def test_running_dry_is_one_notice_whatever_follows(db: Database, account: str, name: Name) -> None:
    """Several refused debits after the crossing tell nothing new."""
    db.buy_pack(account, pack(db, name("pack")), purchase_id=name("p"))
    for number in range(3):
        db.record(account, credit_type="credits", credits="20", event_id=name(f"d{number}"))
    wait_until(lambda: "balance.depleted" in kinds_of(db, account))
    assert kinds_of(db, account).count("balance.depleted") == 1
    db.buy_pack(account, name("pack"), purchase_id=name("more"))
    wait_until(lambda: "balance.recovered" in kinds_of(db, account))


def test_an_unknown_kind_is_named(db: Database, account: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        db.notices(account, kinds=["balance.lo"])
    assert raised.value.field == "kinds"


def test_every_kind_that_the_code_tells_of_is_declared() -> None:
    """A notice of an undeclared kind could not be asked for."""
    told: set[str] = set()
    for path in (PACKAGE / "runtime" / "control").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                told |= _kinds_told(node)
    assert len(told) >= 35, "the guard saw too few kinds"
    assert told <= set(KINDS)


def _kinds_told(node: ast.Call) -> set[str]:
    called = node.func
    texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
    names = [each for each in texts if isinstance(each, str) and each]
    if isinstance(called, ast.Attribute) and called.attr == "notice":
        return set(names[:1])
    if isinstance(called, ast.Name) and called.id in ("tell", "tell_change"):
        # Those of subscriptions leave their family out.
        return {each if "." in each else f"subscription.{each}" for each in names[:1]}
    return set()
