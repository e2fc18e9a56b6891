"""An engine restored to an earlier point beside a newer database: equal states afterwards (§15)."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import drawdown
import msgspec
import pytest
from drawdown.embedded import EmbeddedDatabase
from drawdown.runtime.control import delivery
from drawdown.runtime.control.delivery import Delivery
from drawdown.storage.recovery_gap import RecoveryGap

from .conftest import SMALL, START, prepare
from .plans import published
from .waiting import wait_until


def keep_engine(data: Path, kept: Path) -> None:
    """The engine's files of a folder that is closed, without the control plane's."""
    shutil.copytree(data, kept, ignore=shutil.ignore_patterns("control.sqlite3*", "payments-*"))


def put_back(data: Path, kept: Path) -> None:
    """The engine as it was, the database as it is."""
    for path in data.iterdir():
        if not path.name.startswith(("control.sqlite3", "payments-")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(kept, data, dirs_exist_ok=True)


def opened(data: Path, db_url: str = "") -> EmbeddedDatabase:
    return drawdown.open(data, db=db_url, **SMALL)


def state(database: EmbeddedDatabase) -> Any:
    """Everything that may be seen of the accounts but journal positions."""

    def plain(value: Any) -> Any:
        return {key: each for key, each in msgspec.to_builtins(value).items() if key != "seq"}

    accounts = database.accounts()
    return [
        (
            plain(account),
            [plain(each) for each in database.balances(account.account)],
            sorted(
                (plain(each) for each in database.grants(account.account)), key=lambda each: each["grant_id"]
            ),
        )
        for account in accounts
    ]


def before(database: EmbeddedDatabase) -> None:
    """A subscribed account with a month behind it."""
    prepare(database)
    published(database, "pro")
    published(database, "large", credits="5000", fee="90")
    database.create_pack(
        pack_id="pack",
        name="pack",
        credit_type="credits",
        amount="100",
        prices=[{"currency": "USD", "amount": "10"}],
    )
    database.put_customer("c", payment_method="test_ok")
    database.create_account("old", customer_id="c", test_clock=START)
    database.subscribe("old", "pro", subscription_id="s-old")
    database.advance_clock("old", START + timedelta(days=30))


def after(database: EmbeddedDatabase) -> None:
    """What the restored engine does not know: renewals, a change, purchases, a transfer, an account."""
    database.create_account("new", customer_id="c", test_clock=START + timedelta(days=1))
    database.subscribe("new", "pro", subscription_id="s-new")
    database.advance_clock("old", START + timedelta(days=70))
    database.change_plan("s-old", "large", change_id="up")
    database.advance_clock("new", START + timedelta(days=45))
    database.buy_pack("new", "pack", purchase_id="buy")
    database.transfer("t", from_account="new", to_account="old", credit_type="credits", credits="40")
    database.cancel_subscription("s-new", when="now")
    database.advance_clock("old", START + timedelta(days=131))
    database.import_opening(
        [
            {"kind": "account", "account": "open", "customer_id": "open"},
            {
                "kind": "grant",
                "account": "open",
                "grant_id": "g",
                "credit_type": "credits",
                "amount": "7",
                "effective_at": "2026-01-01",
            },
        ]
    )
    database.close_account("open", remainder="forfeit", confirm=True)


@pytest.fixture
def forgotten(tmp_path: Path, db_url: str) -> tuple[Path, str, Any]:
    """A folder whose engine has forgotten what its database knows, and the state there was."""
    data, kept = tmp_path / "data", tmp_path / "kept"
    with opened(data, db_url) as database:
        before(database)
    keep_engine(data, kept)
    with opened(data, db_url) as database:
        after(database)
        expected = state(database)
    put_back(data, kept)
    return data, db_url, expected


def test_every_command_above_the_recovery_point_is_issued_again(forgotten: tuple[Path, str, Any]) -> None:
    data, db_url, expected = forgotten
    for _ in range(2):
        with opened(data, db_url) as database:
            assert state(database) == expected
            assert database.verify().holds
            assert database._control_plane().restores == 1
            assert database._control_plane().delivery.refused == 0


def test_a_clock_advanced_to_the_very_instant_of_a_job_is_not_taken_for_a_restore(tmp_path: Path) -> None:
    """The job has moved the clock already: the caller's own command comes to nothing in the engine."""
    with opened(tmp_path) as database:
        before(database)
        # Expiry, which the engine books on its own, would journal more behind it.
        database.record("old", credit_type="credits", credits="1000", event_id="all", time=START)
        renewal = database.subscription("s-old").billing.edge(2)
        database.advance_clock("old", renewal)
        assert database.account("old").test_clock == renewal
    with opened(tmp_path) as database:
        assert database._control_plane().restores == 0


def test_who_was_given_a_transfer_is_made_again(tmp_path: Path, db_url: str) -> None:
    """By no group of its own: what it has came out of another's, metadata reads like a command or not."""
    data, kept = tmp_path / "data", tmp_path / "kept"
    with opened(data, db_url) as database:
        prepare(database)
        for account in ("old", "older"):
            database.create_account(account, customer_id="c")
        database.create_grant("old", "credits", "100", grant_id="g")
        database.create_grant("older", "credits", "9", grant_id="g", metadata={"type": "create_account"})
    keep_engine(data, kept)
    with opened(data, db_url) as database:
        for giver in ("old", "older"):
            taker = f"after {giver}"
            database.create_account(taker, customer_id="c")
            database.transfer(giver, from_account=giver, to_account=taker, credit_type="credits", credits="4")
        expected = state(database)
    put_back(data, kept)
    with opened(data, db_url) as database:
        assert database._control_plane().delivery.refused == 0
        assert state(database) == expected


def killed_after(groups: tuple[int, ...], data: Path, db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts that end when so many groups are delivered."""
    deliver_one = Delivery._deliver_one
    left = 0

    def dying(self: Delivery, group: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return deliver_one(self, group)

    with monkeypatch.context() as patched:
        patched.setattr(Delivery, "_deliver_one", dying)
        for allowed in groups:
            left = allowed
            with pytest.raises(KeyboardInterrupt):
                opened(data, db_url)


def test_a_crash_among_them_goes_on(
    forgotten: tuple[Path, str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after each few groups, as often as it takes."""
    data, db_url, expected = forgotten
    killed_after((0, 1, 3, 7), data, db_url, monkeypatch)
    with opened(data, db_url) as database:
        assert state(database) == expected
        assert database._control_plane().restores == 1


def test_a_crash_among_what_a_snapshot_may_lack_keeps_the_order(
    tmp_path: Path, db_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What the engine was found to have is not issued once more, behind what came after it."""
    data, kept = tmp_path / "data", tmp_path / "kept"
    with opened(data, db_url) as database:
        before(database)
        end_seq = database.engine.durable_seq()
    keep_engine(data, kept)
    with opened(data, db_url) as database:
        database.advance_clock("old", START + timedelta(days=70))
        expected = state(database)
    put_back(data, kept)
    # The last renewal, which this engine has.
    RecoveryGap(recovery_seq=end_seq - 5, end_seq=end_seq).write(data)
    # Each is noted before the next is on its way.
    monkeypatch.setattr(delivery, "_GROUPS_AT_ONCE", 1)
    killed_after((6,), data, db_url, monkeypatch)
    with opened(data, db_url) as database:
        assert state(database) == expected
        assert "refused" not in caplog.text
        assert database._control_plane().restores == 1


def test_what_goes_on_afterwards_names_nothing_twice(forgotten: tuple[Path, str, Any]) -> None:
    """Renewals of the restored one: an invoice each, and the books hold."""
    data, db_url, _ = forgotten
    with opened(data, db_url) as database:
        database.advance_clock("old", START + timedelta(days=165))
        invoices = [each.invoice_id for each in database.invoices("old")]
        assert len(invoices) == len(set(invoices))
        assert database.verify().holds


def test_crossings_after_a_restore_are_told(tmp_path: Path, db_url: str) -> None:
    """The relay stands at the recovery point, not where the journal had been."""
    data, kept = tmp_path / "data", tmp_path / "kept"
    with opened(data, db_url) as database:
        prepare(database)
        database.create_account("acme", customer_id="c")
        database.create_grant("acme", "credits", "100", grant_id="g")
        database.put_customer("c", payment_method="test_ok")
    keep_engine(data, kept)
    events = [f"e{number}" for number in range(30)]

    def use(database: EmbeddedDatabase) -> None:
        for event in events:
            database.record("acme", credit_type="credits", credits="10", event_id=event)

    def told(database: EmbeddedDatabase) -> int:
        return sum(each.kind == "balance.depleted" for each in database.notices("acme").notices)

    with opened(data, db_url) as database:
        use(database)
        wait_until(lambda: told(database) == 1)
    put_back(data, kept)
    with opened(data, db_url) as database:
        use(database)
        wait_until(lambda: told(database) == 2)
