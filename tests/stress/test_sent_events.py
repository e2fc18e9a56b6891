"""The outside checker finds what it is there to find: each kind of fault, planted, is reported."""

from __future__ import annotations

import pytest
from drawdown.v1 import usage_pb2

from tests.stress.sent_events import DUPLICATE, INSUFFICIENT, OK, Book, SentBatch, SentEvent


def batch(sendings: int = 1, count: int = 2) -> SentBatch:
    events = [SentEvent(f"e{n}", "acme", "calls", 5, 1, charge=5) for n in range(count)]
    return SentBatch(7, events, sendings)


def ack(
    *status: int, charged: tuple[int, ...] = (5, 5), available: tuple[int, ...] = (95, 90)
) -> usage_pb2.UsageAck:
    message = usage_pb2.UsageAck(batch_id=7, applied=status.count(OK), duplicates=status.count(DUPLICATE))
    message.results.status = bytes(status)
    message.results.charged.extend(charged)
    message.results.available.extend(available)
    return message


@pytest.fixture
def book() -> Book:
    """100 granted, two events of 5 acknowledged."""
    fresh = Book()
    fresh.granted["acme"] = 100
    fresh.answered(batch(), ack(OK, OK))
    assert fresh.faults == []
    return fresh


@pytest.mark.parametrize(
    ("burned", "available", "unanswered", "kind"),
    [(10, 90, 0, None), (13, 87, 3, None), (9, 91, 0, "lost"), (14, 86, 3, "doubled"), (10, 89, 0, "wrong")],
)
def test_balances_are_held_against_the_acks(
    book: Book, burned: int, available: int, unanswered: int, kind: str | None
) -> None:
    """Fewer burned than acknowledged is lost; more than was ever sent is doubled."""
    book.compare("acme", burned=burned, available=available, unanswered=unanswered)
    found = {"lost": book.lost, "doubled": book.doubled, "wrong": book.wrong, "overspent": book.overspent}
    assert [name for name, faults in found.items() if faults] == ([] if kind is None else [kind])


def test_burning_more_than_was_granted_is_overspent(book: Book) -> None:
    book.compare("acme", burned=101, available=-1, unanswered=1_000)
    assert book.overspent


def test_a_balance_below_zero_in_an_answer_is_overspent() -> None:
    fresh = Book()
    fresh.answered(batch(), ack(OK, OK, available=(3, -2)))
    assert fresh.overspent


def test_an_acknowledged_event_that_is_applied_again_was_lost(book: Book) -> None:
    book.repeated(batch(), ack(DUPLICATE, OK, charged=(0, 5)))
    assert len(book.lost) == 1


def test_a_duplicate_counts_once_and_only_after_an_unanswered_sending() -> None:
    fresh = Book()
    fresh.answered(batch(sendings=2), ack(DUPLICATE, OK, charged=(0, 5)))
    assert (fresh.charged["acme"], fresh.faults) == (10, [])
    early = Book()
    early.answered(batch(sendings=1), ack(DUPLICATE, OK, charged=(0, 5)))
    assert early.wrong


def test_a_wrong_price_and_a_wrong_total_are_reported() -> None:
    fresh = Book()
    fresh.answered(batch(), ack(OK, OK, charged=(5, 6)))
    assert fresh.wrong
    totals = Book()
    message = ack(OK, INSUFFICIENT, charged=(5, 0))
    message.applied = 2
    totals.answered(batch(), message)
    assert totals.wrong
