"""What is over is forgotten after its time, and nobody who still needs something misses it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import drawdown
import msgspec
import pytest
import sqlalchemy as sa
from drawdown.embedded import EmbeddedDatabase
from drawdown.errors import PreconditionError
from drawdown.model.decision import Job
from drawdown.runtime.control.retention import Retention, finished_of
from drawdown.storage.sql import open_sql
from drawdown.storage.sql.database import migrate, open_engine, url_of
from drawdown.storage.sql.tables.flow import job, notice, outbox
from drawdown.storage.sql.tables.notices import webhook_delivery

from tests.notices.receiver import Receiver

from .conftest import SMALL, START, prepare
from .crash_stories import STORIES, state
from .crash_stories import prepare as prepare_stories
from .crash_story import ENGINE
from .plans import published
from .test_restored_engine import keep_engine, put_back
from .waiting import wait_until

LATER = 2**62


def forget_everything(database: EmbeddedDatabase, rows: int = 500) -> int:
    """All that is over, however young; answers how many rows."""
    taken = 0
    with database._control_plane().sql.transaction() as work:
        finished = finished_of(work)
        for forget in (finished.forget_jobs, finished.forget_deliveries, finished.forget_commands):
            taken += forget(LATER, rows)
    return taken


def count(database: EmbeddedDatabase, table: sa.Table, *where: Any) -> int:
    with database._control_plane().sql.transaction() as work:
        return int(
            work.connection.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one()
        )


@contextmanager
def forgetting(database: EmbeddedDatabase) -> Iterator[list[int]]:
    """All the time, beside what is going on."""
    taken, stop = [0], threading.Event()

    def work() -> None:
        while not stop.is_set():
            taken[0] += forget_everything(database)
            stop.wait(0.002)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield taken
    finally:
        stop.set()
        worker.join()


@pytest.mark.parametrize("story", STORIES)
def test_nothing_happens_again_because_its_job_was_forgotten(story: str, tmp_path: Path) -> None:
    """A story told twice, forgetting all the time what is over, ends as one that forgets nothing."""
    ends = []
    forgotten = 0
    for name in ("kept", "forgotten"):
        with drawdown.open(tmp_path / name, finished_retention_s=0, **ENGINE) as database:
            prepare_stories(database)
            for _ in range(2):
                if name == "kept":
                    STORIES[story](database)
                    continue
                with forgetting(database) as taken:
                    STORIES[story](database)
                forgotten += taken[0] + forget_everything(database)
            ends.append(msgspec.json.encode(state(database), order="deterministic"))
            assert database.verify("acme")
            assert database._control_plane().delivery.refused == 0
    assert forgotten > 5
    assert ends[0] == ends[1]


def test_what_was_kept_long_enough_goes_and_nothing_else(tmp_path: Path, db_url: str) -> None:
    """A few rows at a time; young ones, waiting ones, parked ones and the newest of each table stay."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as database:
        prepare(database)
        plane = database._control_plane()
        published(database, "pro")
        database.put_customer("c", payment_method="test_ok")
        database.create_account("acme", customer_id="c", test_clock=START)
        database.subscribe("acme", "pro", subscription_id="s")
        database.advance_clock("acme", START + timedelta(days=400))
        parked = Job(kind="none", key="parked", lane="parked", account="", due_at=START)
        with plane.sql.transaction() as work:
            work.jobs.put(parked, clock="", due_us=LATER)
            work.connection.execute(sa.update(job).where(job.c.key == "parked").values(state="parked"))
        jobs, groups, told = count(database, job), count(database, outbox), count(database, notice)
        assert min(jobs, groups, told) > 30
        Retention(plane, finished_s=60, notices_s=60).step()
        assert (count(database, job), count(database, outbox)) == (jobs, groups)
        # The relay tells of the last grants meanwhile.
        assert count(database, notice) >= told
        with plane.sql.transaction() as work:
            assert finished_of(work).forget_jobs(LATER, 10) == 10
        assert count(database, job) == jobs - 10

        before = plane.now_us
        plane.now_us = lambda: before() + 61_000_000  # type: ignore[method-assign]
        retention = Retention(plane, finished_s=60, notices_s=0)
        assert retention.step() == 60
        assert count(database, job, job.c.state == "done") <= 1
        assert count(database, job, job.c.state.in_(("due", "parked"))) >= 3
        assert count(database, outbox) == 1
        assert count(database, notice) >= told
        assert retention.forgotten > 50
        plane.now_us = before  # type: ignore[method-assign]
        database.advance_clock("acme", START + timedelta(days=431))
        assert len(database.invoices("acme")) == 15
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as database:
        database.advance_clock("acme", START + timedelta(days=462))
        assert len(database.invoices("acme")) == 16
        assert database.verify("acme")


def test_the_settings_start_and_bound_it(tmp_path: Path) -> None:
    """With a second to live, all is gone by itself; for ever is the other end."""
    with drawdown.open(tmp_path / "short", finished_retention_s=1, **SMALL) as database:
        prepare(database)
        published(database, "pro", type="free", base_fee=[])
        database.create_account("acme", test_clock=START)
        database.subscribe("acme", "pro", subscription_id="s")
        database.advance_clock("acme", START + timedelta(days=200))
        wait_until(lambda: count(database, outbox) == 1 and count(database, job, job.c.state == "done") <= 1)
        assert count(database, notice) > 10
    with drawdown.open(tmp_path / "ever", finished_retention_s=0, **SMALL) as database:
        prepare(database)
        assert database._retention is None


def test_an_engine_older_than_the_commands_that_are_kept_is_refused(tmp_path: Path, db_url: str) -> None:
    """It could not be brought to where the rows are; one that has them all goes on."""
    data, kept, newer = tmp_path / "data", tmp_path / "kept", tmp_path / "newer"
    settings = {"db": db_url, **SMALL}
    with drawdown.open(data, **settings) as database:
        prepare(database)
        database.create_account("acme", customer_id="c")
        database.put_customer("c", payment_method="test_ok")
    keep_engine(data, kept)
    with drawdown.open(data, **settings) as database:
        published(database, "pro")
        database.subscribe("acme", "pro", subscription_id="s")
        assert forget_everything(database) > 3
    keep_engine(data, newer)
    put_back(data, kept)
    with pytest.raises(PreconditionError, match="finished_retention_s") as raised:
        drawdown.open(data, **settings).subscriptions("acme")
    assert raised.value.reason == "COMMANDS_FORGOTTEN"
    put_back(data, newer)
    with drawdown.open(data, **settings) as database:
        assert database.subscription("s").state == "active"
        assert database.grants("acme")


@pytest.fixture
def told(tmp_path: Path, db_url: str) -> Iterator[EmbeddedDatabase]:
    """Two accounts with a notice each, and one more, in turns; nothing is forgotten by itself."""
    settings = {"db": db_url, "finished_retention_s": 0, "webhook_allow_private": True, **SMALL}
    with drawdown.open(tmp_path / "data", **settings) as database:
        database.create_credit_type("credits")
        for account in ("one", "two"):
            database.create_account(account)
        yield database


def grant(database: EmbeddedDatabase, account: str, grant_id: str) -> None:
    """A grant and the notice of it."""
    seen = database.notices(account).next
    database.create_grant(account, "credits", "1", grant_id=grant_id)
    wait_until(lambda: bool(database.notices(account, kinds=["grant.created"], after=seen).notices))


def forget_notices(database: EmbeddedDatabase) -> int:
    """All that may be forgotten."""
    plane = database._control_plane()
    before = plane.now_us
    plane.now_us = lambda: before() + 3_600_000_000  # type: ignore[method-assign]
    retention = Retention(plane, finished_s=0, notices_s=60)
    retention.step()
    plane.now_us = before  # type: ignore[method-assign]
    return retention.forgotten


def spread(database: EmbeddedDatabase) -> Callable[[], bool]:
    """Whether all notices have been given to the endpoints."""

    def holds() -> bool:
        with database._control_plane().sql.transaction() as work:
            return work.series.cursor("webhooks") == work.notices.last_row()

    return holds


def test_a_reader_who_was_away_too_long_is_told_so(told: EmbeddedDatabase) -> None:
    """Who comes regularly never is, however rare its notices; who begins gets what there is."""
    grant(told, "one", "g-1")
    away = told.notices("one")
    assert away.next
    for number in range(4):
        grant(told, "two", f"g-{number}")
        regular = told.notices("one", after=away.next)
        assert not regular.notices
    wait_until(spread(told))
    assert forget_notices(told) > 3
    with pytest.raises(PreconditionError) as raised:
        told.notices("one", after=away.notices[0].cursor)
    assert (raised.value.reason, raised.value.field) == ("CURSOR_FORGOTTEN", "after")
    with pytest.raises(PreconditionError, match="notice_retention_s"):
        next(iter(told.watch_notices("one", after=away.notices[0].cursor)))
    assert not told.notices("one", after=regular.next).notices
    rest = told.notices()
    assert len(rest.notices) == 1, "the newest stays, whatever its age"
    grant(told, "one", "g-2")
    kinds = [each.kind for each in told.notices("one", after=regular.next).notices]
    assert "grant.created" in kinds
    ids = [int(each.notice_id.removeprefix("notice-")) for each in told.notices().notices]
    assert min(ids) >= rest.notices[0].cursor, "no number is given out twice"


def test_a_notice_waits_for_its_endpoints_and_takes_its_deliveries_along(told: EmbeddedDatabase) -> None:
    """Not spread or not delivered yet: it stays. Delivered or parked: both go."""
    with Receiver() as receiver:
        receiver.answers += [(503, {}, b"")]
        told.create_webhook_endpoint("hook", receiver.url, kinds=["grant.created"])
        grant(told, "one", "g-1")
        wait_until(lambda: [each.attempts for each in told.webhook_deliveries("hook").deliveries] == [1])
        (waiting,) = told.webhook_deliveries("hook").deliveries
        first = int(waiting.notice_id.removeprefix("notice-"))
        grant(told, "two", "g-1")
        wait_until(spread(told))
        wait_until(lambda: len(told.webhook_deliveries("hook", state="delivered").deliveries) == 1)
        forget_notices(told)
        assert {waiting.notice_id} <= {each.notice_id for each in told.notices().notices}
        assert count(told, notice, notice.c.row < first) == 0

        receiver.answers += [(410, {}, b"")]
        told.redeliver("hook", waiting.notice_id)
        wait_until(partial(count, told, webhook_delivery, webhook_delivery.c.state == "parked"))
        grant(told, "two", "g-2")
        wait_until(spread(told))
        wait_until(lambda: len(told.webhook_deliveries("hook", state="delivered").deliveries) == 2)
        forget_notices(told)
        assert not told.webhook_deliveries("hook", state="parked").deliveries
        with pytest.raises(drawdown.NotFoundError):
            told.redeliver("hook", waiting.notice_id)


def test_rows_of_before_are_kept_as_if_they_had_just_ended(tmp_path: Path, db_url: str) -> None:
    """Whoever upgrades loses nothing at once: when a row ended was not written before."""
    engine = open_engine(url_of(db_url, str(tmp_path)))
    migrate(engine, "0009")
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO job"
                " (key, kind, lane, clock, due_at, rank, state, attempts, not_before, failure, body)"
                " VALUES ('a','k','l','',1,1,'done',0,0,'','{}'), ('b','k','l','',1,1,'done',0,0,'','{}'),"
                " ('c','k','l','',1,1,'due',0,0,'','{}')"
            )
        )
        connection.execute(
            sa.text(
                "INSERT INTO outbox (account, commands, state, seq)"
                " VALUES ('a','[]','done',7), ('a','[]','done',8)"
            )
        )
    engine.dispose()
    sql = open_sql(db_url, str(tmp_path))
    with sql.transaction() as work:
        now_us = int(work.connection.execute(sa.select(sa.func.max(job.c.finished_at))).scalar_one())
        finished = finished_of(work)
        assert (finished.forget_jobs(now_us, 9), finished.forget_commands(now_us, 9)) == (0, 0)
        assert (finished.forget_jobs(now_us + 1, 9), finished.forget_commands(now_us + 1, 9)) == (2, 1)
        assert work.jobs.counts() == {"due": 1, "parked": 0}
        assert (work.outbox.last_seq(), work.series.cursor("commands_forgotten")) == (8, 7)
    sql.close()
