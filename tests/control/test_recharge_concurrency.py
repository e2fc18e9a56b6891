"""A thousand debits in flight at once, over gRPC, across a threshold: one recharge, or one attempt."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import drawdown
import pytest
from drawdown import aio
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database

from .test_recharge import available, settled, topped
from .waiting import wait_until

Name = Callable[[str], str]
DEBITS = 1_000


@pytest.fixture
def db(server: ServerProcess) -> Database:
    """Over gRPC only."""
    return drawdown.connect(server.target)


async def debit_at_once(target: str, account: str) -> Counter[str]:
    """All debits are sent before the first answer is read."""
    async with aio.connect(target) as connection:
        results = await asyncio.gather(
            *(
                connection.record(account, credit_type="credits", credits="1.6", event_id=f"debit-{number}")
                for number in range(DEBITS)
            )
        )
    return Counter(result.status for result in results)


@pytest.mark.behaviour("S2-14", "S3-31")
def test_a_thousand_debits_at_once_make_one_recharge(db: Database, server: ServerProcess, name: Name) -> None:
    """From 2,000 past 500 to 400: one purchase of what was missing at the crossing, and nobody waited."""
    account = topped(db, name)
    db.set_recharge(account, "credits", threshold="500", to="2000")
    assert settled(db, account, 1) == [Decimal(2000)]
    wait_until(lambda: available(db, account) == 2000)
    assert asyncio.run(debit_at_once(server.target, account)) == Counter(OK=DEBITS)
    bought = settled(db, account, 2)
    assert len(bought) == 2 and 1500 <= bought[1] <= Decimal("1501.6"), bought
    wait_until(lambda: available(db, account) == 2000 - 1600 + bought[1])
    told = Counter(each.kind for each in db.notices(account, limit=1_000).notices)
    assert (told["recharge.started"], told["recharge.succeeded"]) == (2, 2), told
    assert db.verify(account)


@pytest.mark.behaviour("S3-34", "S3-35")
def test_a_thousand_debits_at_once_on_a_declining_card_make_one_attempt(
    db: Database, server: ServerProcess, name: Name
) -> None:
    """One purchase that failed, one notice of it, and the rule is off with its reason."""
    account = topped(db, name)
    db.create_grant(account, "credits", amount="2000", grant_id="gift")
    db.set_recharge(account, "credits", threshold="500", to="2000")
    db.put_customer(name("customer"), payment_method="test_decline")
    assert asyncio.run(debit_at_once(server.target, account)) == Counter(OK=DEBITS)
    assert len(settled(db, account, 1)) == 1
    wait_until(lambda: db.recharge(account, "credits").standing.state == "disabled")
    told = Counter(each.kind for each in db.notices(account, limit=1_000).notices)
    assert (told["payment.failed"], told["recharge.failed"], told["recharge.disabled"]) == (1, 1, 1), told
    assert available(db, account) == 400
    assert len(db.purchases(account)) == 1
