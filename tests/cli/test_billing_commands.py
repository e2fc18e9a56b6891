"""Buying, invoices, notices and webhooks as a person types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import drawdown
import pytest
from drawdown.cli.server_process import ServerProcess

from .conftest import Run, done, found

SMALL = {"segment_bytes": 1 << 20, "reserve_bytes": 0, "payments": "test"}


@pytest.fixture
def shop(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A folder with a customer whose card works, and an account without credits."""
    monkeypatch.setenv("DRAWDOWN_PAYMENTS", "test")
    monkeypatch.setenv("DRAWDOWN_SEGMENT_BYTES", str(1 << 20))
    monkeypatch.setenv("DRAWDOWN_RESERVE_BYTES", "0")
    monkeypatch.setenv("DRAWDOWN_WEBHOOK_ALLOW_PRIVATE", "true")
    with drawdown.open(tmp_path / "data", **SMALL) as db:
        db.create_credit_type("credits")
        db.put_customer("c", payment_method="test_ok")
        db.create_account("acme", customer_id="c")
    return run


def test_a_pack_is_sold_bought_and_refunded(shop: Run) -> None:
    done(shop, "pack", "create", "ten", "10", "--price", "USD=12.50")
    assert "12.50 USD" in done(shop, "pack", "list")
    bought = found(shop, "purchase", "pack", "acme", "ten", "--id", "p", "--quantity", "2")
    assert (bought["state"], bought["credits"]) == ("granted", "20")
    again = found(shop, "purchase", "pack", "acme", "ten", "--id", "p", "--quantity", "2")
    assert again["created_at"] == bought["created_at"]
    assert "25.00 USD" in done(shop, "purchase", "show", "p")
    declined = found(
        shop, "purchase", "pack", "acme", "ten", "--id", "no", "--payment-method", "test_decline"
    )
    assert declined["state"] == "failed"
    assert [each["purchase_id"] for each in found(shop, "purchase", "list", "acme")] == ["p", "no"]
    assert found(shop, "purchase", "refund", "p")["state"] == "refunded"
    (balance,) = found(shop, "balance", "acme")
    assert balance["available"] == "0"
    refused = shop("purchase", "refund", "p", "--amount", "12.50")
    assert (refused.code, "12.50 USD" in refused.err) == (64, True)
    unknown = shop("purchase", "show", "nobody")
    assert unknown.code != 0 and "nobody" in unknown.err


def test_a_recharge_is_set_shown_and_switched_off(shop: Run) -> None:
    done(shop, "pack", "create", "ten", "10", "--price", "USD=5")
    made = found(shop, "recharge", "set", "acme", "credits", "--threshold", "2", "--pack", "ten")
    assert made["rule"]["threshold"] == "2"
    assert "pack ten" in done(shop, "recharge", "show", "acme", "credits")
    off = found(shop, "recharge", "off", "acme", "credits")
    assert off["rule"]["enabled"] is False
    assert off["rule"]["pack_id"] == "ten"


def test_an_invoice_is_listed_shown_and_written_to_a_file(shop: Run, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(
        """
[[products]]
product_id = "ai"
name = "AI"
[[plans]]
plan_id = "small"
product_id = "ai"
name = "Small"
state = "published"
base_fee = [{ currency = "USD", amount = "10" }]
credits = { credit_type = "credits", amount = "100", cadence = "monthly" }
""",
        "utf-8",
    )
    done(shop, "catalog", "load", str(catalog))
    done(shop, "subscription", "create", "acme", "small", "--id", "s")
    (invoice,) = found(shop, "invoice", "list", "acme")
    shown = done(shop, "invoice", "show", invoice["invoice_id"])
    assert "10.00 USD" in shown and invoice["number"] in shown
    assert found(shop, "invoice", "preview", "acme")["account"] == "acme"
    done(shop, "invoice", "render", invoice["invoice_id"], "-o", "invoice.html")
    page = (tmp_path / "invoice.html").read_text("utf-8")
    assert "<html" in page and invoice["number"] in page and "10.00" in page
    done(shop, "invoice", "render", invoice["invoice_id"], "-o", "invoice.pdf")
    assert (tmp_path / "invoice.pdf").read_bytes().startswith(b"%PDF")
    refused = shop("invoice", "render", invoice["invoice_id"], "-o", "invoice.doc")
    assert (refused.code, ".pdf" in refused.err) == (64, True)


def test_a_purchase_shows_its_invoice_and_a_declined_one_is_asked_for_again(shop: Run) -> None:
    done(shop, "pack", "create", "ten", "10", "--price", "USD=5")
    bought = found(shop, "purchase", "pack", "acme", "ten", "--id", "p")
    shown = done(shop, "invoice", "show", bought["invoice_id"])
    assert "ten, 10 credits" in shown and "purchase" in shown
    assert "purchase p" in done(shop, "invoice", "list", "acme")
    assert bought["invoice_id"] in done(shop, "purchase", "show", "p")
    with drawdown.open("data", **SMALL) as db:
        db.create_product("ai", "AI")
        fee = [{"currency": "USD", "amount": "10"}]
        credits = {"credit_type": "credits", "amount": "100", "cadence": "monthly"}
        db.create_plan(
            "small", product="ai", name="Small", base_fee=fee, credits=credits, release="immediate"
        )
        db.publish_plan("small")
        db.subscribe("acme", "small", subscription_id="s", payment_method="test_decline")
    shown = done(shop, "subscription", "show", "s")
    assert "past_due" in shown and "unpaid invoice" in shown
    unpaid = found(shop, "subscription", "show", "s")["unpaid_invoice_id"]
    assert "tried again at" in done(shop, "invoice", "show", unpaid)
    retry = ("invoice", "retry", unpaid, "--id", "r", "--payment-method", "test_ok")
    assert [found(shop, *retry)["state"] for _ in range(2)] == ["paid"] * 2
    assert found(shop, "subscription", "show", "s")["state"] == "active"


def test_webhooks_are_made_changed_and_listed(shop: Run) -> None:
    made = found(shop, "webhook", "create", "hook", "http://127.0.0.1:9/x", "--kind", "balance.*")
    assert made["secret"].startswith("whsec_")
    rotated = found(shop, "webhook", "rotate", "hook")
    assert rotated["secret"] not in ("", made["secret"])
    assert found(shop, "webhook", "update", "hook", "--disable")["enabled"] is False
    assert "balance.*" in done(shop, "webhook", "list")
    assert found(shop, "webhook", "deliveries", "hook") == {}
    refused = shop("webhook", "create", "bad", "http://127.0.0.1:9/x", "--kind", "balance.lo")
    assert (refused.code, "balance.lo" in refused.err) == (64, True)


def test_notices_are_listed_by_cursor_and_followed(tmp_path: Path, run: Run) -> None:
    """``--follow`` prints each as it is stored, until it is interrupted."""
    settings = {"segment_bytes": str(1 << 20), "reserve_bytes": "0"}
    with (
        ServerProcess(tmp_path / "server", settings=settings) as process,
        drawdown.connect(process.target) as db,
    ):
        db.create_credit_type("credits")
        db.create_account("acme")
        command = [sys.executable, "-m", "drawdown", "notices", "acme", "--kind", "grant.*"]
        follower = subprocess.Popen(
            [*command, "--follow", "--json", "--after", "0", "--target", process.target],
            stdout=subprocess.PIPE,
        )
        assert follower.stdout is not None
        try:
            for number in range(2):
                db.create_grant("acme", "credits", amount="1", grant_id=f"g{number}")
                told = [json.loads(follower.stdout.readline()) for _ in range(2)]
                assert [each["kind"] for each in told] == ["grant.created", "grant.activated"]
                assert {each["data"]["grant_id"] for each in told} == {f"g{number}"}
        finally:
            follower.terminate()
            follower.wait(10)
        page = found(run, "notices", "acme", "--kind", "grant.*", "--limit", "3", "--target", process.target)
        assert (len(page["notices"]), page["more"]) == (3, True)
        rest = done(run, "notices", "acme", "--after", page["next"], "--target", process.target)
        assert "g1" in rest and "g0" not in rest
