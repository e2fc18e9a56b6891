"""Notices pushed as they are stored: in order, each once, from a cursor, through every door."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import drawdown
import drawdown.aio
import grpc
import pytest
from drawdown.cli.server_process import ServerProcess, free_port
from drawdown.client.interface import Database
from drawdown.errors import InvalidRequestError, PreconditionError
from drawdown.model import commands
from drawdown.model.instants import us_from_instant
from drawdown.notices.requests import FeedNotice
from drawdown.storage.sql.finished import Finished
from drawdown.v1 import notice_pb2, notice_pb2_grpc

from .waiting import wait_until

Name = Callable[[str], str]
PRESENT = ["balance.depleted", "balance.recovered"]


def swing(db: Database, account: str, name: Name, times: int, first: int = 0) -> None:
    """Fill the account and empty it, again and again."""
    for number in range(first, first + times):
        assert db.create_grant(account, "credits", amount="1", grant_id=name(f"g{number}"))
        assert db.record(account, credit_type="credits", credits="1", event_id=name(f"e{number}")).applied


def take(watch: Iterator[FeedNotice], count: int) -> list[FeedNotice]:
    return list(itertools.islice(watch, count))


def test_a_watch_tells_what_is_stored_from_now_on(db: Database, account: str, name: Name) -> None:
    """Nothing from before; of the account and the kinds asked for; the same as the feed lists."""
    swing(db, account, name, 1)
    list(wait_for(db, account, 1))
    other = name("other")
    db.create_account(other)
    with db.watch_notices(account, kinds=["balance.*"]) as watch:
        swing(db, other, name, 1, first=5)
        swing(db, account, name, 2, first=1)
        told = take(watch, 4)
    assert [each.kind for each in told] == ["balance.recovered", "balance.depleted"] * 2
    assert {each.account for each in told} == {account}
    listed = db.notices(account, kinds=["balance.*"], after=told[0].cursor - 1).notices
    assert list(listed) == told


def wait_for(db: Database, account: str, count: int) -> Iterator[FeedNotice]:
    with db.watch_notices(account, kinds=PRESENT, after=0) as watch:
        yield from take(watch, count)


def test_a_watch_goes_on_behind_a_cursor(db: Database, account: str, name: Name) -> None:
    """What came while nobody watched is told first; nothing twice, nothing missing."""
    swing(db, account, name, 2)
    with db.watch_notices(account, kinds=PRESENT, after=0) as watch:
        first = take(watch, 2)
    swing(db, account, name, 2, first=2)
    with db.watch_notices(account, kinds=PRESENT, after=first[-1].cursor) as watch:
        rest = take(watch, 5)
    kinds = [each.kind for each in first + rest]
    assert kinds == ["balance.depleted"] + ["balance.recovered", "balance.depleted"] * 3
    cursors = [each.cursor for each in first + rest]
    assert cursors == sorted(set(cursors))


def test_more_than_a_page_is_told_in_order(db: Database, account: str, name: Name) -> None:
    swing(db, account, name, 130)
    with db.watch_notices(account, kinds=PRESENT, after=0) as watch:
        told = take(watch, 259)
    assert [each.kind for each in told[1:]] == ["balance.recovered", "balance.depleted"] * 129


def test_an_unknown_kind_is_named_and_closing_ends_the_watch(db: Database, account: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        db.watch_notices(account, kinds=["balance.lo"])
    assert raised.value.field == "kinds"
    watch = db.watch_notices(account)
    ended = threading.Event()

    def read() -> None:
        assert list(watch) == []
        ended.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    time.sleep(0.05)
    watch.close()
    assert ended.wait(10)


def test_awaited_too(server: ServerProcess, name: Name) -> None:
    with drawdown.connect(server.target) as db:
        db.create_account(name("a"))
        swing(db, name("a"), name, 2)

    async def read() -> list[FeedNotice]:
        async with drawdown.aio.connect(server.target) as connection:
            found = []
            async for notice in connection.watch_notices(name("a"), kinds=PRESENT, after=0):
                found.append(notice)
                if len(found) == 3:
                    break
            return found

    assert [each.kind for each in asyncio.run(read())] == [PRESENT[0], PRESENT[1], PRESENT[0]]


def test_from_debit_to_watcher_in_milliseconds(server: ServerProcess, name: Name) -> None:
    """No poll lies on the way: debit, crossing, notice, push."""
    with drawdown.connect(server.target) as db:
        account = name("quick")
        db.create_account(account)
        took = []
        with db.watch_notices(account, kinds=["balance.depleted"]) as watch:
            for number in range(10):
                db.create_grant(account, "credits", amount="1", grant_id=f"g{number}")
                began = time.monotonic()
                db.record(account, credit_type="credits", credits="1", event_id=f"e{number}")
                next(watch)
                took.append(time.monotonic() - began)
                time.sleep(0.02)
    # Typically some 10 ms; polls of 100 ms would be 50 in the middle, this machine is shared.
    assert statistics.median(took) < 0.1, took


def test_a_drain_ends_the_stream_and_a_restart_goes_on(tmp_path: Path) -> None:
    """The stream ends with OK; a watch outlives its server and misses nothing."""
    settings = {"segment_bytes": str(1 << 20), "reserve_bytes": "0"}
    names = "{}".format
    listen = f"127.0.0.1:{free_port()}"
    with (
        ServerProcess(tmp_path / "data", listen=listen, settings=settings) as process,
        drawdown.connect(process.target) as db,
    ):
        db.create_credit_type("credits")
        db.create_account("acme")
        swing(db, "acme", names, 1)
        watch = db.watch_notices("acme", kinds=PRESENT, after=0)
        assert next(watch).kind == "balance.depleted"
        with grpc.insecure_channel(process.target) as channel:
            stub = notice_pb2_grpc.NoticeServiceStub(channel)
            raw = stub.WatchNotices(notice_pb2.WatchNoticesRequest(account="acme"))
            assert next(raw).next > 0
            assert process.stop() == 0
            assert list(raw) == []
            assert raw.code() is grpc.StatusCode.OK
        process.start()
        swing(db, "acme", names, 1, first=1)
        assert [next(watch).kind for _ in range(2)] == ["balance.recovered", "balance.depleted"]
        watch.close()


def test_a_watch_that_was_open_all_the_time_has_missed_nothing_after_a_restart(tmp_path: Path) -> None:
    """Its account had no notice for long, and what others were told of is not kept any more."""
    settings = {"segment_bytes": str(1 << 20), "reserve_bytes": "0"}
    listen = f"127.0.0.1:{free_port()}"
    with (
        ServerProcess(tmp_path / "data", listen=listen, settings=settings) as process,
        drawdown.connect(process.target) as db,
    ):
        db.create_credit_type("credits")
        for account in ("quiet", "busy"):
            db.create_account(account)
        swing(db, "quiet", "q{}".format, 1)
        list(wait_for(db, "quiet", 1))
        watch = db.watch_notices("quiet", kinds=PRESENT)
        began = db.notices().next
        swing(db, "busy", "b{}".format, 5)
        wait_until(lambda: len(db.notices("busy", kinds=["balance.depleted"]).notices) == 5)
        told: list[FeedNotice] = []
        reading = threading.Thread(target=lambda: told.extend(take(watch, 1)))
        reading.start()
        assert process.stop() == 0
        # A watch that comes back at once would else be there before anything is forgotten.
        with drawdown.open(tmp_path / "data", segment_bytes=1 << 20, reserve_bytes=0) as opened:
            before = opened.notices("busy", kinds=["balance.depleted"]).notices[-1].at
            with opened._control_plane().sql.transaction() as work:
                Finished(work.connection, work.series).forget_notices(
                    us_from_instant(before) + 1, 1_000, 1_000
                )
            assert is_forgotten(opened, began)
        process.start()
        swing(db, "quiet", "q{}".format, 1, first=1)
        reading.join(20)
        assert [each.account for each in told] == ["quiet"]
        assert watch.cursor >= told[0].cursor - 1
        watch.close()


def is_forgotten(db: Database, cursor: int) -> bool:
    """Whether notices behind it are not kept any more."""
    try:
        db.notices(after=cursor)
    except PreconditionError as refused:
        return refused.reason == "CURSOR_FORGOTTEN"
    return False


def test_a_stream_without_notices_is_told_how_far_the_feed_has_come(db: Database, name: Name) -> None:
    """Not only at the end: after very many of others, and so a watch knows where to go on."""
    for account in ("quiet", "busy"):
        db.create_account(name(account))
    with db.watch_notices(name("quiet")) as watch:
        began = watch.cursor
        reading = threading.Thread(target=lambda: take(watch, 1))
        reading.start()
        grants = [
            commands.CreateGrant(
                account=name("busy"), grant=commands.grant_input(name(f"g{number}"), "credits", "1")
            )
            for number in range(600)
        ]
        db.execute(grants)
        wait_until(lambda: watch.cursor >= began + 1_000)
    reading.join(10)
    assert not reading.is_alive()
