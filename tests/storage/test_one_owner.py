"""Which folder may go on with a store's snapshots: none that is behind them, and of two copies one."""

import shutil
from pathlib import Path

import msgspec
import pytest
from drawdown import errors
from drawdown.storage import Layout, restore_from_redis

from tests.server.calls import Calls, set_up
from tests.server.processes import ServerProcess, serving
from tests.storage.conftest import open_engine, populate, snapshotter
from tests.storage.valkey import ValkeyProcess

LAYOUT = Layout("drawdown")


def left_behind(valkey: ValkeyProcess, folder: Path) -> Path:
    """A copy of a folder, taken before the last events that the snapshot in Redis has."""
    with open_engine(folder / "data") as engine:
        populate(engine, 3)
    shutil.copytree(folder / "data", folder / "old")
    with open_engine(folder / "data") as engine:
        engine.record("a1", meter="tokens", quantity=1)
        engine.record("a1", meter="tokens", quantity=1)
        snapshotter(engine, valkey.url).take_now(False)
    return folder / "old"


def test_a_store_ahead_of_the_journal_is_never_overwritten(valkey: ValkeyProcess, tmp_path: Path) -> None:
    """What is in Redis is the only record of what came after, also when the old copy has gone further."""
    old_folder = left_behind(valkey, tmp_path)
    stored = valkey.client().get(LAYOUT.manifest(1))
    with open_engine(old_folder) as old:
        taker = snapshotter(old, valkey.url)
        for _ in range(3):
            with pytest.raises(errors.SnapshotAheadError) as refused:
                taker.take_now(False)
            for number in range(20):
                old.record("a2", meter="tokens", quantity=1, event_id=f"more-{number}")
        assert "restore from Redis" in str(refused.value)
        assert valkey.client().get(LAYOUT.manifest(1)) == stored
        assert valkey.client().get(LAYOUT.current) == b"1"
        own = snapshotter(old, valkey.url, redis_namespace="of-its-own").take_now(False)
        assert (own.full, own.generation) == (True, 1)
    with open_engine(tmp_path / "data") as engine:
        snapshotter(engine, valkey.url).take_now(False)


def test_two_copies_of_a_folder_that_come_to_one_epoch_are_told_apart(
    valkey: ValkeyProcess, tmp_path: Path
) -> None:
    with open_engine(tmp_path / "one") as engine:
        populate(engine, 3)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with open_engine(tmp_path / "one") as one, open_engine(tmp_path / "two") as two:
        assert one.epoch() == two.epoch()
        first = snapshotter(one, valkey.url)
        first.take_now(False)
        two.record("a1", meter="tokens", quantity=1)
        with pytest.raises(errors.SnapshotFencedError):
            snapshotter(two, valkey.url).take_now(False)
        one.record("a1", meter="tokens", quantity=2)
        first.take_now(False)
        digest = one.digest()
    assert restore_from_redis(valkey.url, str(tmp_path / "three")).digest == digest


def test_a_machine_that_comes_back_after_its_store_was_restored_elsewhere_stays_out(
    valkey: ValkeyProcess, tmp_path: Path
) -> None:
    """However often it was started meanwhile: a restore goes a million openings ahead."""
    with open_engine(tmp_path / "dead") as engine:
        populate(engine, 3)
        snapshotter(engine, valkey.url).take_now(False)
    restore_from_redis(valkey.url, str(tmp_path / "new"))
    with open_engine(tmp_path / "new") as new:
        snapshotter(new, valkey.url).take_now(False)
        new_epoch = new.epoch()
    for _ in range(4):
        with open_engine(tmp_path / "dead") as back:
            assert back.epoch() < new_epoch
    code, log = refused_start(valkey, tmp_path / "dead")
    assert code == 75, log
    assert "SNAPSHOT_FENCED" in log or "it was replaced" in log


def refused_start(valkey: ValkeyProcess, data: Path, **flags: object) -> tuple[int, str]:
    server = ServerProcess(data=str(data), redis=valkey.url, **flags)
    return server.wait()


def test_a_server_does_not_start_on_a_folder_that_is_behind_its_snapshot(
    valkey: ValkeyProcess, tmp_path: Path
) -> None:
    old = left_behind(valkey, tmp_path)
    owner = valkey.client().get(LAYOUT.owner)
    code, log = refused_start(valkey, old)
    assert code == 65, log
    assert "lost data or is an older copy" in log and "redis_namespace of its own" in log
    assert valkey.client().get(LAYOUT.owner) == owner, "who is behind takes nothing over"
    with serving(old, redis=valkey.url, redis_namespace="of-its-own") as server:
        assert server.end()[0] == 0
    with serving(tmp_path / "data", redis=valkey.url) as server:
        assert server.end()[0] == 0


def test_a_snapshot_of_a_later_version_stays_as_it_is(valkey: ValkeyProcess, tmp_path: Path) -> None:
    with open_engine(tmp_path / "data") as engine:
        populate(engine, 3)
        taker = snapshotter(engine, valkey.url)
        taker.take_now(False)
        stored = valkey.client().get(LAYOUT.manifest(1))
        assert stored is not None
        later = {**msgspec.json.decode(stored), "format": 2, "shape": "unknown here"}
        del later["buckets"]
        valkey.client().set(LAYOUT.manifest(1), msgspec.json.encode(later))
        engine.record("a1", meter="tokens", quantity=1)
        before = sorted(valkey.client().keys("*"))
        with pytest.raises(errors.SnapshotNewerError):
            taker.take_now(False)
        assert sorted(valkey.client().keys("*")) == before
        assert valkey.client().get(LAYOUT.manifest(1)) == msgspec.json.encode(later)
        assert snapshotter(engine, valkey.url, redis_takeover=True).take_now(False).generation == 2


@pytest.mark.parametrize("policy", ["interval=9000ms", "os"])
def test_a_snapshot_has_nothing_that_the_journal_could_still_lose(
    valkey: ValkeyProcess, tmp_path: Path, policy: str
) -> None:
    """Where answers do not wait for the disk the snapshot does, and is complete all the same."""
    from drawdown.engine import Engine

    from tests.storage.conftest import settings

    relaxed = {**settings(fsync=policy).engine_settings()}
    with Engine.open(str(tmp_path / "data"), relaxed) as engine:
        populate(engine, 20)
        taker = snapshotter(engine, valkey.url, snapshot_chunk_accounts=7)
        for number in range(5):
            for account in range(20):
                engine.record(f"a{account}", meter="tokens", quantity=1)
            engine.create_meter(f"meter-{number}")
            report = taker.take_now(False)
            assert report.accounts_written == 20
            assert engine.stats()["durable_seq"] >= report.snapshot_seq
            restored = restore_from_redis(valkey.url, str(tmp_path / f"{number}"))
            assert engine.stats()["durable_seq"] >= restored.recovery_seq
        digest = engine.digest()
    assert restored.digest == digest


def test_a_server_whose_redis_is_away_at_its_start_serves(valkey: ValkeyProcess, tmp_path: Path) -> None:
    valkey.freeze()
    try:
        with serving(tmp_path / "data", redis=valkey.url, redis_timeout_ms=60_000) as server:
            calls = Calls(server.address)
            set_up(calls)
            calls.close()
    finally:
        valkey.thaw()


def test_no_new_store_is_begun_where_one_is_to_be_restored(valkey: ValkeyProcess, tmp_path: Path) -> None:
    """The disk was not mounted: an empty store would tell every sender that its accounts are unknown."""
    with open_engine(tmp_path / "data") as engine:
        populate(engine, 3)
        store_id = engine.store_id()
        snapshotter(engine, valkey.url).take_now(False)
    for folder in (tmp_path / "absent", tmp_path / "empty"):
        if folder.name == "empty":
            folder.mkdir()
        code, log = refused_start(valkey, folder)
        assert code == 64, log
        assert store_id in log and "restore --from-redis" in log
        assert not folder.exists() or not list(folder.iterdir()), "so that it can be restored into"
    restore_from_redis(valkey.url, str(tmp_path / "empty"))
    with serving(tmp_path / "empty", redis=valkey.url) as server:
        assert server.end()[0] == 0
    with serving(tmp_path / "absent", redis=valkey.url, redis_namespace="of-its-own") as server:
        assert server.end()[0] == 0


def test_without_create_a_server_wants_a_store(tmp_path: Path) -> None:
    code, log = ServerProcess(data=str(tmp_path / "data"), create=False).wait()
    assert code == 64, log
    assert "create is off" in log and "mounted" in log
    assert not (tmp_path / "data").exists()
    with open_engine(tmp_path / "data"):
        pass
    with serving(tmp_path / "data", create=False) as server:
        assert server.end()[0] == 0
