"""An engine out of Redis beside the database it had: what was decided during the snapshot is there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown.embedded import EmbeddedDatabase
from drawdown.storage import restore_from_redis
from drawdown.storage.recovery_gap import gap_of

from tests.control.conftest import SMALL, START
from tests.control.test_restored_engine import before, state
from tests.storage.conftest import snapshotter
from tests.storage.valkey import ValkeyProcess

Step = Callable[[EmbeddedDatabase], Any]

# In the order in which a customer lives them; accounts are imaged in the order in which they were made.
STEPS: list[Step] = [
    lambda db: db.buy_pack("old", "pack", purchase_id="buy"),
    lambda db: db.transfer("t", from_account="old", to_account="last", credit_type="credits", credits="40"),
    lambda db: db.change_plan("s-old", "large", change_id="up"),
    lambda db: db.create_account("new", customer_id="c", test_clock=START + timedelta(days=31)),
    lambda db: db.subscribe("new", "pro", subscription_id="s-new"),
    lambda db: db.transfer("u", from_account="last", to_account="old", credit_type="credits", credits="7"),
    lambda db: db.advance_clock("old", START + timedelta(days=70)),
    lambda db: db.transfer("v", from_account="old", to_account="last", credit_type="credits", credits="3"),
    lambda db: db.cancel_subscription("s-new", when="now"),
    lambda db: db.advance_clock("old", START + timedelta(days=131)),
]


def prepared(data: Path) -> EmbeddedDatabase:
    database = drawdown.open(data, **SMALL)
    before(database)
    for number in range(len(STEPS)):
        database.create_account(f"between-{number}", customer_id="c")
    database.create_account("last", customer_id="c", test_clock=START + timedelta(days=31))
    database.create_grant("last", "credits", "50", grant_id="g")
    return database


def snapshot_with(database: EmbeddedDatabase, url: str, steps: list[Step], first: int) -> None:
    """A pass of an account at a time; one step after each, from the chunk of that number on."""
    passing = snapshotter(database.engine, url, snapshot_chunk_accounts=1)
    store, left, chunk = passing._store, list(steps), 0
    write_images = store.write_images

    def writing(*given: Any) -> int:
        nonlocal chunk
        written = write_images(*given)
        chunk += 1
        if left and chunk > first:
            left.pop(0)(database)
        return written

    store.write_images = writing  # type: ignore[method-assign]
    passing.take_now(True)
    passing.close()
    for step in left:
        step(database)


@pytest.mark.parametrize("first", [0, 1, 4, 8])
def test_what_was_decided_during_a_pass_is_issued_again(
    valkey: ValkeyProcess, tmp_path: Path, first: int
) -> None:
    data, restored = tmp_path / "data", tmp_path / "restored"
    with prepared(data) as database:
        snapshot_with(database, valkey.url, STEPS, first)
        expected = state(database)
    report = restore_from_redis(valkey.url, str(restored))
    gap = gap_of(restored)
    assert gap is not None and gap.recovery_seq == report.snapshot_seq < gap.end_seq
    for path in data.iterdir():
        if path.name.startswith(("control.sqlite3", "payments-")):
            shutil.copy(path, restored / path.name)
    for _ in range(2):
        with drawdown.open(restored, **SMALL) as database:
            assert state(database) == expected
            assert database.verify().holds
            assert database._control_plane().delivery.refused == 0
            assert database.purchase("buy").state == "granted"
        assert gap_of(restored) is None


def test_a_pass_while_nothing_happened_leaves_no_gap(valkey: ValkeyProcess, tmp_path: Path) -> None:
    with prepared(tmp_path / "data") as database:
        snapshot_with(database, valkey.url, [], 0)
    restore_from_redis(valkey.url, str(tmp_path / "restored"))
    assert gap_of(tmp_path / "restored") is None
