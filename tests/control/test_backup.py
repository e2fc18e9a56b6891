"""A joint backup of engine and control plane, beside running work, and the way back (semantics §15)."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import drawdown
import msgspec
import pytest
from drawdown import errors
from drawdown.cli.replay_offsets import ReplayOffsets
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database
from drawdown.config import ProcessConfig
from drawdown.engine import Restore, salvage_folder, verify_folder
from drawdown.model.rights import Right
from drawdown.runtime.control.opening import open_provider
from drawdown.storage.backup import restore_from_backup
from drawdown.storage.folder_copy import FolderCopy
from drawdown.storage.key_file import KeyFile
from drawdown.storage.sql import open_sql

from tests.storage.valkey import ValkeyProcess

from .conftest import SMALL, START
from .postgresql import empty_schema
from .test_restored_engine import after, before, opened, state


def documents(database: Database, account: str) -> Any:
    """What the control plane says of an account."""
    return (
        database.subscriptions(account),
        database.invoices(account),
        database.purchases(account),
        # What the engine tells comes whenever it comes.
        sorted(
            (each.kind, sorted(each.data.items()))
            for each in database.notices(account, limit=1000).notices
            if not each.kind.startswith(("balance.", "grant.", "entitlement.", "runway"))
        ),
    )


def test_a_backup_goes_on_as_the_original_would(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The same calls on the original and on what was restored end in the same state."""
    with opened(tmp_path / "data") as database:
        before(database)
        taken = database.take_backup(tmp_path / "backup")
        assert taken.rows > 40 and taken.bytes > 0 and taken.files >= 3
        after(database)
        expected = state(database), documents(database, "old"), documents(database, "new")
    restored = restore_from_backup(tmp_path / "backup", tmp_path / "again")
    assert (restored.store_id, restored.seq, restored.rows) == (taken.store_id, taken.seq, taken.rows)
    assert verify_folder(str(tmp_path / "again"))["conservation"]["holds"]
    with opened(tmp_path / "again") as database:
        database._control_plane()
        assert "issues its commands again" not in caplog.text
        # What only the provider of payments remembers is asked again by the same keys.
        after(database)
        assert (state(database), documents(database, "old"), documents(database, "new")) == expected


def test_beside_running_usage(tmp_path: Path) -> None:
    """Each backup is a folder that verifies, with all usage up to its position, over many segments."""
    small = {**SMALL, "segment_bytes": 1 << 16}
    with drawdown.open(tmp_path / "data", **small) as database:
        database.create_credit_type("credits")
        database.create_account("acme")
        database.create_grant("acme", "credits", "1000000", grant_id="g")
        stop = threading.Event()
        sent: list[tuple[str, int]] = []

        def use() -> None:
            number = 0
            while not stop.is_set():
                results = database.record_batch(
                    [
                        {
                            "account": "acme",
                            "credit_type": "credits",
                            "credits": "1",
                            "event_id": f"e{number}.{one}",
                        }
                        for one in range(50)
                    ]
                )
                sent.append((f"e{number}.49", max(each.seq for each in results)))
                number += 1

        users = threading.Thread(target=use)
        users.start()
        try:
            taken = [database.take_backup(tmp_path / f"backup-{number}") for number in range(4)]
        finally:
            stop.set()
            users.join()
    assert len(list((tmp_path / "data").glob("**/seg-*.dj"))) > 2
    for number, each in enumerate(taken):
        folder = tmp_path / f"again-{number}"
        restore_from_backup(tmp_path / f"backup-{number}", folder)
        assert verify_folder(str(folder))["conservation"]["holds"]
        with drawdown.open(folder, **small) as database:
            assert database.verify().holds
            applied = 0
            for event, seq in sent:
                if seq <= each.seq:
                    database.usage_event("acme", event)
                    applied += 50
            assert applied <= 1_000_000 - database.balance("acme", "credits").available
    assert taken[-1].seq > taken[0].seq


@pytest.fixture
def usual_umask() -> Iterator[None]:
    """What most services run under: everybody may read what does not say otherwise."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[Path]:
    """What somebody else could read: files of any mode but their owner's, and the folder if he may enter."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 5, "the folder is not what this test is about"
    return [path for path in (folder, *files) if stat.S_IMODE(path.stat().st_mode) & 0o077]


@pytest.mark.usefixtures("usual_umask")
def test_a_data_folder_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """Secrets of webhooks and what customers are called are in it: new, restored, and of an older version."""
    data, again = tmp_path / "data", tmp_path / "again"
    KeyFile(data).create("first", {Right.READ})
    with opened(data) as database:
        before(database)
        ReplayOffsets(data).write("trace", 1)
        assert (data / "control.sqlite3-wal").exists()
        assert open_to_others(data) == []
        database.take_backup(tmp_path / "backup")
    assert open_to_others(tmp_path / "backup") == []
    restore_from_backup(tmp_path / "backup", again)
    assert open_to_others(again) == []
    for path in again.glob("control.sqlite3*"):
        path.chmod(0o644)
    for path in again.glob("payments-*"):
        path.chmod(0o664)
    with opened(again):
        assert open_to_others(again) == []


@pytest.mark.usefixtures("usual_umask")
def test_folders_made_of_damaged_or_remote_ones_are_their_owners_only(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as database:
        before(database)
        store_id = database._control_plane().engine.store_id()
    salvage_folder(str(tmp_path / "data"), str(tmp_path / "salvaged"))
    assert stat.S_IMODE((tmp_path / "salvaged").stat().st_mode) == 0o700
    manifest = {"store_id": store_id, "epoch": 1, "snapshot_seq": 5}
    Restore(str(tmp_path / "restored"), msgspec.json.encode(manifest))
    assert stat.S_IMODE((tmp_path / "restored").stat().st_mode) == 0o700


def test_what_root_makes_beside_a_service_is_the_services(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act for another user")
    tmp_path.chmod(0o700)
    os.chown(tmp_path, 65534, 65534)
    open_sql("", str(tmp_path)).close()
    open_provider(ProcessConfig(data=str(tmp_path)))
    made = {path.name: path.stat().st_uid for path in tmp_path.iterdir()}
    assert made == {"control.sqlite3": 65534, "payments-manual.jsonl": 65534}


def test_a_backup_is_whole_or_none(tmp_path: Path) -> None:
    """A changed byte, a missing file, an unfinished backup: refused by name, and nothing is left behind."""
    with opened(tmp_path / "data") as database:
        before(database)
        database.take_backup(tmp_path / "backup")
        for destination in (tmp_path / "backup", Path("relative"), tmp_path / "data"):
            with pytest.raises(errors.InvalidRequestError) as raised:
                database.take_backup(destination)
            assert raised.value.field == "destination"
    backup = tmp_path / "backup"
    assert open_to_others(backup) == []
    victims = [
        next(backup.glob("engine/seg-*")),
        backup / "engine" / "META",
        backup / "control" / "invoice.jsonl",
    ]
    for victim in victims:
        kept = victim.read_bytes()
        victim.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        with pytest.raises(errors.CorruptDataError, match=victim.name):
            restore_from_backup(backup, tmp_path / "again")
        victim.unlink()
        with pytest.raises((errors.CorruptDataError, OSError)):
            restore_from_backup(backup, tmp_path / "again")
        victim.write_bytes(kept)
        assert not (tmp_path / "again").exists()
    with pytest.raises(errors.InvalidRequestError, match="not empty"):
        restore_from_backup(backup, tmp_path / "data")
    (backup / "backup.json").unlink()
    with pytest.raises(errors.InvalidRequestError, match="never completed"):
        restore_from_backup(backup, tmp_path / "again")


def test_a_failed_restore_into_a_linked_folder_leaves_it_empty(tmp_path: Path) -> None:
    """So that it can be repeated; the link stays where it leads."""
    with opened(tmp_path / "data") as database:
        before(database)
        database.take_backup(tmp_path / "backup")
    (tmp_path / "disk").mkdir()
    (tmp_path / "again").symlink_to("disk")
    victim = tmp_path / "backup" / "control" / "invoice.jsonl"
    kept = victim.read_bytes()
    victim.write_bytes(kept[:-1])
    with pytest.raises(errors.CorruptDataError):
        restore_from_backup(tmp_path / "backup", tmp_path / "again")
    assert list((tmp_path / "disk").iterdir()) == []
    victim.write_bytes(kept)
    restore_from_backup(tmp_path / "backup", tmp_path / "again")
    assert (tmp_path / "again").is_symlink()
    assert verify_folder(str(tmp_path / "disk"))["conservation"]["holds"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../data", "\0", "seg-\0.dj"])
def test_a_name_that_leads_out_of_the_backup_or_nowhere_is_damage(tmp_path: Path, name: str) -> None:
    with opened(tmp_path / "data") as database:
        database.take_backup(tmp_path / "backup")
    file = tmp_path / "backup" / "backup.json"
    manifest = msgspec.json.decode(file.read_bytes())
    manifest["files"][0]["name"] = name
    file.write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(errors.CorruptDataError, match="names a file outside the backup"):
        restore_from_backup(tmp_path / "backup", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_key_file_that_is_being_replaced_is_no_part_of_a_copy(tmp_path: Path) -> None:
    """It was copied half made, or had gone when its turn came, and with it the backup."""
    KeyFile(tmp_path / "data").create("first", {Right.READ})
    (tmp_path / "data" / "access" / ".keys.json.x1y2").write_text("{")
    copy = FolderCopy(tmp_path / "data", tmp_path / "copy")
    copy.copy_small()
    assert {each.name for each in copy.files()} == {
        "access/keys.json",
        "access/pepper",
        "access/pepper-fingerprint",
    }


def test_of_a_running_server_by_its_command(tmp_path: Path) -> None:
    """Through AdminService, killed afterwards; the restored folder is served and goes on."""
    with ServerProcess(tmp_path / "data", settings={"payments": "test"}) as process:
        with drawdown.connect(process.target) as connection:
            before(connection)  # type: ignore[arg-type]
            expected = connection.balance("old", "credits")
            connection.take_backup(tmp_path / "backup")
        process.kill()
    restore_from_backup(tmp_path / "backup", tmp_path / "again")
    with (
        ServerProcess(tmp_path / "again", settings={"payments": "test"}) as process,
        drawdown.connect(process.target) as connection,
    ):
        assert connection.balance("old", "credits").available == expected.available
        connection.advance_clock("old", START + timedelta(days=60))
        assert len(connection.invoices("old")) == 3


def test_from_one_database_into_the_other(tmp_path: Path, postgresql: str) -> None:
    """SQLite to PostgreSQL and back: the rows are the same, and numbers count on behind them."""
    url = empty_schema(postgresql)
    with opened(tmp_path / "data") as database:
        before(database)
        database.take_backup(tmp_path / "first")
        expected = documents(database, "old")
    restore_from_backup(tmp_path / "first", tmp_path / "second-data", url)
    with drawdown.open(tmp_path / "second-data", db=url, **SMALL) as database:
        assert documents(database, "old") == expected
        database.take_backup(tmp_path / "second")
        after(database)
        expected = documents(database, "old"), documents(database, "new")
    with pytest.raises(errors.InvalidRequestError, match="not empty"):
        restore_from_backup(tmp_path / "first", tmp_path / "third-data", url)
    assert not (tmp_path / "third-data").exists()
    for table in ("invoice", "customer", "subscription", "plan", "call_seen"):
        first, second = (tmp_path / each / "control" / f"{table}.jsonl" for each in ("first", "second"))
        assert sorted(first.read_bytes().splitlines()) == sorted(second.read_bytes().splitlines()), table
    restore_from_backup(tmp_path / "second", tmp_path / "third-data")
    with opened(tmp_path / "third-data") as database:
        after(database)
        assert (documents(database, "old"), documents(database, "new")) == expected


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyProcess]:
    """An empty snapshot store."""
    server = ValkeyProcess(tmp_path / "valkey").start()
    yield server
    server.kill()


def test_from_redis_with_a_newer_database(tmp_path: Path, valkey: ValkeyProcess) -> None:
    """The engine comes back from its last snapshot, the database is as it was: equal states."""
    settings = {"payments": "test", "redis": valkey.url, "snapshot_interval_s": "3600"}
    with ServerProcess(tmp_path / "data", settings=settings) as process:
        with drawdown.connect(process.target) as connection:
            before(connection)  # type: ignore[arg-type]
            connection.snapshot(full=True)
            after(connection)  # type: ignore[arg-type]
            expected = state(connection)  # type: ignore[arg-type]
        process.kill()
    from drawdown.storage import restore_from_redis

    restore_from_redis(valkey.url, str(tmp_path / "again"))
    for path in (tmp_path / "data").glob("control.sqlite3*"):
        shutil.copy(path, tmp_path / "again" / path.name)
    for path in (tmp_path / "data").glob("payments-*"):
        shutil.copy(path, tmp_path / "again" / path.name)
    with opened(tmp_path / "again") as database:
        assert database._control_plane().restores == 1
        assert state(database) == expected
        assert database.verify().holds
