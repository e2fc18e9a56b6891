"""Which folder a command works on, and when it may begin a store there: as a server would."""

from __future__ import annotations

from pathlib import Path

import drawdown
import pytest
from drawdown.cli import exit_codes

from .conftest import Run, done, found


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """An empty folder, as where a disk is not mounted."""
    folder = tmp_path / "mount"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["balance", "acme", "--data", "mount"],
        ["stats", "--data", "mount"],
        ["backup", "mount", "kept"],
        ["record", "acme", "calls", "1", "--data", "mount"],
    ],
    ids=lambda command: command[0],
)
def test_no_command_begins_a_store_by_looking(run: Run, mount: Path, command: list[str]) -> None:
    refused = run(*command)
    assert refused.code == exit_codes.INVALID
    assert "mount holds no store; name one with --data" in refused.err
    assert list(mount.iterdir()) == []
    assert not (mount.parent / "kept").exists()


def test_where_a_server_may_begin_no_store_neither_may_a_command(
    run: Run, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as strict:
        strict.setenv("DRAWDOWN_CREATE", "false")
        refused = run("credit-type", "create", "credits", "--data", "mount")
        assert refused.code == exit_codes.INVALID
        assert "may not become one (create is off): is its disk mounted?" in refused.err
        assert list(mount.iterdir()) == []
    done(run, "credit-type", "create", "credits", "--data", "mount")


def test_a_folder_that_lost_its_description_is_told_as_damaged(run: Run, mount: Path) -> None:
    """There is a store in it: to name another folder would be the wrong advice."""
    with drawdown.open(mount, segment_bytes=1 << 20, reserve_bytes=0) as database:
        database.create_credit_type("credits")
    (mount / "META").unlink()
    assert "this is a damaged data folder" in run("balance", "acme", "--data", "mount").err


def test_commands_work_on_the_folder_of_the_environment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a server started here would: not beside it."""
    monkeypatch.setenv("DRAWDOWN_DATA", str(tmp_path / "there"))
    done(run, "credit-type", "create", "credits")
    done(run, "account", "create", "acme")
    done(run, "keys", "create", "root", "--rights", "admin")
    assert (tmp_path / "there" / "META").exists()
    assert (tmp_path / "there" / "access" / "keys.json").exists()
    assert not (tmp_path / "data").exists()
    assert len(found(run, "account", "list", "--data", "there")) == 1
    looked = {each["check"]: each["found"] for each in run("doctor", "--json").json()}
    assert looked["data folder"] == str(tmp_path / "there")
