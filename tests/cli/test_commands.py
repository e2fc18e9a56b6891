"""Every command, embedded and against a server: output, JSON, exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drawdown.cli import exit_codes
from drawdown.cli.main import app
from drawdown.cli.server_process import ServerProcess
from typer.main import get_command

from .conftest import Run

COMMANDS = {
    "invoice",
    "notices",
    "pack",
    "purchase",
    "recharge",
    "webhook",
    "backup",
    "import",
    "salvage",
    "settings",
    "transfer",
    "account",
    "balance",
    "bench",
    "catalog",
    "check",
    "credit-type",
    "customer",
    "demo",
    "doctor",
    "explain",
    "grant",
    "grants",
    "keys",
    "ledger",
    "meter",
    "plan",
    "rate",
    "record",
    "replay",
    "report",
    "restore",
    "serve",
    "snapshot",
    "stats",
    "subscription",
    "top",
    "verify",
    "void",
    "correct",
    "debit",
    "event",
    "invoice-credit",
    "product",
    "rate-card",
    "release",
    "reservation",
}


@pytest.fixture(params=["data", "target"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """The option that names the database: a folder, or a server."""
    if request.param == "data":
        yield ["--data", str(tmp_path / "data")]
    else:
        with ServerProcess(tmp_path / "served") as server:
            yield ["--target", server.target]


def test_the_commands_are_these() -> None:
    """The list of commands is kept: names are an interface."""
    group = get_command(app)
    assert set(group.commands) == COMMANDS  # type: ignore[attr-defined]


def test_every_command_explains_itself() -> None:
    """Each has a help text, and each of its options too."""
    silent: list[str] = []
    seen = 0
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        for full, each in [
            (name, command),
            *((f"{name} {n}", c) for n, c in getattr(command, "commands", {}).items()),
        ]:
            if not each.help:
                silent.append(full)
            for parameter in each.params:
                seen += 1
                if not getattr(parameter, "help", None) and parameter.name not in ("help", "accounts"):
                    silent.append(f"{full} {parameter.name}")
    assert not silent
    assert seen > 100


def test_a_story_from_the_command_line(run: Run, where: list[str]) -> None:
    """Catalog, account, grant, use, check, void: each step's effect is read back."""
    assert run("credit-type", "create", "credits", *where).code == 0
    assert run("meter", "create", "tokens", "--dimension", "model", *where).code == 0
    assert run("rate", "set", "tokens", "2.50", "--per", "1000000", *where).code == 0
    assert run("rate", "set", "tokens", "10", "--per", "1000000", "--match", "model=large", *where).code == 0
    assert run("account", "create", "acme", "--customer", "cus-1", *where).code == 0
    assert run("grant", "acme", "0.01", "--id", "welcome", "--expires", "2040-01-01", *where).code == 0
    again = run("grant", "acme", "0.01", "--id", "welcome", "--expires", "2040-01-01", *where)
    assert again.code == 0
    assert "nothing changed" in again.out
    used = run("record", "acme", "tokens", "1200", "--id", "e1", "--json", *where)
    assert used.json() | {"seq": 0} == {
        "status": "OK",
        "charged": "0.003",
        "uncovered": "0",
        "available": "0.007",
        "shortfall": None,
        "event_id": "e1",
        "seq": 0,
    }
    assert run("check", "acme", "tokens", "--quantity", "2800", *where).code == exit_codes.OK
    refused = run("check", "acme", "tokens", "--quantity", "2801", "--json", *where)
    assert refused.code == exit_codes.REFUSED
    assert refused.json()["reason"] == "INSUFFICIENT"
    large = run("record", "acme", "tokens", "1000", "--dimension", "model=large", *where)
    assert large.code == exit_codes.REFUSED
    (balance,) = run("balance", "acme", "--json", *where).json()
    assert (balance["credit_type"], balance["available"]) == ("credits", "0.007")
    assert run("void", "acme", "welcome", *where).code == exit_codes.INVALID
    assert run("void", "acme", "welcome", "--yes", *where).code == 0
    (grant,) = run("grants", "acme", "--json", *where).json()
    assert (grant["state"], grant["burned"], grant["voided"]) == ("voided", "0.003", "0.007")
    assert "acme" in run("account", "list", *where).out
    assert run("account", "policy", "acme", "overdraft", "--limit", "5", *where).code == 0
    assert run("record", "acme", "tokens", "1200", *where).code == 0
    assert run("account", "suspend", "acme", *where).code == 0
    assert run("record", "acme", "tokens", "1", *where).code == exit_codes.REFUSED
    assert run("account", "resume", "acme", *where).code == 0
    (shown,) = [run("account", "show", "acme", "--json", *where).json()]
    assert (shown["customer"], shown["suspended"]) == ("cus-1", False)
    assert len(run("rate", "list", "--json", *where).json()[0]["rates"]) == 2
    assert run("meter", "list", *where).code == run("credit-type", "list", *where).code == 0
    assert run("stats", "--json", *where).json()


def test_verify_reads_a_folder_and_a_server(run: Run, tmp_path: Path) -> None:
    """Both forms answer whether every credit is accounted for."""
    run("credit-type", "create", "credits")
    run("account", "create", "acme")
    run("grant", "acme", "1", "--id", "g")
    report = run("verify", "data", "--json")
    assert report.code == 0
    assert report.json()["holds"] is True
    with ServerProcess(tmp_path / "data") as server:
        online = run("verify", "--target", server.target, "--json")
        assert (online.code, online.json()["holds"], online.json()["accounts"]) == (0, True, 1)
        assert run("snapshot", "--target", server.target, "--local", "--json").json()["checkpoint_seq"] > 0
        without_store = run("snapshot", "--target", server.target)
        assert without_store.code == exit_codes.REFUSED
        assert without_store.err.startswith("error: ")
        assert run("balance", "acme").code == exit_codes.LOCKED


def test_damaged_data_is_refused_with_file_and_offset(run: Run, tmp_path: Path) -> None:
    """A flipped byte in the middle of the journal: exit code, file and offset."""
    run("credit-type", "create", "credits")
    for number in range(5):
        run("account", "create", f"a-{number}")
    segments = sorted((tmp_path / "data").rglob("*.dj"))
    assert segments, "no journal segment was found"
    content = bytearray(segments[0].read_bytes())
    position = next(n for n in range(5000, len(content)) if content[n])
    content[position] ^= 0xFF
    segments[0].write_bytes(content)
    verified = run("verify", "data")
    assert verified.code == exit_codes.CORRUPT
    assert segments[0].name in verified.err


def test_a_process_ends_with_the_code_and_one_sentence(run_process: Run) -> None:
    """What the shell sees: exit code, nothing on standard output, one sentence on the other."""
    ended = run_process("balance", "acme")
    assert (ended.code, ended.out) == (exit_codes.INVALID, "")
    assert (
        ended.err == "error: data: there is no folder data; name one with --data, or a server with --target\n"
    )
    assert run_process("--version").out.startswith("drawdown 0.")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["balance", "acme"], exit_codes.INVALID, "there is no folder data"),
        (["balance"], exit_codes.USAGE, "Missing argument"),
        (["balance", "acme", "--target", "nowhere"], exit_codes.INVALID, "HOST:PORT"),
        (["account", "create", "x" * 129], exit_codes.INVALID, "account"),
        (["grant", "a", "1.5x", "--id", "g"], exit_codes.INVALID, "amount"),
        (["grant", "a", "1", "--id", "g", "--expires", "soon"], exit_codes.INVALID, "expires"),
        (["rate", "set", "m", "1", "--match", "model"], exit_codes.INVALID, "KEY=VALUE"),
        (["verify"], exit_codes.INVALID, "name a folder"),
        (["verify", "missing"], exit_codes.INVALID, "no folder"),
        (["serve", "--set", "no_such_setting=1"], exit_codes.INVALID, "no_such_setting"),
        (["serve", "--fsync", "sometimes"], exit_codes.INVALID, "fsync"),
        (
            ["replay", "no.csv", "--time", "T", "--meter", "A=b", "--accounts", "1"],
            exit_codes.INVALID,
            "no file",
        ),
    ],
)
def test_what_cannot_be_understood_is_said(run: Run, arguments: list[str], code: int, said: str) -> None:
    """One sentence that names what was wrong, and the documented exit code."""
    ended = run(*arguments)
    assert ended.code == code
    assert said in ended.err


def test_settings_say_what_is_in_force_and_no_secret(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAWDOWN_STREAMS_MAX", "77")
    monkeypatch.setenv("DRAWDOWN_REDIS", "redis://user:hidden@localhost:1")
    monkeypatch.setenv("DRAWDOWN_STRIPE_API_KEY", "hidden")
    listed = run("settings", "--json")
    assert listed.code == 0, listed.err
    by_name = {each["name"]: each for each in listed.json()}
    assert by_name["streams_max"]["in_force"] == 77
    assert by_name["streams_max"]["default"] == 256
    assert by_name["streams_max"]["environment"] == "DRAWDOWN_STREAMS_MAX"
    assert by_name["redis"]["in_force"] == "redis://(set)@localhost:1"
    assert "hidden" not in listed.out + run("settings").out
    monkeypatch.setenv("DRAWDOWN_STREAMS_MAX", "0")
    assert run("settings").code == 64


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        ("REDIS", "redis://:p@ssHIDDEN@host:6379/0", "redis://(set)@host:6379/0"),
        ("REDIS", "redis://host:6379/0?password=HIDDEN", "redis://host:6379/0?password=(set)"),
        ("REDIS", "unix://:HIDDEN@/tmp/a?password=HIDDEN&db=1", "unix://(set)@/tmp/a?password=(set)&db=1"),
        ("DB", "postgresql://u:a/HIDDEN@host/db", "postgresql://(set)@host/db"),
        ("DB", "postgresql://host/db?user=u&password=HIDDEN", "postgresql://host/db?user=u&password=(set)"),
        ("DB", "host=h password = 'of HIDDEN' user=u", "host=h password = (set) user=u"),
    ],
)
def test_no_part_of_a_password_is_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, shown: str
) -> None:
    monkeypatch.setenv(f"DRAWDOWN_{variable}", value)
    listed = {each["name"]: each["in_force"] for each in run("settings", "--json").json()}
    assert listed[variable.lower()] == shown
    assert "HIDDEN" not in run("settings").out


@pytest.mark.parametrize(
    "line",
    [
        'stripe_api_key = ["HIDDEN"]',
        'stripe_webhook_secret = { a = "HIDDEN" }',
        'db = ["postgresql://u:HIDDEN@h/d"]',
    ],
)
def test_a_mistyped_secret_is_not_repeated(run: Run, tmp_path: Path, line: str) -> None:
    (tmp_path / "settings.toml").write_text(line + "\n")
    refused = run("settings", "--config", "settings.toml")
    assert refused.code == exit_codes.INVALID
    assert f"{line.partition(' ')[0]} is " in refused.err
    assert "HIDDEN" not in refused.err


def test_another_bucket_width_is_refused_with_both_values(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Event ids are remembered in buckets: the folder keeps the width that it was made with."""
    assert run("credit-type", "create", "credits").code == 0
    monkeypatch.setenv("DRAWDOWN_DEDUPE_BUCKET_S", "120")
    refused = run("credit-type", "list")
    assert refused.code == 64
    assert "dedupe_bucket_s is 120" in refused.err and "dedupe_bucket_s 60" in refused.err
    monkeypatch.setenv("DRAWDOWN_DEDUPE_BUCKET_S", "60")
    assert run("credit-type", "list").code == 0
