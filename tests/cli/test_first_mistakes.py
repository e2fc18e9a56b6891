"""What somebody does wrong in the first minutes, and whether the answer says what to do."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import drawdown
import pytest
from drawdown.cli import exit_codes
from drawdown.cli.output import text_of
from drawdown.storage import check_url

from tests.cli.conftest import Run


@contextlib.contextmanager
def listening() -> Iterator[int]:
    """A port that somebody else has."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def free_port() -> int:
    with listening() as port:
        return port


@pytest.mark.parametrize("command", [("balance", "acme"), ("snapshot",), ("top", "--once"), ("stats",)])
def test_no_server_is_said_soon_and_with_what_to_do(run: Run, command: tuple[str, ...]) -> None:
    """Nobody waits half a minute for an address that is wrong."""
    port = free_port()
    began = time.monotonic()
    ended = run(*command, "--target", f"127.0.0.1:{port}")
    assert time.monotonic() - began < 20
    assert ended.code == exit_codes.UNAVAILABLE
    assert f"no server listens at 127.0.0.1:{port}" in ended.err
    assert "drawdown serve" in ended.err


def test_a_port_of_something_else(run: Run) -> None:
    """The port of --http is the likely one."""

    class Silent(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    try:
        ended = run("balance", "acme", "--target", f"127.0.0.1:{other.server_port}")
    finally:
        other.shutdown()
        other.server_close()
    assert ended.code == exit_codes.UNAVAILABLE
    assert "does not speak gRPC" in ended.err


@pytest.mark.parametrize("target", ["http://127.0.0.1:7070", "127.0.0.1", "127.0.0.1:x", ":7070"])
def test_an_address_that_is_none(run: Run, target: str) -> None:
    ended = run("balance", "acme", "--target", target)
    assert ended.code == exit_codes.INVALID
    assert "is not HOST:PORT" in ended.err


def test_a_port_that_is_taken(run_process: Run) -> None:
    """gRPC names no cause, so the operating system is asked."""
    with listening() as port:
        ended = run_process("serve", "--data", "data", "--listen", f"127.0.0.1:{port}")
    assert ended.code == exit_codes.UNAVAILABLE
    assert f"listen: 127.0.0.1:{port} cannot be listened on: Address already in use" in ended.err
    assert "another --listen" in ended.err


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://localhost:6379", "scheme 'http' is not one of redis"),
        ("localhost:6379", "is not one of redis"),
        ("redis://localhost:99999", "redis: "),
        ("redis+sentinel://localhost", "ends with /SERVICE"),
        ("redis+cluster://:1", "is not HOST:PORT"),
    ],
)
def test_a_snapshot_store_that_is_none(run_process: Run, url: str, what: str, tmp_path: Path) -> None:
    """Found out at the start, not by the first pass; the folder is not made for it."""
    ended = run_process("serve", "--data", "data", "--redis", url)
    assert ended.code == exit_codes.INVALID
    assert what in ended.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+sentinel", "redis+cluster", "unix"])
@pytest.mark.parametrize("password", ["geh#eim", "geh/eim", "geh?eim", "123#eim", "123/eim", "g@h#eim"])
def test_a_password_that_is_not_encoded_is_not_repeated(scheme: str, password: str) -> None:
    """It ends where that sign stands: what is before it looked like host and port, and was told as such."""
    with pytest.raises(drawdown.ConfigError) as refused:
        check_url(f"{scheme}://user:{password}@localhost:6379/0")
    assert "%23" in refused.value.message
    assert not any(part in refused.value.message for part in ("user:", "geh", "123", "eim", "g@h"))
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("url", ["redis://user:secret", "redis+cluster://user:secret"])
def test_a_url_without_a_host_does_not_repeat_its_password(url: str) -> None:
    with pytest.raises(drawdown.ConfigError) as refused:
        check_url(url)
    assert "secret" not in refused.value.message


def test_passwords_that_are_encoded_are_taken() -> None:
    for url in (
        "redis://user:a%23b%2Fc@localhost:6379/0",
        "redis+cluster://:a%40b@localhost:1,localhost:2",
        "unix:///tmp/a@b.sock",
    ):
        check_url(url)


def test_a_setting_says_what_it_can_be(run: Run) -> None:
    """A pattern is nothing to read where the choices are words."""
    ended = run("serve", "--fsync", "sometimes")
    assert ended.code == exit_codes.INVALID
    assert "fsync is 'sometimes'" in ended.err
    assert "always: durable when answered" in ended.err


def test_a_choice_is_said_in_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAWDOWN_LOG_LEVEL", "loud")
    ended = run("settings")
    assert ended.code == exit_codes.INVALID
    assert "give one of debug, info, warning, error" in ended.err


def test_a_folder_in_use_is_to_be_asked_as_a_server(run: Run, tmp_path: Path) -> None:
    with drawdown.open(tmp_path / "data", segment_bytes=1 << 20, reserve_bytes=0):
        ended = run("balance", "acme", "--data", "data")
    assert ended.code == exit_codes.LOCKED
    assert "data folder data is in use" in ended.err
    assert "ask it as a server" in ended.err


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """The name of the file stands in the answer, and the disk is not blamed."""
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(drawdown.InvalidRequestError, match="data is a file; the data need a folder"):
        drawdown.open(tmp_path / "data")


def test_names_with_brackets_are_names(run: Run) -> None:
    """Rich would take [x] for a style and drop it, and end on [/x]."""
    name = "team[red]a[/b]"
    assert run("credit-type", "create", "credits").code == 0
    assert run("account", "create", name).code == 0
    assert run("grant", name, "5", "--id", "g[bold]").code == 0
    for command in ("balance", "grants", "ledger"):
        ended = run(command, name)
        assert ended.code == 0, ended.err
        assert name in ended.out
    assert "g[bold]" in run("grants", name).out


def test_grants_fit_a_terminal(run: Run) -> None:
    """The tour's first table: eighty columns, no word broken in two."""
    assert run("credit-type", "create", "credits").code == 0
    assert run("account", "create", "acme").code == 0
    assert run("grant", "acme", "5", "--id", "plan-march", "--expires", "2040-01-01").code == 0
    out = run("grants", "acme").out
    for word in ("Grants of acme in credits", "plan-march", "priority", "remaining", "2040-01-01", "active"):
        assert word in out
    assert "voided" not in out
    assert run("void", "acme", "plan-march", "--yes").code == 0
    assert "voided" in run("grants", "acme").out


@pytest.mark.parametrize("url", ["mysql://localhost/x", "nonsense"])
def test_a_database_that_is_none(run_process: Run, url: str) -> None:
    """The flag of the control plane's database, and what it can be."""
    ended = run_process("serve", "--data", "data", "--listen", "127.0.0.1:0", "--db", url)
    assert ended.code == exit_codes.INVALID
    assert "db: " in ended.err
    assert "give postgresql://" in ended.err


def test_a_demo_without_a_cut_off_is_none(run: Run) -> None:
    """Nothing is broken then, so nothing is told as broken."""
    ended = run("demo", "--seconds", "6", "--events-per-s", "500")
    assert ended.code == exit_codes.INVALID
    assert "would empty no account" in ended.err


TRACE = ("--time", "t", "--meter", "a=b", "--accounts", "1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bench", "--skew", "foo"], "skew: 'foo' is not one of uniform, zipf, hot"),
        (["bench", "--encoding", "foo"], "encoding: 'foo' is not one of rows, columns"),
        (["restore", "--data", "new", "--from-backup", "file"], "it is not a backup"),
        (["import", "nested.jsonl"], "line 1"),
        (["import", "header.csv"], "line 1"),
        (["replay", "broken.parquet", *TRACE], "cannot be read as Parquet"),
        (["replay", "huge.csv", *TRACE], "at most 19 digits"),
    ],
)
def test_an_input_that_cannot_be_read_is_no_fault_of_the_program(
    run: Run, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "nested.jsonl").write_text("[" * 100_000)
    (tmp_path / "header.csv").write_text('"kind"x,id\n')
    (tmp_path / "broken.parquet").write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    (tmp_path / "huge.csv").write_text("t,a\n2026-01-01T00:00:00Z,1E+400000000\n")
    began = time.monotonic()
    ended = run(*arguments)
    assert ended.code == exit_codes.INVALID, ended.err
    assert said in ended.err
    assert time.monotonic() - began < 10


def test_what_others_said_is_shown_and_not_obeyed() -> None:
    """A terminal takes orders from controls, those above 127 among them; lines stay lines."""
    assert text_of("a\x1b]0;owned\x07\x9b2J") == "a\\u001b]0;owned\\u0007\\u009b2J"
    assert text_of("Main street 1\nTown") == "Main street 1\nTown"
