"""Usage whose answer needs a scale: that is read before anything is sent, with the right to report usage."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import drawdown
import drawdown.aio
import pytest
from drawdown.client.interface import Database
from drawdown.model import UsageResult
from drawdown.model.rights import Right
from drawdown.storage.key_file import KeyFile

from tests.server.processes import ServerProcess, serving

from .conftest import prepare
from .forwarder import Forwarder, forwarding


class Reporter:
    """A server, and keys that hold the right to report usage alone, or every right."""

    def __init__(self, server: ServerProcess, root: str, ingest: str) -> None:
        self.server, self.root, self.ingest = server, root, ingest

    def everything(self) -> Database:
        return drawdown.connect(self.server.address, api_key=self.root)


@pytest.fixture(scope="module")
def reporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reporter]:
    data: Path = tmp_path_factory.mktemp("reporter") / "data"
    keys = KeyFile(data)
    _, root = keys.create("root", set(Right))
    _, ingest = keys.create("ingest", {Right.INGEST})
    with serving(data) as server:
        made = Reporter(server, root, ingest)
        with made.everything() as db:
            prepare(db)
            for account in ("a", "b"):
                db.create_account(account)
                db.create_grant(account, "credits", amount="100", grant_id="g")
                db.create_grant(account, "cents", amount="5.00", grant_id="c")
        yield made


def recorded(reporter: Reporter, form: str, *events: dict[str, Any]) -> list[UsageResult]:
    """The events recorded one by one on a connection that knows nothing yet, with ``ingest`` alone."""
    if form == "threads":
        with drawdown.connect(reporter.server.address, api_key=reporter.ingest) as db:
            return [db.record(**event) for event in events]
    if form == "threads, batch":
        with drawdown.connect(reporter.server.address, api_key=reporter.ingest) as db:
            return db.record_batch(events)
    return asyncio.run(awaited(reporter, form, events))


async def awaited(reporter: Reporter, form: str, events: tuple[dict[str, Any], ...]) -> list[UsageResult]:
    async with drawdown.aio.connect(reporter.server.address, api_key=reporter.ingest) as db:
        if form == "awaited, batch":
            return await db.record_batch(events)
        return [await db.record(**event) for event in events]


FORMS = ["threads", "threads, batch", "awaited", "awaited, batch"]


@pytest.mark.parametrize("form", FORMS)
def test_the_right_to_report_usage_is_enough_to_report_it(reporter: Reporter, form: str) -> None:
    """Metered, priced in types of several scales, debited directly, and refused: each has its answer."""
    with reporter.everything() as db:
        before = db.balance("a", "credits").available
    calls, small, large, direct, absent, unpriced = recorded(
        reporter,
        form,
        {"account": "a", "meter": "calls"},
        {"account": "a", "meter": "pages", "dimensions": {"size": "a4"}},
        {"account": "a", "meter": "pages", "dimensions": {"size": "a3"}},
        {"account": "a", "credit_type": "cents", "credits": "0.10"},
        {"account": "nobody", "meter": "pages", "dimensions": {"size": "a4"}},
        {"account": "a", "meter": "nothing"},
    )
    assert (calls.status, calls.charged, calls.available) == ("OK", 1, before - 1)
    assert (small.charged, large.charged) == (Decimal("0.000000001"), Decimal("0.25"))
    assert (direct.charged, direct.status) == (Decimal("0.10"), "OK")
    assert (absent.status, unpriced.status) == ("ACCOUNT_UNKNOWN", "METER_UNKNOWN")


def test_a_price_made_after_it_was_looked_for_is_found(reporter: Reporter) -> None:
    """A meter whose usage was refused for want of a price may be priced later, in any scale."""

    async def both(name: str) -> None:
        with drawdown.connect(reporter.server.address, api_key=reporter.ingest) as db:
            async with drawdown.aio.connect(reporter.server.address, api_key=reporter.ingest) as aio:
                assert db.record("b", name).status == "METER_UNKNOWN"
                assert (await aio.record("b", name)).status == "METER_UNKNOWN"
                with reporter.everything() as root:
                    root.create_meter(name)
                    root.set_rate(meter=name, credits="0.25", credit_type="cents")
                assert db.record("b", name).charged == Decimal("0.25")
                assert (await aio.record("b", name)).charged == Decimal("0.25")

    asyncio.run(both("later"))


def test_a_reporter_is_told_scales_and_no_prices(reporter: Reporter) -> None:
    with drawdown.connect(reporter.server.address, api_key=reporter.ingest) as db:
        catalog, account = db.catalog(), db.account("a")
        with pytest.raises(drawdown.AccountNotFoundError):
            db.account("nobody")
        for refused in (lambda: db.balances("a"), lambda: db.accounts(), lambda: db.grants("a")):
            with pytest.raises(drawdown.PermissionDeniedError):
                refused()
    assert {each.name: each.scale for each in catalog.credit_types} == {"credits": 9, "cents": 2}
    rates = [rate for table in catalog.rate_tables for rate in table.rates]
    assert {rate.meter for rate in rates} >= {"calls", "pages", "tokens"}
    assert all(rate.credits is None and not rate.tiers for rate in rates)
    assert (account.rate_table, account.credit_types) == ("default", ())


SHED = drawdown.OverloadedError("shed before anything was read")


def sent_past(reporter: Reporter, form: str, proxy: Forwarder) -> drawdown.DrawdownError:
    """What recording one event raises when it goes through the proxy."""

    async def awaited_record() -> None:
        async with drawdown.aio.connect(proxy.address, api_key=reporter.ingest, timeout_s=1) as db:
            await db.record_batch([{"account": "b", "meter": "calls", "event_id": "shed"}])

    with pytest.raises(drawdown.DrawdownError) as raised:
        if form == "awaited":
            asyncio.run(awaited_record())
        else:
            with drawdown.connect(proxy.address, api_key=reporter.ingest, timeout_s=1) as db:
                db.record("b", "calls", event_id="shed")
    return raised.value


@pytest.mark.parametrize("form", ["threads", "awaited"])
def test_nothing_is_sent_while_its_scale_cannot_be_read(reporter: Reporter, form: str) -> None:
    with forwarding(reporter.server.address) as proxy:
        proxy.instead = lambda method, _: SHED if method == "Query" else None
        assert sent_past(reporter, form, proxy).definite
        assert proxy.calls("RecordUsage") == 0


def test_what_fails_after_the_ack_is_not_definite(reporter: Reporter) -> None:
    """A meter gets its price between the look for it and the event, and then the catalog cannot be read."""
    with (
        reporter.everything() as root,
        forwarding(reporter.server.address) as proxy,
        drawdown.connect(proxy.address, api_key=reporter.ingest, timeout_s=1) as db,
    ):
        assert db.record("b", "soon").status == "METER_UNKNOWN"
        root.create_meter("soon")
        root.set_rate(meter="soon", credits="1")
        proxy.instead = lambda method, _: SHED if method == "Query" else None
        with pytest.raises(drawdown.OverloadedError) as raised:
            db.record("b", "soon", event_id="applied")
        assert not raised.value.definite
        proxy.forget()
        assert db.record("b", "soon", event_id="applied").status == "DUPLICATE"


def test_a_batch_of_several_messages_is_not_definite_once_one_was_sent(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second message is refused before anything of it is written; the first one was applied."""
    monkeypatch.setattr("drawdown.client.sync.BATCH_EVENTS_MAX", 2)
    with (
        forwarding(reporter.server.address) as proxy,
        drawdown.connect(proxy.address, api_key=reporter.ingest, timeout_s=1) as db,
    ):
        proxy.instead = lambda method, number: SHED if method == "RecordUsage" and number > 1 else None
        with pytest.raises(drawdown.OverloadedError) as raised:
            db.record_batch([{"account": "b", "meter": "calls"}] * 3)
        assert not raised.value.definite
