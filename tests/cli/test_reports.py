"""Reports as a person takes them away: the same figures as table, CSV, JSON and Parquet, and a picture."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import drawdown
import pytest
from pyarrow import parquet

from .conftest import Run, done

SMALL = {"segment_bytes": 1 << 20, "reserve_bytes": 0, "payments": "test"}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def books(run: Run, tmp_path: Path) -> Run:
    """A data folder with sales and use: 26.5 credits of acme, 3 of bond, one pack."""
    with drawdown.open(tmp_path / "data", **SMALL) as db:
        db.create_credit_type("credits")
        db.create_meter("calls")
        db.create_meter("tokens")
        db.set_rate(meter="calls", credits="1")
        db.set_rate(meter="tokens", credits="0.5")
        db.put_customer("c", payment_method="test_ok")
        db.create_pack("ten", name="Ten", amount="10", prices=[{"currency": "USD", "amount": "12.50"}])
        for account in ("acme", "bond"):
            db.create_account(account, customer_id="c")
            db.create_grant(account, "credits", amount="50", grant_id="g", source="promotion")
        db.buy_pack("acme", "ten", purchase_id="p", quantity=2)
        db.record("acme", "calls", quantity=20, event_id="1")
        db.record("acme", "tokens", quantity=10, event_id="2")
        db.record("acme", credit_type="credits", credits="1.5", event_id="3")
        db.record("bond", "calls", quantity=3, event_id="1")
    return run


def texts(file: Path) -> list[str]:
    root = ElementTree.fromstring(file.read_text("utf-8"))
    assert root.tag == f"{SVG}svg"
    return [each.text or "" for each in root.iter(f"{SVG}text")]


def widths(file: Path) -> list[Decimal]:
    root = ElementTree.fromstring(file.read_text("utf-8"))
    return [
        Decimal(bar.get("width", "0"))
        for bar in root.iter(f"{SVG}rect")
        if bar.find(f"{SVG}title") is not None
    ]


def test_use_in_every_form_has_the_same_figures(books: Run, tmp_path: Path) -> None:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    rows: list[dict[str, Any]] = json.loads(done(books, "report", "usage", "--json"))["rows"]
    assert [
        (r["account"], r.get("meter", ""), r["day"], r.get("quantity", "0"), r["charged"]) for r in rows
    ] == [
        ("acme", "", today, "0", "1.5"),
        ("acme", "calls", today, "20", "20"),
        ("acme", "tokens", today, "10", "5"),
        ("bond", "calls", today, "3", "3"),
    ]
    printed = list(csv.DictReader(io.StringIO(done(books, "report", "usage", "--csv"))))
    assert [row["charged"] for row in printed] == ["1.5", "20", "5", "3"]
    done(books, "report", "usage", "-o", "use.csv")
    assert list(csv.DictReader((tmp_path / "use.csv").open(newline=""))) == printed
    done(books, "report", "usage", "-o", "use.parquet")
    table = parquet.read_table(tmp_path / "use.parquet").to_pylist()
    assert sum(row["charged"] for row in table) == Decimal("29.5")
    assert "tokens" in done(books, "report", "usage")
    done(books, "report", "usage", "-o", "use.svg")
    assert {"Charged per day: credits", today, "29.5"} <= set(texts(tmp_path / "use.svg"))
    # Three meters on one day: as long as their charges, to the thousandth.
    longest = Decimal(480)
    assert widths(tmp_path / "use.svg") == [
        pytest.approx(longest * part / Decimal("29.5"), abs=Decimal("0.002"))
        for part in (Decimal(23), Decimal("1.5"), Decimal(5))
    ]


def test_the_accounts_charged_most_and_how_long_they_last(books: Run, tmp_path: Path) -> None:
    rows = json.loads(done(books, "report", "top", "--json"))["rows"]
    assert [(r["account"], r["charged"]) for r in rows] == [("acme", "26.5"), ("bond", "3")]
    done(books, "report", "top", "-o", "top.svg")
    acme, bond = widths(tmp_path / "top.svg")
    assert (acme, bond) == (Decimal(480), Decimal("54.339"))
    # acme has 43.5 and 26.5 went within the last day; bond 47 and 3.
    rows = json.loads(done(books, "report", "runway", "--days", "1", "--json"))["rows"]
    assert [(r["account"], r["available"], r["days"]) for r in rows] == [
        ("acme", "43.5", "1.6"),
        ("bond", "47", "15.6"),
    ]
    done(books, "report", "runway", "-o", "runway.svg")
    assert "acme" in texts(tmp_path / "runway.svg")


def test_money_in_parquet_is_exact_and_names_its_currency(books: Run, tmp_path: Path) -> None:
    done(books, "report", "packs", "-o", "packs.parquet")
    (row,) = parquet.read_table(tmp_path / "packs.parquet").to_pylist()
    assert (row["revenue"], row["revenue_currency"], row["packs"]) == (Decimal("25.00"), "USD", 2)
    done(books, "report", "packs", "-o", "packs.svg")
    assert "25.00 USD · 2 sold" in texts(tmp_path / "packs.svg")
    done(books, "report", "credits", "-o", "credits.parquet")
    found = {row["source"]: row for row in parquet.read_table(tmp_path / "credits.parquet").to_pylist()}
    assert (found["promotion"]["granted"], found["promotion"]["cost"]) == (Decimal(100), None)
    assert found["purchase"]["cost"] == Decimal("25.00")
    done(books, "report", "credits", "-o", "credits.svg")
    assert {"burned", "outstanding", "deferred", "Money: USD"} <= set(texts(tmp_path / "credits.svg"))


def test_what_cannot_be_written_is_said_before_anything_is_asked(books: Run) -> None:
    refused = books("report", "usage", "-o", "use.docx")
    assert (refused.code, ".parquet" in refused.err) == (64, True)
    empty = books("report", "usage", "--since", "2020-01-01", "--until", "2020-01-02", "-o", "none.svg")
    assert empty.code == 0


@pytest.mark.parametrize("report", ["usage", "top", "credits", "packs", "runway"])
def test_an_empty_report_has_its_columns(run: Run, tmp_path: Path, report: str) -> None:
    """As one with rows has: whoever reads it by the names of columns finds them."""
    done(run, "credit-type", "create", "credits")
    header = done(run, "report", report, "--csv").splitlines()
    assert len(header) == 1 and len(header[0].split(",")) > 3
    done(run, "report", report, "-o", "none.parquet")
    assert parquet.read_table(tmp_path / "none.parquet").column_names == header[0].split(",")


def test_an_empty_report_is_a_picture_that_says_so(books: Run, tmp_path: Path) -> None:
    done(books, "report", "top", "--until", "2020-01-02", "-o", "none.svg")
    assert "nothing in this report" in texts(tmp_path / "none.svg")
    done(books, "report", "top", "--until", "2020-01-02", "-o", "none.parquet")
    assert parquet.read_table(tmp_path / "none.parquet").num_rows == 0


@pytest.mark.parametrize("report", ["usage", "top"])
def test_a_span_that_would_begin_before_time_is_cut(books: Run, report: str) -> None:
    """Nothing was used then; an end at which nothing can have begun is refused."""
    assert not json.loads(done(books, "report", report, "--until", "0001-01-02", "--json")).get("rows")
    refused = books("report", report, "--until", "0001-01-01")
    assert (refused.code, "until" in refused.err) == (64, True), refused.err
