"""The commands of the control plane, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import CATALOG, Run

TWO_PLANS = f"""{CATALOG}
[[plans]]
plan_id = "large"
product_id = "ai"
name = "Large"
state = "published"
base_fee = [{{ currency = "USD", amount = "40" }}]
rates = [{{ meter = "calls", credits = "2" }}]
credits = {{ credit_type = "credits", amount = "500", cadence = "monthly" }}
"""


def test_from_a_catalog_file_to_an_upgrade(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load, subscribe, preview and change, deliver a pack, cancel; bad input names its field."""
    monkeypatch.setenv("DRAWDOWN_PAYMENTS", "test")
    file = tmp_path / "catalog.toml"
    file.write_text(TWO_PLANS, "utf-8")

    def done(*arguments: object) -> str:
        ran = run(*arguments)
        assert ran.code == 0, ran.err
        return ran.out

    def found(*arguments: object) -> Any:
        return json.loads(done(*arguments, "--json"))

    assert "Would change" in done("catalog", "load", str(file), "--dry-run")
    assert found("catalog", "load", str(file))["applied"] is True
    assert "nothing to change" in done("catalog", "load", str(file))
    assert [each["plan_id"] for each in found("plan", "list")] == ["small", "large"]
    assert "credit_type" in done("plan", "show", "small")
    done("customer", "put", "c", "payment_method=test_ok", "currency=USD")
    done("account", "create", "acme", "--customer", "c")
    made = found("subscription", "create", "acme", "small", "--id", "s")
    assert (made["state"], made["plan_id"]) == ("active", "small")
    preview = found("subscription", "change", "s", "large", "--dry-run")
    assert (preview["due_now"]["minor"], preview["credits_granted"]) == (3000, "500")
    done("subscription", "change", "s", "large", "--id", "up")
    done("subscription", "add-service", "s", "ten", "--id", "extra")
    (balance,) = found("balance", "acme")
    assert balance["available"] == "510"
    assert found("subscription", "cancel", "s")["ends_at"]
    assert [each["state"] for each in found("subscription", "list")] == ["active"]
    assert "plan_id" in done("catalog", "dump")
    assert "plans:" in done("catalog", "dump", "--format", "yaml")
    refused = run("subscription", "create", "acme", "small", "--id", "t", "--quantity", "0")
    assert (refused.code, "quantity" in refused.err) == (64, True)


def test_close_an_account_and_erase_its_customer(run: Run) -> None:
    """What is owed is printed; without --yes nothing happens."""
    assert run("credit-type", "create", "credits").code == 0
    assert run("customer", "put", "cus", "name=Ada Quillfeather").code == 0
    assert run("account", "create", "acme", "--customer", "cus").code == 0
    assert run("grant", "acme", "10", "--id", "g").code == 0
    refused = run("account", "close", "acme")
    assert refused.code == 64 and "confirm" in refused.err
    closed = run("account", "close", "acme", "--remainder", "pay_out", "--yes")
    assert closed.code == 0, closed.err
    assert "owed to cus: nothing" in closed.out
    assert run("account", "closing", "acme", "--json").json()["lines"][0]["credits"] == "10"
    assert run("account", "resume", "acme").code == 1
    erased = run("customer", "erase", "cus", "--yes")
    assert erased.code == 0 and "cus is erased" in erased.out, erased.err


def test_move_credits_between_accounts(run: Run) -> None:
    assert run("credit-type", "create", "credits").code == 0
    for account in ("a", "b"):
        assert run("account", "create", account, "--customer", "cus").code == 0
    assert run("grant", "a", "10", "--id", "g").code == 0
    moved = run("transfer", "4", "--from", "a", "--to", "b", "--id", "t")
    assert moved.code == 0 and "is done" in moved.out, moved.err
    assert [run("balance", each, "--json").json()[0]["available"] for each in "ab"] == ["6", "4"]
    refused = run("transfer", "7", "--from", "a", "--to", "b", "--id", "u")
    assert refused.code == 1 and "may leave" in refused.err


@pytest.mark.parametrize("name", ["ROWS.CSV", "rows.Jsonl"])
def test_a_file_of_another_system_is_imported(run: Run, tmp_path: Path, name: str) -> None:
    """Its name in capitals, a byte order mark before its text: as in a replay."""
    assert run("credit-type", "create", "credits").code == 0
    text = "kind,account\naccount,a\n" if "CSV" in name else '{"kind": "account", "account": "a"}\n'
    (tmp_path / name).write_text(text, "utf-8-sig")
    ended = run("import", name)
    assert "Imported 1 of 1" in ended.out, ended.err


def test_import_balances_from_csv_and_json_lines(run: Run, tmp_path: Path) -> None:
    """A dry run, then the file, then the file again; a bad file is refused by line and field."""
    assert run("credit-type", "create", "credits").code == 0
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "kind,account,customer_id,grant_id,credit_type,amount\n"
        "account,a,cus,,,\n"
        "grant,a,,left,credits,12.50\n",
        "utf-8",
    )
    assert "Would import 2 of 2" in run("import", rows, "--dry-run").out
    assert run("account", "show", "a").code != 0
    assert "Imported 2 of 2" in run("import", rows).out
    assert "Imported 0 of 2" in run("import", rows).out
    lines = tmp_path / "rows.jsonl"
    lines.write_text(
        '{"kind": "grant", "account": "a", "grant_id": "more", "credit_type": "credits", "amount": 0.1}\n'
        '\n{"kind": "grant", "account": "a", "grant_id": "bad", "credit_type": "credits", "amount": "x"}\n',
        "utf-8",
    )
    refused = run("import", lines, "--json")
    assert refused.code == 1
    assert [(each["line"], each["field"]) for each in refused.json()["problems"]] == [(3, "amount")]
    assert run("balance", "a", "--json").json()[0]["available"] == "12.5"
    for name, text, said in (
        ("a.csv", "account\nx\n", "no column kind"),
        ("b.csv", "kind,account\naccount\n", "line 2"),
        ("c.jsonl", "{", "line 1"),
        ("d.jsonl", '{"kind": {}}', "line 1"),
        ("e.txt", "", "neither"),
    ):
        (tmp_path / name).write_text(text, "utf-8")
        bad = run("import", tmp_path / name)
        assert bad.code == 64 and said in bad.err, (name, bad.err)
