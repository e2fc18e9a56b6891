"""Recharges beside usage: usage waits for no payment, and a payment that is quick enough keeps it going."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.payments import Charge, PaymentRequest, ScriptedProvider

from .conftest import SMALL, prepare
from .test_recharge import available, settled, topped, use
from .waiting import wait_until

Name = Callable[[str], str]


@pytest.mark.behaviour("S3-31")
def test_usage_goes_on_while_a_provider_takes_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payment of the recharge hangs at the provider: records and checks are answered meanwhile."""
    with drawdown.open(tmp_path / "data", **SMALL) as db:
        prepare(db)
        account = topped(db, lambda stem: stem)
        db.create_grant(account, "credits", amount="100", grant_id="bought")
        db.set_recharge(account, "credits", threshold="90", to="200")
        provider = db.payment_provider()
        assert isinstance(provider, ScriptedProvider)
        asked, answer, answered = threading.Event(), threading.Event(), threading.Event()
        charge = provider.charge

        def slowly(request: PaymentRequest) -> Charge:
            asked.set()
            answer.wait(20)
            answered.set()
            return charge(request)

        monkeypatch.setattr(provider, "charge", slowly)
        try:
            use(db, account, "10", "crosses the threshold")
            assert asked.wait(20)
            took = []
            for number in range(50):
                began = time.monotonic()
                use(db, account, "1", f"meanwhile-{number}")
                assert db.check(account, "calls")
                took.append(time.monotonic() - began)
            assert not answered.is_set(), "usage had waited for the payment"
            assert median(took) < 0.2
            assert available(db, account) == 40
        finally:
            answer.set()
        settled(db, account, 1)
        wait_until(lambda: available(db, account) == 40 + 110)


@pytest.mark.behaviour("S3-32")
def test_use_that_is_slower_than_a_recharge_never_comes_to_zero(embedded: Database, name: Name) -> None:
    """60 are left when it fires and go at 50 a second at most: more than a second for it, each time."""
    account = topped(embedded, name)
    embedded.set_recharge(account, "credits", threshold="60", to="120")
    settled(embedded, account, 1)
    wait_until(lambda: available(embedded, account) == 120)
    for number in range(200):
        use(embedded, account, "1", f"use-{number}")
        assert available(embedded, account) > 0
        time.sleep(0.02)
    assert len(embedded.purchases(account)) >= 3
