"""``drawdown keys``: in a folder, beside its running server, and through a server."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from drawdown.cli import exit_codes
from drawdown.cli.server_process import ServerProcess

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
