"""Lists of grants that need more than one page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from drawdown.client.interface import Database

NewAccount = Callable[..., str]


def test_a_list_of_grants_is_whole_over_any_number_of_pages(
    database: Database, new_account: NewAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = new_account(database)
    names = [f"g{number}" for number in range(7)]
    for name in names:
        database.create_grant(account, "credits", 1, grant_id=name)
    for where in ("client.sync.GRANTS_PER_PAGE", "client.asyncio_connection.GRANTS_PER_PAGE"):
        monkeypatch.setattr(f"drawdown.{where}", 3)
    assert [each.grant_id for each in database.grants(account)] == names
