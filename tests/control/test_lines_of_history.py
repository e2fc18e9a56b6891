"""Rows out of a backup: what was told after it, and is lost, leaves its numbers to nobody (§12)."""

from __future__ import annotations

from pathlib import Path

import drawdown
import pytest
from drawdown.embedded import EmbeddedDatabase
from drawdown.errors import InvalidRequestError
from drawdown.notices.requests import FeedNotice
from drawdown.storage.backup import restore_from_backup

from .conftest import SMALL, prepare
from .postgresql import empty_schema
from .test_purchases import pack
from .waiting import wait_until


def tell(database: EmbeddedDatabase, account: str, *grants: str) -> list[FeedNotice]:
    """What the feed has of this account once it tells of these grants."""
    for grant in grants:
        database.create_grant(account, "credits", "1", grant_id=grant)

    def told() -> list[FeedNotice]:
        return list(database.notices(account, limit=1_000).notices)

    def begun() -> set[str]:
        return {each.data["grant_id"] for each in told() if each.kind == "grant.activated"}

    wait_until(lambda: begun().issuperset(grants))
    return told()


def prepared(folder: Path, backup: Path) -> list[FeedNotice]:
    """A folder of which there is a backup; answers what was told after that."""
    with drawdown.open(folder, **SMALL) as database:
        prepare(database)
        for account in ("known", "quiet"):
            database.create_account(account, customer_id="c")
        kept = {each.notice_id for each in tell(database, "known", "kept")}
        database.take_backup(backup)
        told = [*tell(database, "known", "lost1", "lost2"), *tell(database, "quiet", "lost3")]
        return [each for each in told if each.notice_id not in kept]


def test_no_id_cursor_or_sequence_is_given_out_twice_however_often_one_backup_is_restored(
    tmp_path: Path,
) -> None:
    """A receiver takes the id for its idempotency key, and drops what has one that it knows."""
    told = prepared(tmp_path / "data", tmp_path / "backup")
    for line in ("second", "third"):
        restore_from_backup(tmp_path / "backup", tmp_path / line)
        lost = {each.notice_id for each in told}
        last = max(each.cursor for each in told)
        with drawdown.open(tmp_path / line, **SMALL) as database:
            tell(database, "known", "new1", "new2")
            tell(database, "quiet", "new3")
            # A reader who had read what is lost goes on behind it, and misses nothing.
            page = database.notices(after=last, limit=1_000)
        assert {each.data["grant_id"] for each in page.notices} == {"new1", "new2", "new3"}
        assert lost.isdisjoint(each.notice_id for each in page.notices)
        for account in ("known", "quiet"):
            before = max(each.sequence for each in told if each.account == account)
            after = [each.sequence for each in page.notices if each.account == account]
            assert after[0] > before and after == list(range(after[0], after[0] + len(after)))
        told += page.notices


def test_numbers_stay_new_when_the_rows_move_to_postgresql(tmp_path: Path, postgresql: str) -> None:
    told = prepared(tmp_path / "data", tmp_path / "backup")
    url = empty_schema(postgresql)
    restore_from_backup(tmp_path / "backup", tmp_path / "again", url)
    with drawdown.open(tmp_path / "again", db=url, **SMALL) as database:
        for grant in ("new1", "new2"):
            tell(database, "known", grant)
        page = database.notices(after=max(each.cursor for each in told))
        assert {each.data["grant_id"] for each in page.notices} == {"new1", "new2"}
        assert database.notices(after=page.next).notices == ()


def test_a_cursor_behind_the_end_of_the_feed_is_refused(tmp_path: Path) -> None:
    """Read on from there, it would pass over all that comes before it."""
    with drawdown.open(tmp_path / "data", **SMALL) as database:
        prepare(database)
        database.create_account("known", customer_id="c")
        end = tell(database, "known", "g")[-1].cursor
        assert database.notices(after=end).notices == ()
        with pytest.raises(InvalidRequestError, match=f"ends at cursor {end}"):
            database.notices(after=end + 1)


def test_a_recharge_after_a_restore_is_another_than_the_one_that_was_lost(tmp_path: Path) -> None:
    """Its id is the key by which the provider knows its charge."""
    with drawdown.open(tmp_path / "data", **SMALL) as database:
        prepare(database)
        pack(database, "pack")
        database.put_customer("c", payment_method="test_ok")
        database.create_account("known", customer_id="c")
        database.take_backup(tmp_path / "backup")
    restore_from_backup(tmp_path / "backup", tmp_path / "second")
    restore_from_backup(tmp_path / "backup", tmp_path / "third")
    ids = []
    for line in ("data", "second", "third"):
        with drawdown.open(tmp_path / line, **SMALL) as database:
            database.set_recharge("known", "credits", threshold="5", pack_id="pack")
            wait_until(lambda: landed(database) == 1)
            # The same crossing at the same position of the journal.
            database.record("known", credit_type="credits", credits="20")
            wait_until(lambda: landed(database) == 2)
            ids += [each.purchase_id for each in database.purchases("known")]
    assert len(ids) == len(set(ids)) == 6


def landed(database: EmbeddedDatabase) -> int:
    """How many recharges have been paid and granted; none is under way."""
    if database.recharge("known", "credits").standing.state != "idle":
        return 0
    return sum(each.state == "granted" for each in database.purchases("known"))
