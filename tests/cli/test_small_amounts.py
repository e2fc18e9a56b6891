"""Amounts of 10^-9 credits, as programs and files get them: text that every door takes back."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import drawdown
import pytest

from .conftest import Run, done

EXPONENT = re.compile(r"\d[Ee][+-]?\d")
PLAN = """
[[credit_types]]
name = "credits"
[[meters]]
key = "calls"
[[products]]
product_id = "ai"
name = "AI"
[[plans]]
plan_id = "tiny"
product_id = "ai"
name = "Tiny"
base_fee = [{ currency = "USD", amount = "10" }]
credits = { credit_type = "credits", amount = "AMOUNT", cadence = "monthly" }
"""


@pytest.fixture
def small(run: Run, tmp_path: Path) -> Run:
    """An account with a use, a hold, a void and a grant of a few smallest units each."""
    with drawdown.open(tmp_path / "data", segment_bytes=1 << 20, reserve_bytes=0) as db:
        db.create_credit_type("credits")
        db.create_meter("calls")
        db.set_rate(meter="calls", credits="0.000000001")
        db.create_account("acme")
        db.create_grant("acme", "credits", amount="0.00000005", grant_id="g")
        db.create_grant("acme", "credits", amount="0.000000004", grant_id="old")
        db.void_grant("acme", "old", confirm=True)
        db.record("acme", "calls", quantity=3, event_id="1")
        db.reserve("acme", "calls", quantity=2, reservation_id="r", ttl=3600)
    return run


@pytest.mark.parametrize(
    "command",
    [
        "balance acme",
        "grants acme",
        "ledger acme",
        "explain acme 1",
        "check acme calls",
        "record acme calls 1 --id 2",
        "report usage",
        "report top",
        "report credits",
        "void acme g --yes",
    ],
)
def test_no_json_has_an_exponent(small: Run, command: str) -> None:
    found = done(small, *command.split(), "--json")
    assert not EXPONENT.search(found), found
    assert "0.0000000" in found


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_no_exported_ledger_has_an_exponent(small: Run, tmp_path: Path, suffix: str) -> None:
    done(small, "ledger", "acme", "--output", f"out.{suffix}")
    text = (tmp_path / f"out.{suffix}").read_text("utf-8")
    assert not EXPONENT.search(text), text
    if suffix == "csv":
        draws = [row["draws"] for row in csv.DictReader(text.splitlines()) if row["kind"] == "usage"]
        assert json.loads(draws[0]) == [["g", "0.000000003"]]


def test_no_report_file_has_an_exponent(small: Run, tmp_path: Path) -> None:
    done(small, "report", "usage", "--output", "out.json")
    assert json.loads((tmp_path / "out.json").read_bytes())["rows"][0]["charged"] == "0.000000003"


def test_sentences_for_people_have_no_exponent(small: Run) -> None:
    assert "forfeiting 0.000000045" in done(small, "void", "acme", "g", "--yes")


@pytest.mark.parametrize("form", ["toml", "yaml"])
def test_a_catalog_file_of_small_amounts_is_taken_back(run: Run, tmp_path: Path, form: str) -> None:
    """What is said to differ is plain too."""
    (tmp_path / "in.toml").write_text(PLAN.replace("AMOUNT", "0.000000002"), "utf-8")
    done(run, "catalog", "load", "in.toml")
    text = done(run, "catalog", "dump", "--format", form)
    assert "0.000000002" in text and not EXPONENT.search(text)
    (tmp_path / f"back.{form}").write_text(text, "utf-8")
    done(run, "catalog", "load", f"back.{form}")
    (tmp_path / "other.toml").write_text(PLAN.replace("AMOUNT", "0.000000003"), "utf-8")
    told = done(run, "catalog", "load", "other.toml", "--dry-run", "--json")
    assert "0.000000003" in told and not EXPONENT.search(told)
    assert "0.000000002" in done(run, "plan", "show", "tiny")
