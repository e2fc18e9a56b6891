"""``drawdown snapshot`` and ``restore``: from a server through a real Redis to an empty folder."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from drawdown.cli import exit_codes
from drawdown.cli.server_process import ServerProcess

from tests.storage.valkey import ValkeyProcess

from .conftest import Run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ValkeyProcess]:
    """An empty snapshot store."""
    server = ValkeyProcess(tmp_path / "valkey").start()
    yield server
    server.kill()


def test_a_folder_is_rebuilt_from_the_store(run: Run, tmp_path: Path, store: ValkeyProcess) -> None:
    """Balance, grants and remembered event ids are there again, and the recovery point is stated."""
    settings = {"redis": store.url, "snapshot_interval_s": "3600"}
    with ServerProcess(tmp_path / "lost", settings=settings) as server:
        where = ["--target", server.target]
        run("credit-type", "create", "credits", *where)
        run("meter", "create", "calls", *where)
        run("rate", "set", "calls", "1", *where)
        run("account", "create", "acme", *where)
        run("grant", "acme", "10", "--id", "g", *where)
        assert run("record", "acme", "calls", "3", "--id", "e", *where).code == 0
        taken = run("snapshot", "--json", *where)
        assert taken.code == 0, taken.err
        assert taken.json()["snapshot_seq"] > 0
        (sent,) = run("balance", "acme", "--json", *where).json()
    restored = run("restore", "--from-redis", store.url, "--data", "rebuilt", "--json")
    assert restored.code == 0, restored.err
    assert restored.json()["accounts"] == 1
    assert restored.json()["recovery_seq"] >= taken.json()["snapshot_seq"]
    (balance,) = run("balance", "acme", "--data", "rebuilt", "--json").json()
    assert Decimal(balance["available"]) == Decimal(sent["available"]) == 7
    again = run("record", "acme", "calls", "3", "--id", "e", "--data", "rebuilt", "--json")
    assert again.json()["status"] == "DUPLICATE"
    assert run("verify", "rebuilt").code == 0


def test_restore_keeps_off_a_folder_that_is_not_empty(run: Run, tmp_path: Path, store: ValkeyProcess) -> None:
    """What is there is never overwritten."""
    run("credit-type", "create", "credits")
    ended = run("restore", "--from-redis", store.url, "--data", "data")
    assert ended.code == exit_codes.INVALID
    assert "not empty" in ended.err


def test_restore_without_a_snapshot_says_so(run: Run, tmp_path: Path, store: ValkeyProcess) -> None:
    """An empty store and an absent store are different, and neither leaves a folder behind."""
    empty = run("restore", "--from-redis", store.url, "--data", "rebuilt")
    assert empty.code == exit_codes.CORRUPT
    store.kill()
    absent = run("restore", "--from-redis", store.url, "--data", "rebuilt")
    assert absent.code == exit_codes.UNAVAILABLE
    assert not (tmp_path / "rebuilt").exists()


def test_a_backup_of_a_folder_and_of_a_server(run: Run, tmp_path: Path) -> None:
    """Offline and beside a running server; both restore to the same balance, plans included."""
    run("credit-type", "create", "credits")
    run("customer", "put", "c", "name=Ada")
    run("account", "create", "acme", "--customer", "c")
    run("grant", "acme", "10", "--id", "g")
    offline = run("backup", "data", "offline", "--json")
    assert offline.code == 0, offline.err
    with ServerProcess(tmp_path / "data") as server:
        online = run("backup", tmp_path / "online", "--target", server.target)
        assert online.code == 0, online.err
        assert run("backup", "data", tmp_path / "third").code == exit_codes.LOCKED
    for kept in ("offline", "online"):
        restored = run("restore", "--from-backup", kept, "--data", f"{kept}-data", "--json")
        assert restored.code == 0, restored.err
        assert restored.json()["seq"] >= offline.json()["seq"]
        assert run("verify", f"{kept}-data").code == 0
        assert run("balance", "acme", "--data", f"{kept}-data", "--json").json()[0]["available"] == "10"
    for arguments in (
        ["backup", "data"],
        ["backup", "a", "b", "--target", "x:1"],
        ["restore", "--data", "d"],
    ):
        assert run(*arguments).code == exit_codes.INVALID, arguments
