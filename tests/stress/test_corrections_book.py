"""The book of corrections finds what it is there to find: each kind of fault, planted, is reported."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.storage.valkey import free_port
from tests.stress.corrections import CorrectionBook, CorrectionClient, SentCorrection
from tests.stress.sent_events import Book, SentEvent


def in_flight(book: CorrectionBook, *, quantity: int = 2, sendings: int = 1) -> SentCorrection:
    """An event of 5 calls becomes one of so many."""
    command: dict[str, Any] = {"type": "correct", "account": "acme", "event_id": "e", "quantity": quantity}
    sent = SentCorrection(command, "acme", "e", old_price=5, new_price=quantity, sendings=sendings)
    book.in_flight[0] = sent
    book.final.add("e")
    return sent


@pytest.fixture
def book() -> CorrectionBook:
    """100 granted, one event of 5 acknowledged."""
    events = Book()
    events.granted["acme"] = 100
    events.applied["e"] = SentEvent("e", "acme", "calls", 5, 1, charge=5)
    events.charged["acme"] = 5
    return CorrectionBook(events)


@pytest.mark.parametrize(("quantity", "burned"), [(2, 2), (9, 9), (0, 0)])
def test_an_acknowledged_correction_moves_what_must_be_burned(
    book: CorrectionBook, quantity: int, burned: int
) -> None:
    in_flight(book, quantity=quantity)
    less, more = book.unanswered("acme")
    assert (less, more) == (max(0, 5 - quantity), max(0, quantity - 5))
    for seen in {5, burned}:
        book.events.compare("acme", burned=seen, available=100 - seen, unanswered=more, less=less)
    assert book.events.faults == []
    book.answered(0, {"status": "OK", "charged": quantity, "difference": quantity - 5})
    assert book.unanswered("acme") == (0, 0)
    book.events.compare("acme", burned=burned, available=100 - burned, unanswered=0)
    assert [*book.faults, *book.events.faults] == []
    book.events.compare("acme", burned=5, available=95, unanswered=0)
    assert book.events.lost or book.events.doubled


@pytest.mark.parametrize(
    "outcome",
    [
        {"status": "OK", "charged": 3, "difference": -3},
        {"status": "OK", "charged": 2, "difference": -2},
        {"status": "DUPLICATE"},
        {"status": "CONFLICT"},
        {"status": "EVENT_UNKNOWN"},
        {"status": "INSUFFICIENT"},
    ],
)
def test_a_false_answer_is_reported(book: CorrectionBook, outcome: dict[str, Any]) -> None:
    in_flight(book)
    book.answered(0, outcome)
    assert len(book.wrong) == 1


def test_a_repeat_counts_once(book: CorrectionBook) -> None:
    in_flight(book, sendings=2)
    book.answered(0, {"status": "DUPLICATE"})
    assert (book.events.charged["acme"], book.price_now, book.faults) == (2, {"e": 2}, [])


def test_another_answer_to_a_repeat_is_a_loss(book: CorrectionBook) -> None:
    sent = in_flight(book)
    book.repeated(sent, "DUPLICATE", "DUPLICATE")
    assert book.faults == []
    book.repeated(sent, "OK", "DUPLICATE")
    assert len(book.lost) == 1


def test_a_client_with_nothing_to_correct_learns_that_the_server_is_gone() -> None:
    client = CorrectionClient(0, {"calls": 1}, 1, CorrectionBook(Book()))
    asyncio.run(asyncio.wait_for(client.run(f"127.0.0.1:{free_port()}"), 20))
    assert client.made == 0
