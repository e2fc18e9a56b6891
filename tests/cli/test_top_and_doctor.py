"""``drawdown top`` and ``doctor``: figures of a server, and what is missing with what to do."""

from __future__ import annotations

import json
import threading
import time
from decimal import Decimal
from pathlib import Path

import drawdown
from drawdown.cli import exit_codes
from drawdown.cli.machine import flush_ms, is_locked
from drawdown.cli.server_process import ServerProcess
from drawdown.cli.top_command import Looker

from .conftest import Run


def prepared(server: ServerProcess) -> None:
    with drawdown.connect(server.target) as database:
        database.create_credit_type("credits", scale=2)
        database.create_credit_type("coins", scale=0)
        database.create_meter("calls")
        database.set_rate(meter="calls", credits="1")
        for number, amount in enumerate(("50.25", "0.75", "9000000", "3"), 1):
            database.create_account(f"a-{number}")
            database.create_grant(f"a-{number}", "credits", amount=amount, grant_id="g")
        database.create_account("a-0")
        database.create_grant("a-0", "coins", amount="2", grant_id="g")


def test_top_shows_rates_holds_and_the_lowest_balances(run: Run, tmp_path: Path) -> None:
    """Rates between two looks under load, and the pools nearest to zero, whatever their scale."""
    with ServerProcess(tmp_path / "served") as server:
        prepared(server)
        stop = threading.Event()

        def load() -> None:
            with drawdown.connect(server.target) as database:
                hold = database.reserve("a-3", "calls", quantity=10, ttl=600)
                while not stop.is_set():
                    database.record("a-3", "calls")
                    database.record("a-4", "calls", quantity=100)
                hold.release()

        loader = threading.Thread(target=load)
        loader.start()
        try:
            time.sleep(0.3)
            ran = run("top", "--target", server.target, "--once", "--json", "--interval", 1, "--lowest", 3)
            shown = run("top", "--target", server.target, "--once", "--interval", 0.2)
        finally:
            stop.set()
            loader.join()
        assert ran.code == 0, ran.err
        reading = ran.json()
        assert reading["events_per_s"] > 0
        assert reading["refused_per_s"] > 0
        assert reading["flush_ms"] > 0
        assert (reading["accounts"], reading["reservations_open"]) == (5, 1)
        assert reading["reservation_oldest_s"] >= 0
        assert [(each[0], each[1], Decimal(each[2])) for each in reading["lowest"]] == [
            ("a-2", "credits", Decimal("0.75")), ("a-0", "coins", Decimal(2)), ("a-4", "credits", Decimal(3)),
        ]  # fmt: skip
        assert shown.code == 0
        assert "events/s applied" in shown.out
        assert "a-2" in shown.out


def test_top_shows_no_rates_across_a_restart_of_the_server(tmp_path: Path) -> None:
    """They were below zero: counters begin anew."""
    server = ServerProcess(tmp_path / "served")
    with server:
        prepared(server)
        with drawdown.connect(server.target) as database:
            for _ in range(20):
                database.record("a-1", "calls")
            looker = Looker(database, 0)
            looker.look()
            before = looker._before
    with server, drawdown.connect(server.target) as database:
        again = Looker(database, 0)
        again._before = before
        reading = again.look()
        assert (reading.events_per_s, reading.groups_per_s, reading.server_cpu_percent) == (None, None, None)
        assert again.look().events_per_s == 0


def test_top_without_a_server_says_so(run: Run) -> None:
    """Not a trace of the inside: a sentence and its code."""
    ran = run("top", "--target", "no-such-host")
    assert ran.code == exit_codes.INVALID
    assert "HOST:PORT" in ran.err


def findings(out: str) -> dict[str, str]:
    return {each["check"]: each["verdict"] for each in json.loads(out)}


def test_doctor_looks_at_everything_and_fails_on_what_is_wrong(run: Run, tmp_path: Path) -> None:
    """Without a folder, with one, with a server on it, with a server and a Redis that are not there."""
    bare = run("doctor", "--json")
    assert bare.code == 0, bare.out
    found = findings(bare.out)
    assert (found["python"], found["disk flush"] in ("ok", "warning")) == ("ok", True)
    assert (found["data folder"], found["server"], found["redis"]) == ("skipped",) * 3
    with ServerProcess(tmp_path / "served") as server:
        prepared(server)
        served = run("doctor", "--data", tmp_path / "served", "--target", server.target, "--json")
        assert served.code == 0, served.out
        found = findings(served.out)
        assert (found["server"], found["server journal"], found["data folder"]) == ("ok", "ok", "ok")
        assert any("has the folder open" in each["found"] for each in json.loads(served.out))
        assert is_locked(tmp_path / "served")
    assert is_locked(tmp_path / "served") is False
    gone = run("doctor", "--redis", "redis://127.0.0.1:1/0", "--data", tmp_path / "served")
    assert gone.code == exit_codes.REFUSED
    assert "what to do" in gone.out


def test_doctor_names_a_folder_that_is_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    ran = run("doctor", "--data", tmp_path / "file", "--json")
    assert ran.code == exit_codes.REFUSED
    assert findings(ran.out)["data folder"] == "failed"


def test_a_flush_is_measured_and_leaves_nothing(tmp_path: Path) -> None:
    assert len(flush_ms(tmp_path, 3)) == 3
    assert list(tmp_path.iterdir()) == []
