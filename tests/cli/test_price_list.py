"""``drawdown rate import``: a price list becomes rates, and real traces cost what an independent sum says."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from drawdown.cli.price_list import read_price_list
from drawdown.cli.rate_import_command import DEFAULT_COLUMNS
from drawdown.errors import InvalidRequestError

from .conftest import Run

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL_PRICES = SHARED / "llm_prices.json"
REAL_TRACES = (SHARED / "azure_llm_conv.csv", SHARED / "azure_llm_code.csv")

SMALL = {
    "prices": [
        {"id": "small", "input": 0.035, "output": 0.14, "input_cached": None},
        {"id": "large", "input": 3, "output": 15, "input_cached": 0.3},
        {"id": "small", "input": 0.035, "output": 0.14, "input_cached": None},
    ]
}


@pytest.fixture
def price_file(tmp_path: Path) -> Path:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(SMALL))
    return file


def test_an_import_sets_a_rate_per_model_and_meter_and_reports_repeats(run: Run, price_file: Path) -> None:
    """Five rates of two models; the repeated entry is named; the same file again changes nothing."""
    report = run("rate", "import", price_file, "--json").json()
    assert (report["values"], report["rates"], report["new_rates"]) == (2, 5, 5)
    assert report["repeated"] == ["small"]
    assert sorted(report["meters_created"]) == ["cached_input_tokens", "input_tokens", "output_tokens"]
    (table,) = run("rate", "list", "--json").json()
    rates = {(rate["meter"], rate["match"]["model"]): Decimal(rate["credits"]) for rate in table["rates"]}
    assert rates[("input_tokens", "small")] == Decimal("0.035")
    assert rates[("cached_input_tokens", "large")] == Decimal("0.3")
    assert ("cached_input_tokens", "small") not in rates
    again = run("rate", "import", price_file, "--json").json()
    assert (again["rates"], again["new_rates"]) == (5, 0)


@pytest.mark.parametrize("where", [["--table", "default"], ["--card", "card"]])
def test_a_price_is_the_same_however_many_zeros_it_has(run: Run, tmp_path: Path, where: list[str]) -> None:
    """Twice in one file, and in the next file: nothing is new, and no rate stands there twice."""
    file = tmp_path / "prices.json"
    short, long = (
        f'{{"id": "m", "input": {price}, "output": {other}, "input_cached": null}}'
        for price, other in (("2.5", "10"), ("2.50", '"010.0"'))
    )
    file.write_text(f'{{"prices": [{short}, {long}]}}')
    report = run("rate", "import", file, *where, "--json").json()
    assert (report["rates"], report["new_rates"], report["repeated"]) == (2, 2, ["m"])
    file.write_text(f'{{"prices": [{long}]}}')
    again = run("rate", "import", file, *where, "--per", "1000000.0", "--json").json()
    assert (again["rates"], again["new_rates"]) == (2, 0)
    tables = run("rate", "list", "--json").json()
    assert [len(each["rates"]) for each in tables] == [2]


def test_a_dry_run_changes_nothing(run: Run, price_file: Path) -> None:
    """It reads, checks and reports."""
    report = run("rate", "import", price_file, "--dry-run", "--json").json()
    assert (report["rates"], report["new_rates"], report["dry_run"]) == (5, 0, True)
    run("credit-type", "create", "gems")
    report = run("rate", "import", price_file, "--dry-run", "--json").json()
    assert (report["rates"], report["new_rates"], report["dry_run"]) == (5, 0, True)
    assert run("meter", "list", "--json").json() == []


@pytest.mark.parametrize("where", [["--table", "default"], ["--card", "card"]])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_dry_run_is_judged_as_the_import_is_and_makes_no_folder(
    run: Run, tmp_path: Path, where: list[str], is_there: bool
) -> None:
    """A price that no rate can hold ends both alike; what was not there is not there afterwards."""
    file, data = tmp_path / "prices.json", tmp_path / "none"
    good = '{"id": "m", "input": 2.5, "output": 10, "input_cached": null}'
    file.write_text(f'{{"prices": [{good.replace("2.5", "0.0000000000000000001")}]}}')
    if is_there:
        run("credit-type", "create", "gems", "--data", data)
    wrong = run("rate", "import", file, *where, "--data", data, "--dry-run")
    assert (data.exists(), wrong.out) == (is_there, "")
    file.write_text(f'{{"prices": [{good}]}}')
    assert "would set 2 rates" in run("rate", "import", file, *where, "--data", data, "--dry-run").out
    assert data.exists() == is_there
    file.write_text(f'{{"prices": [{good.replace("2.5", "0.0000000000000000001")}]}}')
    real = run("rate", "import", file, *where, "--data", data)
    assert (wrong.code, wrong.err) == (real.code, real.err) and wrong.code != 0


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("{", "not JSON"),
        ("{}", "prices"),
        ('{"prices": [{"input": 1}]}', "entry 1"),
        ('{"prices": [{"id": "a", "input": "much", "output": 1, "input_cached": 1}]}', "'much'"),
        ('{"prices": [{"id": "a", "input": -1, "output": 1, "input_cached": 1}]}', "negative"),
        ('{"prices": [{"id": "a", "input": 1, "output": 1}]}', "input_cached"),
        (
            '{"prices": [{"id": "a", "input": 1, "output": 1, "input_cached": 1},'
            ' {"id": "a", "input": 2, "output": 1, "input_cached": 1}]}',
            "entry 2",
        ),
    ],
)
def test_a_list_that_cannot_be_taken_is_named(tmp_path: Path, content: str, names: str) -> None:
    """What is wrong and in which entry; nothing is imported."""
    file = tmp_path / "prices.json"
    file.write_text(content)
    with pytest.raises(InvalidRequestError, match=names):
        read_price_list(file, DEFAULT_COLUMNS, "id")


def test_a_meter_without_the_dimension_is_refused(run: Run, price_file: Path) -> None:
    """Its events could never match."""
    assert run("meter", "create", "input_tokens").code == 0
    refused = run("rate", "import", price_file)
    assert refused.code != 0
    assert "input_tokens does not declare 'model'" in refused.err


def charge(tokens: int, price: Decimal) -> int:
    """Smallest units (scale 9) of tokens at a price per million, rounded half-even once, by fractions."""
    return round(Fraction(price) * tokens * 10**9 / 1_000_000)


@pytest.mark.parametrize("trace", REAL_TRACES, ids=lambda path: path.stem)
def test_real_traces_over_three_models_cost_an_independent_sum(run: Run, trace: Path) -> None:
    """The imported list, the real rows, three models in turn: equal to the last unit."""
    if not REAL_PRICES.is_file() or not trace.is_file():
        pytest.skip("the public LLM trace is not beside this checkout")
    prices = {each["id"]: each for each in json.loads(REAL_PRICES.read_text(), parse_float=Decimal)["prices"]}
    models = ["amazon-nova-micro", "amazon-nova-pro", "grok-4-fast"]
    report = run("rate", "import", REAL_PRICES, "--json").json()
    assert report["values"] == len(prices)
    assert report["repeated"] == ["grok-4-fast"]
    replayed = run(
        "replay", trace, "--time", "TIMESTAMP", "--meter", "ContextTokens=input_tokens",
        "--meter", "GeneratedTokens=output_tokens", "--accounts", 50, "--credit-type", "usd",
        "--dimension", f"model={','.join(models)}", "--json",
    )  # fmt: skip
    assert replayed.code == 0, replayed.err
    expected = rows = 0
    with trace.open() as file:
        for number, row in enumerate(csv.DictReader(file)):
            price = prices[models[number % 3]]
            expected += charge(int(row["ContextTokens"]), Decimal(price["input"]))
            expected += charge(int(row["GeneratedTokens"]), Decimal(price["output"]))
            rows += 1
    totals = replayed.json()
    assert (totals["rows"], totals["applied"], totals["refused"]) == (rows, 2 * rows, 0)
    assert Decimal(totals["credits_burned"]) == Decimal(expected).scaleb(-9)
    burned = sum(
        Decimal(grant["burned"])
        for account in run("account", "list", "--limit", 1000, "--json").json()
        for grant in run("grants", account["account"], "--json").json()
    )
    assert burned == Decimal(expected).scaleb(-9)
