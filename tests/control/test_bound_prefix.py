"""A key bound to accounts by prefix: letter by letter, whatever the database takes for alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.embedded import EmbeddedDatabase
from drawdown.model.rights import Right
from drawdown.storage.key_file import KeyFile

from tests.server.processes import serving

from .conftest import SMALL, prepare

MINE = "team-a-1"
# As LIKE would have it, with capitals for small letters and letters for what is none.
FOREIGN = ("TEAM-A-1", "Team-a-1", "team_a-1", "team-b-1")


@pytest.fixture(scope="module")
def bound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """What a key for ``team-a`` sees of accounts that have all bought a pack."""
    folder: Path = tmp_path_factory.mktemp("prefix") / "data"
    with drawdown.open(folder, **SMALL) as opened:
        assert isinstance(opened, EmbeddedDatabase)
        prepare(opened)
        opened.create_pack("pack", name="pack", amount="10", prices=[{"currency": "USD", "amount": "5"}])
        for account in (MINE, *FOREIGN):
            opened.put_customer(account, payment_method="test_ok")
            opened.create_account(account, customer_id=account)
            opened.buy_pack(account, "pack", purchase_id=f"of-{account}")
    _, key = KeyFile(folder).create("bound", {Right.READ}, account_prefix="team-a")
    with serving(folder) as server, drawdown.connect(server.address, api_key=key) as connection:
        yield connection


def test_notices_of_other_accounts_are_not_read(bound: Database) -> None:
    found = {each.account for each in bound.notices().notices}
    assert {MINE} == found


def test_sales_of_other_accounts_are_not_summed(bound: Database) -> None:
    (sold,) = bound.report_sales().packs
    assert (sold.packs, sold.revenue.minor) == (1, 500)
