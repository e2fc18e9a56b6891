"""What an operator types in the course of a month: clocks, corrections, holds, money off, services."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import CATALOG, Run, done, found

SHOP = f"""{CATALOG}
features = {{ sso = "true", seats = "5" }}
"""


@pytest.fixture
def shop(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A folder with the catalog, and acme on a clock of its own on the plan."""
    monkeypatch.setenv("DRAWDOWN_PAYMENTS", "test")
    monkeypatch.setenv("DRAWDOWN_SEGMENT_BYTES", str(1 << 20))
    monkeypatch.setenv("DRAWDOWN_RESERVE_BYTES", "0")
    file = tmp_path / "catalog.toml"
    file.write_text(SHOP, "utf-8")
    done(run, "catalog", "load", file)
    done(run, "customer", "put", "c", "payment_method=test_ok", "currency=USD")
    done(run, "account", "create", "acme", "--customer", "c", "--test-clock", "2026-01-31")
    done(run, "subscription", "create", "acme", "small", "--id", "s")
    return run


def test_a_clock_is_advanced_and_everything_due_comes(shop: Run) -> None:
    done(shop, "account", "advance", "acme", "2026-03-31T00:00:00Z")
    assert [each["state"] for each in found(shop, "invoice", "list", "acme")] == ["paid"] * 3
    refused = shop("account", "advance", "acme", "2026-01-01")
    assert (refused.code, "INVALID" in refused.err or "to" in refused.err) != (0, False)
    assert shop("account", "advance", "acme", "soon").code == 64


def test_renewals_are_switched_off_and_on(shop: Run) -> None:
    assert found(shop, "subscription", "auto-renew", "s", "off")["auto_renew"] is False
    done(shop, "subscription", "auto-renew", "s", "on")
    assert shop("subscription", "auto-renew", "s", "perhaps").code == 64


def test_use_is_recorded_corrected_and_shown(shop: Run) -> None:
    done(shop, "record", "acme", "calls", "3", "--id", "e")
    assert found(shop, "correct", "acme", "e", "--quantity", "1", "--id", "fix")["difference"] == "-4"
    assert found(shop, "correct", "acme", "e", "--quantity", "1", "--id", "fix")["status"] == "DUPLICATE"
    shown = found(shop, "event", "acme", "e")
    assert (shown["event"]["charged"], len(shown["corrections"])) == ("6", 1)
    assert "Event e of acme" in done(shop, "event", "acme", "e")
    assert shop("correct", "acme", "nothing", "--cancel").code == 1
    assert shop("correct", "acme", "e").code == 64
    assert found(shop, "debit", "acme", "8", "--id", "d")["available"] == "90"
    assert shop("debit", "acme", "91", "--id", "more").code == 1
    assert found(shop, "debit", "acme", "91", "--id", "more", "--force")["available"] == "-1"


def test_credits_are_held_settled_and_released(shop: Run) -> None:
    first = found(shop, "reservation", "create", "acme", "--id", "r", "--meter", "calls", "--quantity", "10")
    assert (first["held"], first["available"]) == ("20", "80")
    done(shop, "reservation", "create", "acme", "--id", "q", "--credit-type", "credits", "--credits", "5")
    assert [each["reservation_id"] for each in found(shop, "reservation", "list", "acme")] == ["q", "r"]
    assert "Open reservations" in done(shop, "reservation", "list")
    settled = found(shop, "reservation", "settle", "acme", "r", "--quantity", "4")
    assert (settled["charged"], settled["returned"]) == ("8", "12")
    assert found(shop, "reservation", "release", "acme", "q")["available"] == "92"
    assert shop("reservation", "release", "acme", "nothing").code == 1
    refused = shop("reservation", "create", "acme", "--id", "x", "--meter", "calls", "--quantity", "900")
    assert (refused.code, "INSUFFICIENT" in refused.err) == (1, True)


def test_money_off_and_money_back(shop: Run) -> None:
    """An invoice credit, limited to fees; a void one; a credit note on a line, to the account's balance."""
    create = ("invoice-credit", "create", "acme")
    made = found(shop, *create, "4 USD", "--id", "k", "--name", "Referral", "--class", "fixed_fees")
    assert made["amount"]["minor"] == 400
    done(shop, *create, "1 USD", "--id", "v", "--name", "Mistake")
    assert shop("invoice-credit", "void", "v").code == 64
    assert "is void" in done(shop, "invoice-credit", "void", "v", "--yes")
    assert shop(*create, "4", "--id", "w", "--name", "None").code == 64
    assert "Invoice credits of acme" in done(shop, "invoice-credit", "list", "acme")
    listed = found(shop, "invoice-credit", "list", "acme")
    assert {each["name"]: "voided_at" in each for each in listed} == {"Referral": False, "Mistake": True}
    done(shop, "account", "advance", "acme", "2026-02-28T00:00:00Z")
    first, second = found(shop, "invoice", "list", "acme")
    assert (first["due"]["minor"], second["due"]["minor"]) == (1000, 600)
    (line,) = second["lines"]
    note = found(
        shop, "invoice", "credit-note", second["invoice_id"], line["line_id"], "2.50 USD", "--id", "n"
    )
    assert note["corrects"] == second["invoice_id"]
    done(shop, "account", "advance", "acme", "2026-03-31T00:00:00Z")
    assert found(shop, "invoice", "list", "acme")[-1]["due"]["minor"] == 750


def test_rules_of_an_account(shop: Run) -> None:
    """Thresholds, features, prices, a pending grant."""
    assert "20%" in done(shop, "account", "thresholds", "acme", "10", "20%")
    features = found(shop, "account", "features", "acme")
    assert [(each["feature"], each.get("value")) for each in features] == [("seats", "5"), ("sso", None)]
    assert found(shop, "account", "features", "acme", "sso")["allowed"] is True
    assert shop("account", "features", "acme", "jets").code == 1
    done(shop, "rate", "set", "calls", "3")
    done(shop, "rate", "set", "calls", "3", "--table", "special")
    done(shop, "account", "rate-table", "acme", "special")
    refused = shop("account", "rate-table", "acme", "nothing")
    assert (refused.code, "default, special" in refused.err) == (64, True), refused.err
    done(shop, "account", "period-edge", "acme", "2026-02-20")
    assert "no usage period" in done(shop, "account", "period-edge", "acme", "2026-02-20", "--withdrawn")
    done(shop, "grant", "acme", "7", "--id", "later", "--pending")
    assert found(shop, "balance", "acme")[0]["available"] == "100"
    done(shop, "release", "acme", "later")
    assert found(shop, "balance", "acme")[0]["available"] == "107"


def test_a_delivery_is_set_by_hand(shop: Run) -> None:
    done(shop, "subscription", "add-service", "s", "ten", "--id", "weekly", "--schedule", "weekly")
    assert found(shop, "balance", "acme")[0]["available"] == "110"
    done(shop, "subscription", "adjust-delivery", "s", "weekly", "1", "4")
    done(shop, "account", "advance", "acme", "2026-02-08T00:00:00Z")
    assert found(shop, "balance", "acme")[0]["available"] == "114"


def test_packs_and_recharges_with_everything(shop: Run) -> None:
    """A pack that lapses, with a price of its own in one country; caps stay when a recharge is off and on."""
    made = found(
        shop, "pack", "create", "year", "50", "--price", "USD=9", "--price", "USD/CA=8",
        "--lifetime", "12 months", "--priority", "20",
    )  # fmt: skip
    assert (made["lifetime"], made["prices"][1]["country"]) == ({"count": 12, "unit": "month"}, "CA")
    assert "12 month" in done(shop, "pack", "list")
    assert shop("pack", "create", "odd", "5", "--lifetime", "long").code == 64
    rule = found(
        shop, "recharge", "set", "acme", "credits", "--threshold", "5", "--pack", "ten", "--cap-count", "3",
        "--cap-money", "20 USD", "--expires-after-days", "30",
    )["rule"]  # fmt: skip
    off = found(shop, "recharge", "off", "acme", "credits")["rule"]
    assert off == {**rule, "enabled": False}
    assert found(shop, "recharge", "on", "acme", "credits")["rule"] == rule
    assert "20.00 USD" in done(shop, "recharge", "show", "acme", "credits")


def test_what_is_sold_is_listed(shop: Run) -> None:
    assert [each["product_id"] for each in found(shop, "product", "list")] == ["ai"]
    assert "AI" in done(shop, "product", "list")
    assert found(shop, "rate-card", "list") == []
    assert "Rate cards" in done(shop, "rate-card", "list")


def test_a_price_list_becomes_a_rate_card(run: Run, tmp_path: Path) -> None:
    """What plans can name; another list is its next version; a dry run and the same again change nothing."""
    file = tmp_path / "prices.json"
    prices = [{"id": "small", "input": 1.5, "output": 6}, {"id": "large", "input": 3, "output": None}]
    file.write_text(json.dumps({"prices": prices}))
    column = ("--column", "input=in", "--column", "output=out")
    imported = ("rate", "import", file, "--card", "llm", *column)
    assert found(run, *imported, "--dry-run")["new_rates"] == 3
    assert not (tmp_path / "data").exists()
    first = found(run, *imported)
    assert (first["card"], first["table"], first["new_rates"], first["meters_created"]) == (
        "llm",
        "",
        3,
        ["in", "out"],
    )
    assert found(run, *imported)["new_rates"] == 0
    prices[0]["input"] = 2
    file.write_text(json.dumps({"prices": prices}))
    assert "1 new among 3 rates of 2 models in rate card llm" in done(run, *imported)
    cards = found(run, "rate-card", "list")
    assert [(each["card_id"], each.get("version", 1), len(each["rates"])) for each in cards] == [
        ("llm", 1, 3),
        ("llm", 2, 3),
    ]
    refused = run(*imported, "--valid-from", "2026-01-01")
    assert (refused.code, "card" in refused.err) == (64, True)
