"""``drawdown salvage``: a damaged folder is only read; what can be proven is kept, the rest is listed."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path

import pytest
from drawdown.cli import exit_codes
from drawdown.embedded import open as open_embedded
from drawdown.model import now_us

from .conftest import Run

EVENTS = 300


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def damaged(run: Run, tmp_path: Path) -> Path:
    """A folder of a few segments, damaged in the middle of its journal and in every checkpoint."""
    folder = tmp_path / "data"
    with open_embedded(folder, segment_bytes=65536, reserve_bytes=0) as database:
        database.create_credit_type("credits")
        database.create_meter("calls")
        database.set_rate(meter="calls", credits=1)
        database.create_account("acme")
        database.create_grant("acme", "credits", 100_000, grant_id="g")
        for number in range(EVENTS):
            database.record("acme", "calls", quantity=1, event_id=f"e{number}", time=now_us())
    journal = sorted(folder.rglob("seg-*.dj"))
    found = [path for path in journal if path.read_bytes()[8192:8200] != bytes(8)]
    middle = found[len(found) // 2]
    torn = bytearray(middle.read_bytes())
    torn[8192 + 64 : 8192 + 96] = b"\\xff" * 32
    middle.write_bytes(torn)
    for path in folder.glob("ckpt-*.dc"):
        path.write_bytes(path.read_bytes()[:200])
    (folder / "access").mkdir(exist_ok=True)
    (folder / "access" / "note").write_text("kept")
    return folder


def test_without_consent_it_only_says_what_is_lost(run: Run, damaged: Path, tmp_path: Path) -> None:
    before = contents(damaged)
    assert run("verify", damaged).code == exit_codes.CORRUPT
    told = run("salvage", damaged, "new", "--json")
    assert told.code == exit_codes.REFUSED
    assert told.json()["written"] is False
    assert not (tmp_path / "new").exists()
    ((first, last),) = told.json()["lost"]
    assert 1 < first <= last
    text = run("salvage", damaged, "new")
    assert text.code == exit_codes.REFUSED
    assert f"lost: journal positions {first} to {last}" in " ".join(text.out.split())
    assert "--accept-loss" in text.out
    assert contents(damaged) == before


def test_with_consent_a_new_folder_holds_the_rest(run: Run, damaged: Path, tmp_path: Path) -> None:
    before = contents(damaged)
    done = run("salvage", damaged, "new", "--accept-loss", "--json")
    assert done.code == 0, done.err
    assert contents(damaged) == before
    report = done.json()
    ((first, _),) = report["lost"]
    assert report["recovered_seq"] == first - 1
    assert "access" in report["copied"]
    assert (tmp_path / "new" / "access" / "note").read_text() == "kept"
    assert run("verify", "new").code == 0
    (balance,) = run("balance", "acme", "--data", "new", "--json").json()
    kept = 100_000 - Decimal(balance["available"])
    assert 0 < kept < EVENTS
    assert run("salvage", damaged, "new", "--accept-loss").code == exit_codes.INVALID, "never over another"


def test_what_is_no_folder_is_refused(run: Run, tmp_path: Path) -> None:
    assert run("salvage", "nowhere", "new", "--accept-loss").code == exit_codes.INVALID
    (tmp_path / "empty").mkdir()
    assert run("salvage", "empty", "new").code != 0
    assert not (tmp_path / "new").exists()


def test_the_book_of_payments_goes_along(run: Run, tmp_path: Path) -> None:
    """A purchase that waits for its payment is paid in the new folder, and a trace keeps its times."""
    with open_embedded(tmp_path / "data", segment_bytes=65536, reserve_bytes=0) as database:
        database.create_credit_type("credits")
        database.create_account("acme")
        prices = [{"currency": "USD", "amount": "60"}]
        database.create_pack(pack_id="p", name="Pack", credit_type="credits", amount="20", prices=prices)
        database.buy_pack("acme", "p", purchase_id="buy", payment_method="wire")
    (tmp_path / "data" / "replay.json").write_text("{}")
    done = run("salvage", "data", "new", "--accept-loss", "--json")
    assert done.code == 0, done.err
    assert done.json()["copied"] == ["control.sqlite3", "replay.json", "payments-manual.jsonl"]
    paid = run("purchase", "mark-paid", "buy", "--data", "new")
    assert paid.code == 0, paid.err
    (balance,) = run("balance", "acme", "--data", "new", "--json").json()
    assert Decimal(balance["available"]) == 20
