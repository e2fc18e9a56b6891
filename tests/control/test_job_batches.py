"""Many jobs in one transaction: a lane in order, the engine never read behind its back, faults alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from drawdown.billing.balances import MoneyBalance
from drawdown.billing.invoice import Invoice
from drawdown.engine import Engine
from drawdown.errors import UnavailableError
from drawdown.model import commands
from drawdown.model.decision import Job
from drawdown.model.instants import instant_from_us, now_us, us_from_instant
from drawdown.model.money import Money
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.runtime.control.job_batch import JobBatch
from drawdown.runtime.control.registry import JOBS, carries_out
from drawdown.storage.sql import open_sql
from drawdown.storage.sql.documents import Since

Name = Callable[[str], str]


@contextmanager
def kind_of(name: str, handler: Any, **how: Any) -> Iterator[str]:
    """A kind of job for the length of a test."""
    carries_out(name, **how)(handler)
    try:
        yield name
    finally:
        del JOBS[name]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane without a scheduler: nobody but the test runs its jobs."""
    yield from alone(str(tmp_path_factory.mktemp("batches") / "data"), "")


def alone(folder: str, url: str) -> Iterator[ControlPlane]:
    """A control plane over a new engine, its tables where ``url`` says."""
    with Engine.open(folder, {"segment_bytes": 1 << 20, "reserve_bytes": 0}) as engine:
        engine.create_credit_type("credits")
        opened = ControlPlane(engine, open_sql(url, folder))
        yield opened
        opened.close()


def put(plane: ControlPlane, kind: str, key: str, lane: str, turn: int = 0, **payload: Any) -> None:
    """A job that was due long ago, so that no other's look comes first."""
    due = instant_from_us(now_us()) - timedelta(days=1) + timedelta(microseconds=turn)
    job = Job(kind=kind, key=key, lane=lane, account="", due_at=due, payload=payload)
    with plane.sql.transaction() as work:
        assert work.jobs.put(job, clock="", due_us=us_from_instant(due))


def states(plane: ControlPlane, kind: str) -> dict[str, int]:
    """Attempts of the jobs of a kind that still wait."""
    with plane.sql.transaction() as work:
        heads = work.jobs.heads("", now_us(), 2**62, 1_000)
    return {each.key: each.attempts for each in heads if each.kind == kind}


def test_a_lane_reads_the_engine_only_when_its_commands_are_there(plane: ControlPlane, name: Name) -> None:
    """Three jobs of one lane, one batch: each grants 10 and sees what those before it granted."""
    holder = name("holder")
    plane.engine.create_account(holder)
    seen: list[str] = []

    def grant(step: Any, job: Any, _: object) -> None:
        number = job.payload["number"]
        made = commands.grant_input(f"g{number}", "credits", "10")
        if number:
            seen.append(str(step.engine.balance(holder, "credits").available))
        step.decision.command(holder, commands.CreateGrant(account=holder, grant=made))

    with kind_of(name("kind"), grant) as kind:
        for number in range(3):
            put(plane, kind, f"{name('job')}-{number}", name("lane"), number, number=number)
        plane.jobs.run_lanes((name("lane"),), 100)
        assert states(plane, kind) == {}
    assert [float(each) for each in seen] == [10, 20]
    assert float(plane.engine.balance(holder, "credits").available) == 30


def test_a_lane_goes_on_with_what_its_jobs_put_down(plane: ControlPlane, name: Name) -> None:
    """A job that puts down the next one of its lane, due now: all of the chain in one run, in order."""
    seen: list[int] = []

    def chain(step: Any, job: Any, _: object) -> None:
        number = job.payload["number"]
        seen.append(number)
        if number < 5:
            following = Job(
                kind=job.kind,
                key=f"{name('job')}-{number + 1}",
                lane=job.lane,
                account="",
                due_at=job.due_at,
                payload={"number": number + 1},
            )
            step.decision.job(following)

    with kind_of(name("kind"), chain) as kind:
        put(plane, kind, f"{name('job')}-0", name("lane"), number=0)
        plane.jobs.run_lanes((name("lane"),), 100)
    assert seen == [0, 1, 2, 3, 4, 5]


def test_a_budget_ends_a_run(plane: ControlPlane, name: Name) -> None:
    """Two of five jobs of a lane, then the rest."""
    seen: list[str] = []
    with kind_of(name("kind"), lambda step, job, _: seen.append(job.key)) as kind:
        for number in range(5):
            put(plane, kind, f"{name('job')}-{number}", name("lane"), number)
        plane.jobs.run_lanes((name("lane"),), 2)
        assert len(seen) == 2
        plane.jobs.run_lanes((name("lane"),), 100)
    assert seen == [f"{name('job')}-{number}" for number in range(5)]


@pytest.mark.parametrize("searched", ["never", "first", "last"])
def test_a_fault_takes_its_job_back_and_no_other(
    plane: ControlPlane, name: Name, searched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three lanes put a value each; the second fails afterwards, even when its row was written already: only
    then are all done again. What is written for its search before it puts anything is of those before it."""
    again: list[str] = []
    alone = JobBatch._run_alone

    def counted(batch: JobBatch, lane: str) -> None:
        again.append(lane)
        alone(batch, lane)

    monkeypatch.setattr(JobBatch, "_run_alone", counted)

    def save(step: Any, job: Any, _: object) -> None:
        value = MoneyBalance(account=job.key, balance=Money(5, "EUR"))
        if searched == "first":
            assert step.work.money_balances.find(account=job.key) == []
        step.work.money_balances.put(value)
        number = step.work.series.following(name("series"))
        step.decision.notice("invoice.paid", job.key, key=f"{job.key}-{number}")
        if searched == "last":
            assert step.work.money_balances.find(account=job.key) == [value]
        if job.payload["fails"]:
            raise UnavailableError("not now")

    with kind_of(name("kind"), save) as kind:
        for number in range(3):
            put(plane, kind, f"{name('job')}-{number}", f"{name('lane')}-{number}", fails=number == 1)
        plane.jobs.run_lanes(tuple(f"{name('lane')}-{number}" for number in range(3)), 100)
        assert states(plane, kind) == {f"{name('job')}-1": 1}
        assert len(again) == (3 if searched == "last" else 0)
        with plane.sql.transaction() as work:
            kept = [work.money_balances.get(account=f"{name('job')}-{n}", currency="EUR") for n in range(3)]
            assert [each is None for each in kept] == [False, True, False]
            assert work.series.following(name("series")) == 3, "a number was lost, or given twice"
            work.jobs.cancel(f"{name('job')}-1", now_us())


def test_an_effect_is_asked_in_a_transaction_and_done_outside(plane: ControlPlane, name: Name) -> None:
    """The question sees what jobs before it wrote; an effect that fails holds its lane."""
    asked: list[Any] = []

    def ask(step: Any, job: Any) -> Any:
        found = step.work.money_balances.get(account=job.lane, currency="EUR")
        return None if found is None else found.balance.minor

    def effect(plane: ControlPlane, question: int) -> int:
        asked.append(question)
        with plane.sql.transaction() as work:
            found = work.money_balances.get(account=name("lane"), currency="EUR")
        assert found is not None and found.balance.minor == question, "asked before it was committed"
        if len(asked) == 1:
            raise UnavailableError("the world is away")
        return question + 1

    def handle(step: Any, job: Any, answer: int | None) -> None:
        minor = 7 if answer is None else answer
        step.work.money_balances.put(MoneyBalance(account=job.lane, balance=Money(minor, "EUR")))

    with kind_of(name("kind"), handle, ask=ask, effect=effect) as kind:
        for number in range(2):
            put(plane, kind, f"{name('job')}-{number}", name("lane"), number)
        plane.jobs.run_lanes((name("lane"),), 100)
        assert states(plane, kind) == {f"{name('job')}-1": 1}
        plane.jobs.run_due(1)
        with plane.sql.transaction() as work:
            (head,) = [each for each in work.jobs.heads("", now_us(), 2**62, 1_000) if each.kind == kind]
            work.jobs.failed(head.row, failure="", not_before_us=0, park=False, lane=head.lane)
        plane.jobs.run_lanes((name("lane"),), 100)
        with plane.sql.transaction() as work:
            found = work.money_balances.get(account=name("lane"), currency="EUR")
    assert asked == [7, 7] and found is not None and found.balance.minor == 8


def test_effects_that_are_waited_for_wait_side_by_side(plane: ControlPlane, name: Name) -> None:
    """Twenty accounts at a provider that takes its time: it is asked for several at once, each once."""
    guard, asked = threading.Lock(), []
    waiting, most = 0, 0

    def effect(_: Any, job: Any) -> str:
        nonlocal waiting, most
        with guard:
            asked.append(job.key)
            waiting += 1
            most = max(most, waiting)
        time.sleep(0.05)
        with guard:
            waiting -= 1
        if job.key.endswith("-7"):
            raise UnavailableError("not this one")
        return str(job.key)

    answered: list[tuple[str, str]] = []

    def handle(step: Any, job: Any, answer: str) -> None:
        answered.append((job.key, answer))

    keys = [f"{name('job')}-{number}" for number in range(20)]
    with kind_of(name("kind"), handle, effect=effect) as kind:
        for key in keys:
            put(plane, kind, key, f"lane-{key}")
        plane.jobs.run_lanes(tuple(f"lane-{key}" for key in keys), 100)
        assert states(plane, kind) == {keys[7]: 1}
    assert sorted(asked) == sorted(keys)
    assert answered == [(key, key) for key in keys if key != keys[7]]
    assert most > 1


def test_a_value_put_is_found_and_a_transaction_that_fails_leaves_none(
    plane: ControlPlane, name: Name
) -> None:
    """Every way of asking sees what the transaction put; nothing of it is there when it fails."""
    first = MoneyBalance(account=name("a"), balance=Money(1, "EUR"))
    second = MoneyBalance(account=name("a"), balance=Money(2, "EUR"))
    with pytest.raises(ZeroDivisionError), plane.sql.transaction() as work:
        work.money_balances.bring_lists([name("a")], by="account", order="row")
        assert work.money_balances.find(account=name("a"), order="row") == []
        work.money_balances.put(first)
        assert work.money_balances.find(account=name("a"), order="row") == [first]
        work.money_balances.put(second)
        assert work.money_balances.get(account=name("a"), currency="EUR") == second
        assert work.money_balances.find(account=name("a")) == [second]
        assert list(work.money_balances.each(work.money_balances.table.c.account == name("a"))) == [second]
        work.money_balances.delete(account=name("a"))
        assert work.money_balances.get(account=name("a"), currency="EUR") is None
        work.money_balances.put(first)
        raise ZeroDivisionError
    with plane.sql.transaction() as work:
        assert work.money_balances.get(account=name("a"), currency="EUR") is None


@pytest.mark.parametrize("brought_from", [None, 0, 2, 5, 9])
def test_a_list_from_an_instant_on_is_that_list_whatever_was_brought(
    plane: ControlPlane, name: Name, brought_from: int | None
) -> None:
    """Brought from earlier on, from there, from later on, or not at all; and after another was put."""
    begin = instant_from_us(1_700_000_000_000_000)

    def since(day: int) -> Since:
        return Since("created_at", us_from_instant(begin + timedelta(days=day)))

    def invoice(day: int) -> Invoice:
        created_at = begin + timedelta(days=day)
        return Invoice(
            invoice_id=f"{name('i')}-{day}",
            account=name("a"),
            customer_id="c",
            currency="USD",
            state="draft",
            created_at=created_at,
        )

    with plane.sql.transaction() as work:
        made = [work.invoices.put(invoice(day)) for day in range(8)]
    with plane.sql.transaction() as work:
        if brought_from is not None:
            asked = [name("a"), name("nobody")]
            work.invoices.bring_lists(asked, by="account", order="row", since=since(brought_from))
        assert work.invoices.find(account=name("a"), order="row", since=since(4)) == made[4:]
        assert work.invoices.find(account=name("a"), order="row") == made
        another = work.invoices.put(invoice(8))
        assert work.invoices.find(account=name("a"), order="row", since=since(6)) == [*made[6:], another]
        work.invoices.bring_lists([name("a")], by="account", order="row", since=since(7))
        work.invoices.bring_lists([name("a")], by="account", order="row", since=since(3))
        assert work.invoices.find(account=name("a"), order="row", since=since(3)) == [*made[3:], another]
        assert work.invoices.find(account=name("a"), order="row", since=since(9)) == []


@pytest.mark.parametrize(("fault", "done"), [(UnavailableError("away"), 1), (ValueError("ours"), 0)])
def test_what_we_did_wrong_holds_its_lane_where_a_world_out_of_reach_does_not(
    plane: ControlPlane, name: Name, fault: Exception, done: int
) -> None:
    """Of a kind that steps aside; the job behind it is done or waits."""
    seen: list[str] = []

    def handle(step: Any, job: Any, _: object) -> None:
        if job.payload["fails"]:
            raise fault
        seen.append(job.key)

    with kind_of(name("kind"), handle, steps_aside=True) as kind:
        for number in range(2):
            put(plane, kind, f"{name('job')}-{number}", name("lane"), number, fails=number == 0)
        for _ in range(2):
            plane.jobs.run_lanes((name("lane"),), 100)
        assert len(seen) == done
        with plane.sql.transaction() as work:
            for number in range(2):
                work.jobs.cancel(f"{name('job')}-{number}", now_us())


def test_a_payment_of_an_invoice_that_is_not_there_stops_no_other_account(
    plane: ControlPlane, name: Name
) -> None:
    """The scheduler's pass goes on behind it, and it is tried again by itself."""
    seen: list[str] = []
    with kind_of(name("kind"), lambda step, job, _: seen.append(job.key)) as kind:
        put(plane, "invoice.collect", name("lost"), name("lane"), invoice_id="none")
        put(plane, kind, name("job"), name("other"), 1)
        plane.jobs.run_due(100)
        assert seen == [name("job")]
        assert states(plane, "invoice.collect") == {name("lost"): 1}
        with plane.sql.transaction() as work:
            work.jobs.cancel(name("lost"), now_us())
