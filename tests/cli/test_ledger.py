"""``drawdown ledger``, ``explain`` and ``balance --at``, on a folder and against a server."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from drawdown import embedded
from drawdown.cli import exit_codes
from drawdown.cli.ledger_export import ROWS_PER_GROUP, export
from drawdown.cli.server_process import ServerProcess
from drawdown.errors import InvalidRequestError
from drawdown.model import LedgerEntry, instant_from_us
from pyarrow import parquet

from .conftest import Run


def fill(folder: Path) -> None:
    with embedded.open(folder) as database:
        database.create_credit_type("credits", scale=2)
        database.create_meter("tokens", dimensions=["model"])
        database.set_rate(table="default", meter="tokens", credit_type="credits", credits="0.5", per=10)
        for account in ("acme", "bravo"):
            database.create_account(account)
            database.create_grant(account, "credits", amount="10", grant_id="welcome", name="Welcome gift")
        for number in range(5):
            database.record(
                "acme", meter="tokens", quantity=40, event_id=f"e{number}", dimensions={"model": "large"}
            )


@pytest.fixture(params=["data", "target"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """The option that names a database with a short history."""
    fill(tmp_path / "filled")
    if request.param == "data":
        yield ["--data", str(tmp_path / "filled")]
    else:
        with ServerProcess(tmp_path / "filled") as server:
            yield ["--target", server.target]


def test_the_ledger_is_listed_newest_first(run: Run, where: list[str]) -> None:
    found = run("ledger", "acme", *where, "--kind", "usage", "--limit", 2, "--json").json()
    assert [entry["event_id"] for entry in found] == ["e4", "e3"]
    assert found[0]["charged"] == "2"
    assert found[0]["draws"] == [["welcome", "2"]]
    whole = run("ledger", "acme", *where, "--oldest-first")
    assert whole.code == 0
    assert whole.out.index("account_created") < whole.out.index("granted") < whole.out.index("usage")


def test_an_event_is_explained_to_people_and_programs(run: Run, where: list[str]) -> None:
    told = run("explain", "acme", "e1", *where, "--json").json()
    assert (told["balance_before"]["available"], told["balance_after"]["available"]) == ("8", "6")
    assert told["rate"]["sent"]["credits"] == "0.5"
    assert told["draws"][0]["name"] == "Welcome gift"
    people = run("explain", "acme", "e1", *where)
    assert people.code == 0
    for word in ("Welcome gift", "0.5 per 10", "available after", "model"):
        assert word in people.out
    unknown = run("explain", "acme", "e77", *where)
    assert unknown.code == exit_codes.INVALID
    assert "e77" in unknown.err


def test_a_balance_of_the_past(run: Run, where: list[str]) -> None:
    entries = run("ledger", "acme", *where, "--kind", "usage", "--oldest-first", "--json").json()
    at = entries[2]["received_at"]
    (balance,) = run("balance", "acme", "--at", at, *where, "--json").json()
    assert balance["available"] == "4"
    assert run("balance", "acme", "credits", "--at", "2001-01-01", *where).code == exit_codes.INVALID
    assert "not an instant" in run("balance", "acme", "--at", "yesterday", *where).err


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_ledger_goes_into_a_file(run: Run, where: list[str], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ledger.{suffix}"
    listed = run("ledger", "acme", *where, "--oldest-first", "--limit", 1000, "--json").json()
    assert run("ledger", "acme", *where, "--output", path, "--json").json()["entries"] == len(listed)
    charged = [None if entry["charged"] is None else Decimal(entry["charged"]) for entry in listed]
    if suffix == "csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["kind"] for row in rows] == [entry["kind"] for entry in listed]
        assert [Decimal(row["charged"]) if row["charged"] else None for row in rows] == charged
    elif suffix == "jsonl":
        assert [json.loads(line) for line in path.read_text().splitlines()] == listed
    else:
        table = parquet.read_table(path).to_pylist()
        assert [row["seq"] for row in table] == [entry["seq"] for entry in listed]
        assert [row["charged"] for row in table] == charged
        draws = [[(draw["grant_id"], draw["amount"]) for draw in row["draws"]] for row in table]
        assert draws == [[(grant, Decimal(units)) for grant, units in entry["draws"]] for entry in listed]
        assert [("welcome", Decimal(2))] in draws
    assert not list(tmp_path.glob("*.part"))


def test_every_account_goes_into_one_file(run: Run, where: list[str], tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    assert run("ledger", *where, "--prefix", "", "--output", path).code == 0
    accounts = [json.loads(line)["account"] for line in path.read_text().splitlines()]
    assert accounts == sorted(accounts) and set(accounts) == {"acme", "bravo"}


def test_what_cannot_be_written_is_said_and_leaves_nothing(
    run: Run, where: list[str], tmp_path: Path
) -> None:
    refused = run("ledger", "acme", *where, "--output", tmp_path / "ledger.xls")
    assert refused.code == exit_codes.INVALID and ".parquet" in refused.err
    assert run("ledger", *where).code == exit_codes.INVALID
    assert (
        run("ledger", "acme", *where, "--prefix", "a", "--output", tmp_path / "x.csv").code
        == exit_codes.INVALID
    )
    assert not list(tmp_path.glob("*.xls*")) and not list(tmp_path.glob("x.csv*"))


def test_what_goes_wrong_in_the_database_is_not_told_of_the_file(tmp_path: Path) -> None:
    def entries() -> Iterator[LedgerEntry]:
        yield LedgerEntry(seq=1, account="acme", kind="usage", received_at=instant_from_us(1))
        raise OSError(5, "a segment cannot be read")

    with pytest.raises(OSError, match="a segment cannot be read"):
        export(entries(), tmp_path / "ledger.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_is_told_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl.part").symlink_to("/dev/full")
    entry = LedgerEntry(seq=1, account="acme", kind="usage", received_at=instant_from_us(1))
    with pytest.raises(InvalidRequestError, match="cannot be written"):
        export(itertools.repeat(entry, 1000), tmp_path / "ledger.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_more_rows_than_a_group_holds_are_all_written(tmp_path: Path) -> None:
    count = 2 * ROWS_PER_GROUP + 7
    entries = (
        LedgerEntry(
            seq=seq,
            account="acme",
            kind="usage",
            received_at=instant_from_us(seq),
            charged=Decimal("9223372.036854775807"),
        )
        for seq in range(1, count + 1)
    )
    path = tmp_path / "many.parquet"
    assert export(entries, path) == count
    file = parquet.ParquetFile(path)
    assert file.metadata.num_rows == count and file.metadata.num_row_groups == 3
    assert file.read(columns=["charged"]).to_pylist()[-1] == {"charged": Decimal("9223372.036854775807")}
