"""What a YAML catalog says is what stands in it, as in TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drawdown.cli import exit_codes
from drawdown.cli.catalog_file_commands import content_of
from drawdown.errors import InvalidRequestError

from .conftest import CATALOG, Run

PRICE_LIST = '{"prices": [{"id": "m", "input": 2, "output": 10, "input_cached": null}]}'


@pytest.fixture
def said(tmp_path: Path) -> Any:
    """The content of a catalog with this text."""
    path = tmp_path / "catalog.yaml"

    def content(text: str) -> dict[str, Any]:
        path.write_text(text, "utf-8")
        return content_of(path)

    return content


@pytest.mark.parametrize(
    "text",
    [
        "products:\n- {product_id: one}\npacks: []\nproducts:\n- {product_id: two}\n",
        "packs:\n- pack_id: ten\n  amount: 10\n  amount: 20\n",
    ],
)
def test_a_key_that_stands_twice_is_refused_with_its_line(said: Any, text: str) -> None:
    """Neither section is lost unseen, and neither price."""
    with pytest.raises(InvalidRequestError, match=r"occurs twice(?s:.)*line 4") as raised:
        said(text)
    assert raised.value.field == "file"


def test_an_anchor_may_be_merged_and_its_values_replaced(said: Any) -> None:
    """Keys that come from elsewhere are no repetition, wherever the anchor stands."""
    text = "x: {y: &pack {<<: &price {currency: USD, amount: 3}, amount: 4}}\nz: {<<: *pack, amount: 5}\n"
    assert said(text) == {
        "x": {"y": {"currency": "USD", "amount": 4}},
        "z": {"currency": "USD", "amount": 5},
    }


@pytest.mark.parametrize(
    ("number", "reads"),
    [
        ("10", 10),
        ("-3", -3),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1:30", "1:30"),
        ("2.50", "2.50"),
        ("1e3", "1e3"),
    ],
)
def test_a_number_is_never_read_as_another(said: Any, number: str, reads: Any) -> None:
    """Whole numbers as such, all else as its text, which the field it is for judges."""
    assert said(f"amount: {number}\n") == {"amount": reads}


@pytest.mark.parametrize("found", [None, [], ["lost+found"]], ids=["absent", "empty", "new disk"])
def test_a_dry_run_begins_no_store(run: Run, tmp_path: Path, found: list[str] | None) -> None:
    """The file is judged against nothing, and a folder stays as it was: absent, empty or a new disk's."""
    file, data = tmp_path / "catalog.toml", tmp_path / "shop"
    if found is not None:
        data.mkdir()
        for each in found:
            (data / each).mkdir()
    file.write_text(CATALOG, "utf-8")
    assert "Would change" in run("catalog", "load", file, "--data", data, "--dry-run").out
    file.write_text(CATALOG.replace('cadence = "monthly"', 'cadence = "daily"'), "utf-8")
    wrong = run("catalog", "load", file, "--data", data, "--dry-run")
    assert wrong.code != 0 and "credits.cadence" in wrong.err
    assert (sorted(each.name for each in data.iterdir()) if data.exists() else None) == found


@pytest.mark.parametrize(
    ("command", "content"),
    [("catalog load", CATALOG), ("rate import", PRICE_LIST)],
)
def test_what_goes_to_a_server_reads_no_setting_of_one_here(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, content: str
) -> None:
    """A wrong one is no matter of the server that is named: here nobody answers, and that is told."""
    monkeypatch.setattr("drawdown.cli.options.REACH_S", 0.2)
    monkeypatch.setenv("DRAWDOWN_DEDUPE_WINDOW_S", "abc")
    file = tmp_path / ("file.toml" if content == CATALOG else "file.json")
    file.write_text(content, "utf-8")
    refused = run(*command.split(), file, "--target", "localhost:1", "--dry-run")
    assert refused.code == exit_codes.UNAVAILABLE, refused.err
    assert "DRAWDOWN_DEDUPE_WINDOW_S" not in refused.err
