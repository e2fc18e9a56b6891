"""``drawdown keys``: in a folder, beside its running server, and through a server."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from drawdown.cli import exit_codes
from drawdown.cli.server_process import ServerProcess
from drawdown.errors import PreconditionError
from drawdown.model.rights import Right
from drawdown.server.key_ring import KeyRing
from drawdown.storage.key_file import KeyFile

from .conftest import Run


def test_a_key_made_in_the_folder_lets_its_user_in(run: Run, tmp_path: Path) -> None:
    made = run("keys", "create", "root", "--rights", "ingest,read,manage,admin", "--json").json()
    assert made["state"] == "live"
    text = made["text"]
    with ServerProcess(tmp_path / "data") as server:
        refused = run("credit-type", "create", "credits", "--target", server.target)
        assert refused.code == exit_codes.REFUSED or "API key" in refused.err
        assert "API key" in refused.err
        done = run("credit-type", "create", "credits", "--target", server.target, "--api-key", text)
        assert done.code == 0, done.err

        there = ["--target", server.target, "--api-key", text]
        app = run("keys", "create", "app", "--rights", "read", "--days", 1, "--json", *there).json()
        turned = run("keys", "rotate", app["key_id"], "--json", *there).json()
        assert turned["state"] == "rotating"
        assert turned["text"] != app["text"]
        again = run("keys", "rotate", app["key_id"], *there)
        assert again.code != 0 and "live secrets already" in again.err
        assert run("keys", "revoke", app["key_id"], *there).code == 0
        listed = {row["name"]: row for row in run("keys", "list", "--json", *there).json()}
        assert listed["app"]["state"] == "revoked"
        assert listed["app"]["expires_at"] is not None
        assert "text" not in listed["app"] and "secrets" not in listed["app"]
        # The same through the folder, beside the running server.
        assert {row["name"] for row in run("keys", "list", "--json").json()} == {"root", "app"}
        shown = run("keys", "list").out
        assert "root" in shown and text not in shown


def test_changes_in_the_folder_are_in_the_audit_log(run: Run, tmp_path: Path) -> None:
    made = run("keys", "create", "app", "--rights", "read", "--json").json()
    assert run("keys", "revoke", made["key_id"]).code == 0
    path = tmp_path / "data" / "access" / "audit.jsonl"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [(line["call"], line["subject"]) for line in lines] == [
        ("keys create", made["key_id"]),
        ("keys revoke", made["key_id"]),
    ]
    assert lines[0]["caller"] == f"command line, uid {os.getuid()}"


def test_keys_may_be_made_before_the_first_start(run: Run, tmp_path: Path) -> None:
    assert run("keys", "create", "app", "--rights", "read").code == 0
    assert run("credit-type", "create", "credits").code == 0
    assert (tmp_path / "data" / "META").exists()


def test_a_first_key_with_another_pepper_than_the_servers_locks_nobody_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would close the server, which then knew not even that key."""
    pepper = tmp_path / "secret" / "pepper"
    create = ["keys", "create", "root", "--rights", "ingest,read,manage,admin", "--json"]
    with ServerProcess(tmp_path / "data", settings={"api_key_pepper_file": str(pepper)}) as server:
        refused = run(*create)
        assert refused.code == exit_codes.INVALID
        assert "api_key_pepper_file" in refused.err
        assert run("account", "list", "--target", server.target).code == 0
        monkeypatch.setenv("DRAWDOWN_API_KEY_PEPPER_FILE", str(pepper))
        text = run(*create).json()["text"]
        assert run("account", "list", "--target", server.target, "--api-key", text).code == 0
    # Its disk is not mounted: no server starts that would take no key, and no new pepper is made.
    pepper.unlink()
    ended = run("serve", "--listen", "127.0.0.1:0")
    assert ended.code == exit_codes.INVALID
    assert not pepper.exists()


def test_a_server_that_the_folders_lock_refuses_leaves_the_pepper_to_the_one_that_serves(
    run: Run, run_process: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys would be made under the pepper of the refused one, and none let anybody in."""
    serving, refused = (str(tmp_path / name) for name in ("pepper", "other-pepper"))
    create = ["keys", "create", "root", "--rights", "ingest,read,manage,admin", "--json"]
    with ServerProcess(tmp_path / "data", settings={"api_key_pepper_file": serving}) as server:
        monkeypatch.setenv("DRAWDOWN_API_KEY_PEPPER_FILE", refused)
        assert run_process("serve", "--listen", "127.0.0.1:0").code == exit_codes.LOCKED
        assert not Path(refused).exists()
        assert run(*create).code == exit_codes.INVALID
        monkeypatch.setenv("DRAWDOWN_API_KEY_PEPPER_FILE", serving)
        text = run(*create).json()["text"]
        assert run("account", "list", "--target", server.target, "--api-key", text).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "app", "--rights", "write"], "'write' is no right"),
        (["create", "app", "--rights", "admin", "--account-prefix", "a-"], "cannot be bound"),
        (["create", "app", "--rights", "read", "--days", "1", "--expires-at", "2030-01-01"], "not both"),
        (["rotate", "AAAAAAAAAAAAA", "--overlap-s", "99999999"], "overlap_s"),
        (["revoke", "AAAAAAAAAAAAA"], "there is no key"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(run: Run, arguments: list[str], said: str) -> None:
    ran = run("keys", *arguments)
    assert ran.code != 0
    assert said in ran.err


# Any user but root: the one who runs the service.
SERVICE = 65534


@pytest.fixture
def of_service() -> Iterator[Path]:
    """A data folder of the service's user, where that user can come."""
    if os.geteuid() != 0:
        pytest.skip("only root can act for another user")
    with tempfile.TemporaryDirectory() as base:
        Path(base).chmod(0o755)
        data = Path(base) / "data"
        data.mkdir(mode=0o700)
        os.chown(data, SERVICE, SERVICE)
        yield data


def as_service(data: Path) -> KeyRing:
    """The keys as the running service reads them."""
    os.seteuid(SERVICE)
    try:
        return KeyRing(KeyFile(data))
    finally:
        os.seteuid(0)


def test_what_root_changes_stays_the_services(run: Run, of_service: Path) -> None:
    """The first key, a revocation and the audit log: the service reads and writes all of it afterwards."""
    made = run("keys", "create", "app", "--rights", "read", "--data", of_service, "--json").json()
    ring = as_service(of_service)
    assert ring.of_text(made["text"]) is not None
    assert run("keys", "revoke", made["key_id"], "--data", of_service).code == 0
    assert as_service(of_service).of_text(made["text"]) is None
    access = of_service / "access"
    made_there = {"LOCK", "audit.jsonl", "keys.json", "pepper", "pepper-fingerprint"}
    assert {path.name for path in access.iterdir()} == made_there
    assert {path.stat().st_uid for path in (access, *access.iterdir())} == {SERVICE}


def test_nobody_else_replaces_the_services_keys(of_service: Path) -> None:
    """A user who may write there and is neither the service nor root would close the file to it."""
    keys = KeyFile(of_service)
    key, _ = keys.create("app", {Right.READ})
    for path in (of_service, keys.folder):
        path.chmod(0o777)
    for path in keys.folder.iterdir():
        path.chmod(0o666)
    os.seteuid(SERVICE - 1)
    try:
        with pytest.raises(PreconditionError, match=f"belongs to user {SERVICE}"):
            keys.revoke(key.key_id)
    finally:
        os.seteuid(0)
    assert keys.all_keys()[0].revoked_at is None
