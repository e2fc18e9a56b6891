"""Customers, page by page, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import drawdown
import pytest
from drawdown.billing.requests import Customers, ListCustomers
from drawdown.client.interface import Database
from drawdown.model.rights import Right
from drawdown.storage.key_file import KeyFile

from tests.server.processes import serving

IDS = [f"cus_{number:03}" for number in range(7)] + ["CUS_a", "other"]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("customers") / "data"
    with drawdown.open(folder, segment_bytes=1 << 20, reserve_bytes=0) as opened:
        for customer_id in reversed(IDS):
            opened.put_customer(customer_id, name=f"Name of {customer_id}")
        yield opened


def test_pages_hold_every_customer_once(database: Database) -> None:
    found: list[str] = []
    while page := database.customers(after=found[-1] if found else "", limit=4):
        assert len(page) <= 4
        found += [each.customer_id for each in page]
    assert found == sorted(IDS)


def test_a_prefix_is_letter_by_letter(database: Database) -> None:
    """SQLite's LIKE would find CUS_a too, and take the underscore for any letter."""
    assert [each.customer_id for each in database.customers("cus_")] == IDS[:7]
    assert [each.customer_id for each in database.customers("cusX")] == []


def test_a_limit_is_brought_into_its_range(database: Database) -> None:
    assert len(database.customers(limit=0)) == 1
    assert len(database.customers(limit=10**6)) == len(IDS)


def test_a_bound_key_sees_those_under_its_prefix(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with drawdown.open(folder, segment_bytes=1 << 20, reserve_bytes=0) as opened:
        for customer_id in IDS:
            opened.put_customer(customer_id)
    _, bound = KeyFile(folder).create("bound", {Right.READ}, account_prefix="cus_")
    with serving(folder) as server, drawdown.connect(server.address, api_key=bound) as connection:
        assert [each.customer_id for each in connection.customers()] == IDS[:7]
        answer: Customers = connection.control(ListCustomers(prefix="other"))
        assert answer.customers == ()
