"""The recharge's threshold beside those of a caller: neither switches the other off or tells it twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from drawdown.client.interface import Database
from drawdown.errors import InvalidRequestError

from .test_recharge import available, settled, topped, use
from .waiting import wait_until

Name = Callable[[str], str]


@pytest.fixture
def account(db: Database, name: Name) -> str:
    """100.00 available, and a recharge at 5 to 20."""
    account = topped(db, name)
    db.create_grant(account, "credits", amount="100", grant_id="bought")
    db.set_recharge(account, "credits", threshold="5", to="20")
    return account


def levels(db: Database, account: str) -> set[Any]:
    return set(db.balance(account, "credits").thresholds)


def low(db: Database, account: str) -> list[Any]:
    """The thresholds of each ``balance.low`` so far, in order."""
    return [each.data["threshold"] for each in db.notices(account).notices if each.kind == "balance.low"]


@pytest.mark.parametrize("how", ["typed", "raw", "spelled otherwise"])
def test_a_list_of_other_levels_leaves_the_recharge_on(db: Database, account: str, how: str) -> None:
    """As a call of its own, among commands, and as text that spells the command's name with an escape."""
    command = {
        "type": "set_thresholds",
        "account": account,
        "credit_type": "credits",
        "thresholds": ["50", "20%"],
    }
    if how == "typed":
        db.set_thresholds(account, "credits", ["50", "20%"])
    elif how == "raw":
        (result,) = db.execute([command])
        assert result.status == "OK"
    else:
        group = (
            '[{"type": "set\\u005fthresholds", "account": "%s", "credit_type": "credits", '
            '"thresholds": ["50", "20%%"]}]'
        )
        db.execute_json((group % account).encode())
    assert levels(db, account) == {Decimal(50), "20%", Decimal(5)}
    use(db, account, "60", "a")
    use(db, account, "36", "b")
    assert settled(db, account, 1) == [Decimal(16)]
    wait_until(lambda: available(db, account) == 20)


def test_no_levels_at_all_leave_the_recharge_on(db: Database, account: str) -> None:
    db.set_thresholds(account, "credits", [])
    assert levels(db, account) == {Decimal(5)}
    db.set_recharge(account, "credits", threshold="5", to="20", enabled=False)
    db.set_thresholds(account, "credits", [])
    assert levels(db, account) == set()


@pytest.mark.parametrize("enabled_before", [True, False])
def test_a_level_that_was_watched_before_stays_when_the_recharge_goes(
    db: Database, name: Name, enabled_before: bool
) -> None:
    """20 is the caller's; a recharge at 20 that is switched off, or never was on, leaves it there."""
    account = topped(db, name)
    db.create_grant(account, "credits", amount="100", grant_id="bought")
    db.set_thresholds(account, "credits", ["20"])
    if enabled_before:
        for _ in range(2):
            db.set_recharge(account, "credits", threshold="20", to="50")
    for _ in range(2):
        db.set_recharge(account, "credits", threshold="20", to="50", enabled=False)
    assert levels(db, account) == {Decimal(20)}
    use(db, account, "90", "a")
    wait_until(lambda: low(db, account) == ["20"])


def test_a_level_that_was_watched_before_stays_when_the_recharge_moves(db: Database, name: Name) -> None:
    """From 20, which is the caller's, to 5, which is its own, to 4, and off."""
    account = topped(db, name)
    db.create_grant(account, "credits", amount="100", grant_id="bought")
    db.set_thresholds(account, "credits", ["20"])
    for threshold, watched in (("20", {20}), ("5", {20, 5}), ("4", {20, 4})):
        db.set_recharge(account, "credits", threshold=threshold, to="50")
        assert levels(db, account) == watched
    db.set_recharge(account, "credits", threshold="4", to="50", enabled=False)
    assert levels(db, account) == {20}


def test_a_list_says_whether_the_recharges_level_is_the_callers_too(db: Database, account: str) -> None:
    """Named in a list it stays when the recharge goes; left out of the next it does not."""
    off = {"threshold": "5", "to": "20", "enabled": False}
    db.set_thresholds(account, "credits", ["20%", "5.00"])
    db.set_recharge(account, "credits", **off)
    assert levels(db, account) == {"20%", 5}
    db.set_recharge(account, "credits", threshold="5", to="20")
    db.set_thresholds(account, "credits", ["20%"])
    assert levels(db, account) == {"20%", 5}
    db.set_recharge(account, "credits", **off)
    assert levels(db, account) == {"20%"}


def test_a_list_that_is_refused_says_nothing_of_whose_the_level_is(db: Database, account: str) -> None:
    """A level that the engine refuses, in a group of two: the caller's 5 stays when the recharge goes."""
    db.set_thresholds(account, "credits", ["5"])
    lists = [
        {"type": "set_thresholds", "account": account, "credit_type": "credits", "thresholds": each}
        for each in (["7"], ["no level"])
    ]
    with contextlib.suppress(InvalidRequestError):
        assert {each.status for each in db.execute(lists)} & {"OK", "DUPLICATE"} == set()
    db.set_recharge(account, "credits", threshold="5", to="20", enabled=False)
    assert levels(db, account) == {5}


def test_opting_in_tells_no_level_again(db: Database, name: Name) -> None:
    """One per transition: 40 of 100 are left, so 50 was passed once, whatever is watched from then on."""
    account = topped(db, name)
    db.create_grant(account, "credits", amount="100", grant_id="bought")
    db.set_thresholds(account, "credits", ["50", "20%"])
    use(db, account, "60", "a")
    wait_until(lambda: len(low(db, account)) == 1)
    db.set_recharge(account, "credits", threshold="5", to="20")
    db.set_recharge(account, "credits", threshold="6", to="20")
    use(db, account, "21", "b")
    wait_until(lambda: len(low(db, account)) == 2)
    assert low(db, account)[0] == "50"
    assert db.purchases(account) == ()


def test_a_list_that_is_none_is_refused_as_ever(db: Database, account: str) -> None:
    before = levels(db, account)
    with pytest.raises(InvalidRequestError, match="101%"):
        db.set_thresholds(account, "credits", ["101%"])
    with pytest.raises(InvalidRequestError, match="thresholds"):
        db.execute([{"type": "set_thresholds", "account": account, "credit_type": "credits"}])
    assert before == levels(db, account)
