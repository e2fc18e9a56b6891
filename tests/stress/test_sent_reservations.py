"""The book of reservations finds what it is there to find: each kind of fault, planted, is reported."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stress.sent_reservations import ReservationBook, SentReservation, now_us

MINUTE = 60_000_000


def sent(book: ReservationBook, *, ago: int = 0, ttl_us: int = MINUTE) -> SentReservation:
    """10 calls at 2, sent once, not answered yet."""
    at = now_us() - ago
    hold = SentReservation("r", "acme", "calls", 10, 2, ttl_us, at, at, sendings=1)
    book.sent["r"] = hold
    return hold


@pytest.fixture
def book() -> ReservationBook:
    """One acknowledged reservation of 20."""
    fresh = ReservationBook()
    fresh.answered_reserve(sent(fresh), {"status": "OK", "held": 20})
    assert fresh.faults == []
    return fresh


def row(**fields: Any) -> dict[str, Any]:
    return {"reservation_id": "r", "held": 20, "quantity": 10, **fields}


def end(
    book: ReservationBook, outcome: dict[str, Any], *, quantity: int | None = 4, sendings: int = 1
) -> None:
    hold = book.sent["r"]
    hold.end = hold.release_command() if quantity is None else hold.settle_command(quantity)
    hold.end_sendings = sendings
    book.answered_end(hold, outcome)


def test_what_was_acknowledged_is_held_until_its_end(book: ReservationBook) -> None:
    book.compare("acme", [row()], 20, now_us())
    assert book.faults == []
    book.compare("acme", [], 0, now_us())
    assert len(book.lost) == 1


def test_what_ended_is_not_held(book: ReservationBook) -> None:
    end(book, {"status": "OK", "charged": 8, "returned": 12})
    assert (book.charged["acme"], book.faults) == (8, [])
    book.compare("acme", [row()], 20, now_us())
    assert len(book.leaked) == 1


def test_what_outlives_its_time_has_leaked() -> None:
    book = ReservationBook()
    book.answered_reserve(sent(book, ago=2 * MINUTE), {"status": "OK", "held": 20})
    book.compare("acme", [], 0, now_us())
    assert book.faults == []
    book.compare("acme", [row()], 20, now_us())
    assert len(book.leaked) == 1


def test_grants_hold_what_reservations_hold(book: ReservationBook) -> None:
    book.compare("acme", [row()], 21, now_us())
    assert len(book.leaked) == 1


@pytest.mark.parametrize(
    ("outcome", "quantity", "kind"),
    [
        ({"status": "OK", "charged": 8, "returned": 13}, 4, "wrong"),
        ({"status": "OK", "charged": 9, "returned": 12}, 4, "wrong"),
        ({"status": "OK", "returned": 19}, None, "leaked"),
        ({"status": "CONFLICT"}, 4, "lost"),
        ({"status": "DUPLICATE"}, None, "lost"),
        ({"status": "DUPLICATE"}, 4, "wrong"),
        ({"status": "RESERVATION_UNKNOWN"}, 4, "wrong"),
    ],
)
def test_a_false_end_is_reported(
    book: ReservationBook, outcome: dict[str, Any], quantity: int | None, kind: str
) -> None:
    end(book, outcome, quantity=quantity)
    found = {"lost": book.lost, "leaked": book.leaked, "wrong": book.wrong}
    assert [name for name, faults in found.items() if faults] == [kind]


def test_a_repeated_settle_counts_once(book: ReservationBook) -> None:
    end(book, {"status": "DUPLICATE"}, sendings=2)
    assert (book.charged["acme"], book.settled, book.faults) == (8, 1, [])


def test_a_settle_in_flight_may_have_been_applied(book: ReservationBook) -> None:
    hold = book.sent["r"]
    hold.end = hold.settle_command(4)
    assert book.unanswered_charge("acme") == 8
    book.compare("acme", [], 0, now_us())
    book.compare("acme", [row()], 20, now_us())
    assert book.faults == []


def test_a_reserve_that_is_told_ended_before_its_time_was_lost() -> None:
    book = ReservationBook()
    hold = sent(book)
    hold.sendings = 2
    book.answered_reserve(hold, {"status": "DUPLICATE", "held": 0})
    assert len(book.lost) == 1


def test_another_answer_to_a_repeat_is_a_loss(book: ReservationBook) -> None:
    book.repeated(book.sent["r"].reserve_command(), "DUPLICATE", "DUPLICATE")
    assert book.faults == []
    book.repeated(book.sent["r"].reserve_command(), "OK", "DUPLICATE")
    assert len(book.lost) == 1
