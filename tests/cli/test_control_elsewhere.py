"""A data folder whose control plane is in another database: no command takes an empty one for it."""

from __future__ import annotations

from pathlib import Path

import drawdown
import pytest
from drawdown import errors
from drawdown.cli import exit_codes

from .conftest import Run, done, found


@pytest.fixture
def db(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database beside the folder ``data``; with a customer, and named by nobody any more."""
    url = f"sqlite:///{tmp_path / 'elsewhere.sqlite3'}"
    with monkeypatch.context() as named:
        named.setenv("DRAWDOWN_DB", url)
        done(run, "customer", "put", "c", "name=Ada")
        done(run, "credit-type", "create", "credits")
    return url


def test_no_command_takes_an_empty_control_plane_for_the_one_elsewhere(
    run: Run, tmp_path: Path, db: str
) -> None:
    """Each is refused with what to do, and leaves nothing behind."""
    for command in (["backup", "data", "kept"], ["customer", "list"], ["stats"]):
        refused = run(*command)
        assert refused.code == exit_codes.INVALID, command
        assert "name that, as its server does (--db or DRAWDOWN_DB)" in refused.err, command
    assert not (tmp_path / "kept").exists()
    assert not (tmp_path / "data" / "control.sqlite3").exists()
    # Nor is a file that was there before the database was moved taken for it.
    (tmp_path / "data" / "control.sqlite3").touch()
    with pytest.raises(errors.ConfigError, match="is in another database"):
        drawdown.open(tmp_path / "data")
    assert db.removeprefix("sqlite:///") not in (tmp_path / "data" / "control.elsewhere").read_text()


def test_a_backup_of_a_folder_and_its_database_holds_the_rows_of_both(run: Run, db: str) -> None:
    assert found(run, "backup", "data", "kept", "--db", db)["rows"] > 0
    # Into the folder itself, and into another database again.
    done(run, "restore", "--from-backup", "kept", "--data", "inside")
    assert [each["customer_id"] for each in found(run, "customer", "list", "--data", "inside")] == ["c"]
    other = db.replace("elsewhere", "other")
    done(run, "restore", "--from-backup", "kept", "--data", "outside", "--db", other)
    assert run("customer", "list", "--data", "outside").code == exit_codes.INVALID
    assert run("backup", "kept2", "--target", "localhost:1", "--db", db).code == exit_codes.INVALID


def test_what_is_salvaged_knows_that_its_control_plane_is_elsewhere(
    run: Run, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(run, "salvage", "data", "new", "--accept-loss")["copied"][:1] == ["control.elsewhere"]
    assert run("customer", "list", "--data", "new").code == exit_codes.INVALID
    monkeypatch.setenv("DRAWDOWN_DB", db)
    assert len(found(run, "customer", "list", "--data", "new")) == 1


def test_a_folders_own_file_may_be_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as named:
        named.setenv("DRAWDOWN_DB", f"sqlite:///{tmp_path}/data/../data/control.sqlite3")
        (tmp_path / "data").mkdir()
        done(run, "credit-type", "create", "credits")
        done(run, "customer", "put", "c", "name=Ada")
    assert len(found(run, "customer", "list")) == 1


EMPTY = ["absent", "without rows"]


@pytest.fixture
def empty(request: pytest.FixtureRequest, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database without a customer: not there yet, or begun by the command that was mistaken."""
    url = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    if request.param == "without rows":
        done(run, "credit-type", "create", "credits", "--data", "other")
        with monkeypatch.context() as named:
            named.setenv("DRAWDOWN_DB", url)
            assert found(run, "customer", "list", "--data", "other") == []
    return url


@pytest.mark.parametrize("empty", EMPTY, indirect=True)
@pytest.mark.parametrize("command", [["backup", "data", "kept"], ["customer", "list"], ["stats"]], ids=str)
def test_no_empty_database_is_taken_for_the_folders_own_control_plane(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty: str, command: list[str]
) -> None:
    """A backup without a row would be one, and the folder closed to whoever names no database."""
    done(run, "customer", "put", "c", "name=Ada")
    there = (tmp_path / "empty.sqlite3").exists()
    with monkeypatch.context() as left_over:
        left_over.setenv("DRAWDOWN_DB", empty)
        refused = run(*command)
    assert refused.code == exit_codes.INVALID
    assert "(--db or DRAWDOWN_DB) is empty" in refused.err
    assert (tmp_path / "empty.sqlite3").exists() == there
    assert not (tmp_path / "kept").exists()
    assert not (tmp_path / "data" / "control.elsewhere").exists()
    assert [each["customer_id"] for each in found(run, "customer", "list")] == ["c"]
    assert found(run, "backup", "data", "kept")["rows"] > 0


def test_no_absent_database_is_taken_for_the_one_elsewhere(
    run: Run, tmp_path: Path, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAWDOWN_DB", f"sqlite:///{tmp_path / 'typing-error.sqlite3'}")
    for command in (["backup", "data", "kept"], ["customer", "list"]):
        refused = run(*command)
        assert refused.code == exit_codes.INVALID, command
        assert "(--db or DRAWDOWN_DB)" in refused.err, command
    assert not (tmp_path / "typing-error.sqlite3").exists()
    monkeypatch.setenv("DRAWDOWN_DB", db)
    assert len(found(run, "customer", "list")) == 1


def test_a_backup_begins_no_control_plane_in_the_database_that_it_names(run: Run, tmp_path: Path) -> None:
    done(run, "credit-type", "create", "credits")
    refused = run("backup", "data", "kept", "--db", f"sqlite:///{tmp_path / 'new.sqlite3'}")
    assert refused.code == exit_codes.INVALID
    assert "so it is not that of data" in refused.err
    assert not (tmp_path / "new.sqlite3").exists()
    assert not (tmp_path / "data" / "control.elsewhere").exists()


def test_a_control_plane_may_be_begun_elsewhere_beside_a_file_without_rows(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(run, "credit-type", "create", "credits")
    assert found(run, "customer", "list") == []
    monkeypatch.setenv("DRAWDOWN_DB", f"sqlite:///{tmp_path / 'new.sqlite3'}")
    done(run, "customer", "put", "c", "name=Ada")
    assert (tmp_path / "data" / "control.elsewhere").exists()
