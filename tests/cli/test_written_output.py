"""Output that cannot be written: a file in no folder, a reader that has gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import drawdown
import pytest
from drawdown.cli import exit_codes

from tests.cli.conftest import Run

SMALL = {"segment_bytes": 1 << 20, "reserve_bytes": 0}


@pytest.fixture
def shop(run: Run, tmp_path: Path) -> Run:
    """A folder with one account, its subscription and an invoice of it."""
    with drawdown.open(tmp_path / "data", payments="test", **SMALL) as db:
        db.create_credit_type("credits")
        db.create_meter("calls")
        db.set_rate(meter="calls", credits="1")
        db.put_customer("c", payment_method="test_ok")
        db.create_account("acme", customer_id="c")
        db.create_pack("ten", name="Ten", amount="10", prices=[{"currency": "USD", "amount": "12.50"}])
        db.buy_pack("acme", "ten", purchase_id="p")
        db.record("acme", "calls", event_id="1")
    return run


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (["ledger", "acme"], "ledger.csv"),
        (["ledger", "acme"], "ledger.jsonl"),
        (["ledger", "acme"], "ledger.parquet"),
        (["report", "usage"], "usage.csv"),
        (["report", "usage"], "usage.json"),
        (["report", "usage"], "usage.parquet"),
        (["report", "usage"], "usage.svg"),
        (["invoice", "render"], "invoice.html"),
        (["invoice", "render"], "invoice.pdf"),
    ],
)
def test_a_file_that_cannot_be_written_is_named(
    shop: Run, tmp_path: Path, command: list[str], file: str
) -> None:
    if command[0] == "invoice":
        (invoice,) = shop("invoice", "list", "acme", "--json").json()
        command = [*command, invoice["invoice_id"]]
    path = tmp_path / "nowhere" / file
    refused = shop(*command, "-o", path)
    assert refused.code == exit_codes.INVALID, refused.err
    assert refused.err.lstrip().startswith("error: output: ") and str(path) in refused.err
    assert "No such file or directory" in refused.err and "Traceback" not in refused.err


def test_a_folder_is_no_file(shop: Run, tmp_path: Path) -> None:
    """The export has been written beside by then: nothing of it stays."""
    (tmp_path / "taken.csv").mkdir()
    refused = shop("ledger", "acme", "-o", tmp_path / "taken.csv")
    assert refused.code == exit_codes.INVALID and "taken.csv" in refused.err
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("command", [["ledger", "acme"], ["ledger", "acme", "--json"], ["--version"]])
def test_a_reader_that_has_gone_is_not_a_refusal(shop: Run, tmp_path: Path, command: list[str]) -> None:
    """As ``| true`` does; 1 would say that a rule had refused."""
    reads, writes = os.pipe()
    os.close(reads)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "drawdown", *command],
            cwd=tmp_path,
            stdout=writes,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writes)
    assert (ended.returncode, ended.stderr.strip()) == (exit_codes.UNAVAILABLE, "")
