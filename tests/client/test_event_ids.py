"""Ids that the client makes up, and what goes into a batch."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import drawdown
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database
from drawdown.client.usage_event import UsageEvent, event_from, seal
from drawdown.errors import InvalidRequestError
from drawdown.model import new_event_id, now_us


def test_made_up_ids_are_canonical_random_uuids() -> None:
    """Version 4, lower case, never the same: the form that columns carry in 16 bytes."""
    ids = [new_event_id() for _ in range(2000)]
    assert len(set(ids)) == len(ids)
    for each in ids:
        parsed = uuid.UUID(each)
        assert (str(parsed), parsed.version, parsed.variant) == (each, 4, uuid.RFC_4122)


def test_only_events_without_an_id_are_stamped() -> None:
    """A caller who repeats an id must not send another time with it: that would be a conflict."""
    before = now_us()
    stamped = seal(UsageEvent(account="a", meter="m"), lambda _: 9)
    assert stamped.time_us is not None
    assert before <= stamped.time_us <= now_us()
    assert seal(UsageEvent(account="a", meter="m", event_id="e"), lambda _: 9).time_us is None
    instant = datetime(2026, 3, 1, tzinfo=UTC)
    given = seal(UsageEvent(account="a", meter="m", time=instant), lambda _: 9)
    assert given.time_us == 1_772_323_200_000_000


def test_what_has_no_id_and_no_time_takes_the_accounts_own_clock(database: Database) -> None:
    """An account that lives in 2020, and one in 2040: no clock of the caller's says their time."""
    for year in (2020, 2040):
        account, begin = f"own-clock-{year}", datetime(year, 3, 1, tzinfo=UTC)
        database.create_account(account, test_clock=begin)
        database.create_grant(account, "credits", amount="5", grant_id="g", expires_at=begin.replace(month=5))
        assert database.record(account, "calls").status == "OK"
        database.advance_clock(account, begin.replace(month=4))
        assert [each.status for each in database.record_batch([{"account": account, "meter": "calls"}])] == [
            "OK"
        ]
        assert database.balance(account, "credits").available == 3
        events = database.ledger(account, kinds=["usage"], oldest_first=True)
        assert [each.received_at.month for each in events] == [3, 4]


def test_an_own_clock_is_known_also_from_commands_given_as_mappings(
    database: Database, server: ServerProcess
) -> None:
    """Stamped with the clock of this machine their usage would be years too early, or too late."""
    begin, later = (int(datetime(2040, month, 1, tzinfo=UTC).timestamp()) * 1_000_000 for month in (3, 4))

    def group(account: str) -> list[dict[str, Any]]:
        grant = {"grant_id": "g", "credit_type": "credits", "amount": "5"}
        return [
            {"type": "create_account", "account": account, "test_clock": begin},
            {"type": "create_grant", "account": account, "grant": grant},
        ]

    async def story() -> tuple[str, str]:
        async with drawdown.aio.connect(server.target) as db:
            await db.execute(group("awaited-mapping"))
            first = await db.record("awaited-mapping", "calls")
            await db.execute([{"type": "advance_clock", "account": "awaited-mapping", "to": later}])
            return first.status, (await db.record("awaited-mapping", "calls")).status

    account = f"mapping-{type(database).__name__}"
    assert all(each.status == "OK" for each in database.execute(group(account)))
    assert database.record(account, "calls").status == "OK"
    assert asyncio.run(story()) == ("OK", "OK")


def test_an_event_from_a_mapping_knows_its_fields() -> None:
    """Unknown and missing fields are named."""
    assert event_from({"account": "a", "meter": "m"}) == UsageEvent(account="a", meter="m")
    for fields, named in (({"account": "a", "metre": "m"}, "metre"), ({"meter": "m"}, "account")):
        with pytest.raises(InvalidRequestError) as refused:
            event_from(fields)
        assert refused.value.field == named


def test_a_recorder_leaves_the_time_to_the_accounts_own_clock(database: Database) -> None:
    """Created and advanced on this connection while the recorder is open: its clock says when it was."""
    with database.recorder() as recorder:
        database.create_account("recorded", test_clock=datetime(2020, 3, 1, tzinfo=UTC))
        database.create_grant("recorded", "credits", amount="5", grant_id="g")
        recorder.record("recorded", "calls")
        recorder.flush(timeout_s=30)
        database.advance_clock("recorded", datetime(2040, 4, 1, tzinfo=UTC))
        recorder.record("recorded", "calls")
    assert (recorder.totals.applied, recorder.totals.refused) == (2, 0)
    events = database.ledger("recorded", kinds=["usage"], oldest_first=True)
    assert [each.received_at.year for each in events] == [2020, 2040]


def test_an_awaited_recorder_does_too(server: ServerProcess) -> None:
    async def story() -> list[int]:
        async with drawdown.aio.connect(server.target) as db:
            await db.create_account("awaited", test_clock=datetime(2020, 3, 1, tzinfo=UTC))
            await db.create_grant("awaited", "credits", amount="5", grant_id="g")
            async with db.recorder() as recorder:
                await recorder.record("awaited", "calls")
            assert (recorder.totals.applied, recorder.totals.refused) == (1, 0)
            return [each.received_at.year async for each in db.ledger("awaited", kinds=["usage"])]

    assert asyncio.run(story()) == [2020]
