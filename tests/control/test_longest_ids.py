"""With the longest ids there may be everything is stored: SQLite takes any length, PostgreSQL does not."""

from __future__ import annotations

from pathlib import Path

import drawdown
import sqlalchemy as sa
from drawdown.embedded import EmbeddedDatabase
from drawdown.storage.sql.metadata import metadata
from drawdown.storage.sql.stored_keys import KEY_CHARACTERS_MAX, stored_key

from .conftest import SMALL, prepare
from .plans import published
from .waiting import wait_until

ID_CHARACTERS = 128
TYPE = "t" * ID_CHARACTERS
PER_CREDIT = {"prices": [{"currency": "USD", "model": "per_unit", "amount": "1"}]}


def longest(stem: str) -> str:
    return stem.ljust(ID_CHARACTERS, "-")


def too_long(db: EmbeddedDatabase) -> list[tuple[str, int, str]]:
    """Column, its length, and a text in it that is longer."""
    found: list[tuple[str, int, str]] = []
    with db._control_plane().sql.transaction() as work:
        for table in metadata.sorted_tables:
            for column in table.columns:
                if isinstance(column.type, sa.String) and column.type.length is not None:
                    longer = sa.select(column).where(sa.func.length(column) > column.type.length)
                    rows = work.connection.execute(longer)
                    found += [(str(column), column.type.length, text) for (text,) in rows]
    return found


def test_a_recharge_that_a_cap_holds_back_is_told_once_whatever_its_ids(tmp_path: Path, db_url: str) -> None:
    """Its key has account, credit type, reason and month: more than the column takes."""
    account = longest("account")
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as db:
        prepare(db)
        db.create_credit_type(TYPE)
        db.put_customer("customer", payment_method="test_ok")
        db.create_account(account, customer_id="customer")
        credits = {"credit_type": TYPE, "amount": "1", "cadence": "monthly"}
        plan = published(db, "plan", type="free", base_fee=[], credits=credits, rates=[], top_up=PER_CREDIT)
        db.subscribe(account, plan.plan_id, subscription_id=longest("sub"))
        db.set_recharge(account, TYPE, threshold="30", amount="20", cap_count=1)

        def reason() -> str:
            return db.recharge(account, TYPE).standing.reason

        wait_until(lambda: reason() == "cap_count_reached", 20)
        for threshold in ("29", "28"):
            db.set_recharge(account, TYPE, threshold=threshold, amount="20", cap_count=1)
        (failed,) = db.notices(account, kinds=["recharge.failed"]).notices
        assert failed.data["reason"] == "cap_count_reached"
        assert too_long(db) == []


def test_a_long_key_is_stored_as_one_of_its_own() -> None:
    longer = "k" * KEY_CHARACTERS_MAX
    assert stored_key(longer) == longer
    stored = {stored_key(longer + end) for end in ("a", "b", "")}
    assert len(stored) == 3
    assert max(map(len, stored)) == KEY_CHARACTERS_MAX
