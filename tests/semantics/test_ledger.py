"""The ledger read back: entries, explanations, and balances as of an instant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from drawdown import errors
from drawdown.engine import Engine

SMALL = {"segment_bytes": 1 << 16, "segments_ahead": 1, "reserve_bytes": 0, "group_bytes_max": 1 << 14}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Engine]:
    """A catalog, and account ``acme`` on a clock of its own at NOON."""
    with Engine.open(str(tmp_path / "data"), SMALL) as engine:
        engine.create_credit_type("credits", scale=2)
        engine.create_meter("tokens", dimensions=["model"])
        engine.set_rate(table="default", meter="tokens", credit_type="credits", credits="0.5")
        engine.create_account("acme", test_clock=NOON)
        yield engine


def kinds(engine: Engine, account: str = "acme") -> list[str]:
    return [entry.kind for entry in engine.ledger(account, oldest_first=True)]


def test_each_change_is_an_entry_in_the_order_it_happened(books: Engine) -> None:
    books.set_policy("acme", "credits", "overdraft", limit="50")
    books.set_thresholds("acme", "credits", ["1"])
    books.create_grant("acme", "credits", amount="3", grant_id="short", expires_at=NOON + timedelta(hours=1))
    books.create_grant("acme", "credits", amount="5", grant_id="unpaid", pending=True)
    books.suspend_account("acme")
    books.resume_account("acme")
    books.record("acme", meter="tokens", quantity=4, event_id="e1")
    books.advance_clock("acme", NOON + timedelta(hours=2))
    books.expire_due(100)
    books.record("acme", meter="tokens", quantity=10, event_id="e2")
    books.release_grant("acme", "unpaid")
    books.create_grant("acme", "credits", amount="9", grant_id="more")
    books.void_grant("acme", "more", confirm=True)
    assert "crossed" in kinds(books)
    assert [kind for kind in kinds(books) if kind not in ("crossed", "exhausted")] == [
        "account_created",
        "policy_set",
        "thresholds_set",
        "granted",
        "granted",
        "suspended",
        "resumed",
        "usage",
        "clock_advanced",
        "expired",
        "usage",
        "grant_released",
        "overdraft_settled",
        "granted",
        "voided",
    ]


def test_a_debit_over_two_grants_names_each_with_its_amount(books: Engine) -> None:
    books.create_grant("acme", "credits", amount="3", grant_id="second", priority=60)
    books.create_grant("acme", "credits", amount="2", grant_id="first", priority=40)
    books.record("acme", meter="tokens", quantity=8, event_id="e", dimensions={"model": "large"})
    (entry,) = books.ledger("acme", kinds=["usage"])
    assert entry.draws == (("first", Decimal(2)), ("second", Decimal(2)))
    assert entry.charged == Decimal(4)
    assert entry.facts["dimensions"] == {"model": "large"}


@pytest.mark.behaviour("S0-34")
def test_a_replacement_shows_void_then_grant(books: Engine) -> None:
    books.create_grant("acme", "credits", amount="10", grant_id="old")
    books.void_and_replace(
        "acme", void=["old"], create=[{"grant_id": "new", "credit_type": "credits", "amount": "25"}]
    )
    newest = [
        entry
        for entry in books.ledger("acme", kinds=["voided", "granted"], oldest_first=True)
        if entry.facts["grant_id"] in {"old", "new"}
    ]
    assert [(e.kind, e.facts["grant_id"]) for e in newest] == [
        ("granted", "old"),
        ("voided", "old"),
        ("granted", "new"),
    ]
    assert books.balance("acme", "credits").available == Decimal(25)


def test_an_explanation_goes_from_event_to_rate_to_grants_to_before_and_after(books: Engine) -> None:
    books.set_policy("acme", "credits", "overdraft", limit="50")
    books.create_grant("acme", "credits", amount="3", grant_id="gift", name="Welcome gift")
    books.set_rate(table="default", meter="tokens", credit_type="credits", credits="0.25", valid_from=NOON)
    recorded = books.record("acme", meter="tokens", quantity=20, event_id="e", time=NOON)
    # What comes later is not in it, but is told of.
    books.record("acme", meter="tokens", quantity=4, event_id="later")
    books.create_grant("acme", "credits", amount="100", grant_id="top-up")
    told = books.explain("acme", "e")
    assert told.rate is not None
    assert (told.rate.version, told.rate.sent["credits"], told.rate.valid_from) == (2, "0.25", NOON)
    (draw,) = told.draws
    assert (draw.grant_id, draw.name, draw.amount) == ("gift", "Welcome gift", Decimal(3))
    assert (draw.remaining_before, draw.remaining_after) == (Decimal(3), Decimal(0))
    assert told.balance_before.available == Decimal(3)
    assert told.balance_after.available == recorded.available == Decimal(-2)
    assert told.event.charged == recorded.charged
    (settled,) = told.settlements
    assert settled.draws == (("top-up", Decimal(3)),)


def test_a_tiered_price_tells_where_it_stood(books: Engine) -> None:
    books.create_meter("calls")
    tiers = [("10", "1"), (None, "0.5")]
    books.set_rate(table="default", meter="calls", credit_type="credits", tiers=tiers)
    books.create_grant("acme", "credits", amount="100", grant_id="g")
    for event_id, quantity, before in (("a", 6, 0), ("b", 6, 6), ("c", 1, 12)):
        books.record("acme", meter="calls", quantity=quantity, event_id=event_id)
        assert books.explain("acme", event_id).units_before == before


def test_the_balance_of_any_instant_is_what_it_was_then(books: Engine) -> None:
    books.create_grant("acme", "credits", amount="10", grant_id="always")
    books.create_grant(
        "acme",
        "credits",
        amount="7",
        grant_id="an-hour",
        effective_at=NOON + timedelta(hours=1),
        expires_at=NOON + timedelta(hours=2),
    )
    seen = [(NOON, books.balance("acme", "credits").available)]
    for minutes in range(20, 200, 20):
        books.advance_clock("acme", NOON + timedelta(minutes=minutes))
        books.record("acme", meter="tokens", quantity=1, event_id=f"e{minutes}")
        seen.append((NOON + timedelta(minutes=minutes), books.balance("acme", "credits").available))
    assert len({available for _, available in seen}) > 5
    for at, available in seen:
        assert books.balance_at("acme", "credits", at).available == available
    # Between two entries, dates alone move it.
    between = NOON + timedelta(minutes=119, seconds=59)
    assert books.balance_at("acme", "credits", between).available == dict(seen)[NOON + timedelta(minutes=100)]
    ahead = books.balance_at("acme", "credits", NOON + timedelta(days=3))
    assert ahead.available == books.balance("acme", "credits").available
    with pytest.raises(errors.AccountNotFoundError):
        books.balance_at("acme", "credits", NOON - timedelta(seconds=1))


def test_pages_join_without_gap_or_repeat_in_both_orders(books: Engine) -> None:
    books.create_grant("acme", "credits", amount="10000", grant_id="g")
    for number in range(50):
        books.record("acme", meter="tokens", quantity=1, event_id=f"e{number}")
    oldest = list(books.ledger("acme", oldest_first=True))
    seqs = [entry.seq for entry in oldest]
    assert seqs == sorted(set(seqs)) and len(seqs) == 52
    assert list(books.ledger("acme")) == oldest[::-1]
    page = books.ledger_page("acme", limit=5, kinds=["usage"])
    assert [entry.event_id for entry in page.entries] == ["e49", "e48", "e47", "e46", "e45"] and page.more
    rest = books.ledger_page("acme", before_seq=seqs[3], limit=5)
    assert [entry.seq for entry in rest.entries] == seqs[2::-1] and not rest.more


def test_only_the_pool_asked_for_is_listed(books: Engine) -> None:
    books.create_credit_type("euros", scale=2)
    books.create_grant("acme", "credits", amount="1", grant_id="c")
    books.create_grant("acme", "euros", amount="1", grant_id="e")
    assert [e.facts["grant_id"] for e in books.ledger("acme", credit_type="euros")] == ["e"]
    assert list(books.ledger("acme", credit_type="yen")) == []


def test_what_is_not_there_is_said(books: Engine) -> None:
    with pytest.raises(errors.EventNotFoundError) as raised:
        books.explain("acme", "never-sent")
    assert "never-sent" in str(raised.value)
    with pytest.raises(errors.EventNotFoundError):
        books.usage_event("acme", "never-sent")
    with pytest.raises(errors.AccountNotFoundError):
        books.ledger_page("nobody")
    with pytest.raises(errors.InvalidRequestError):
        books._query({"type": "ledger", "account": "acme", "kinds": [1]})


def test_the_ledger_outlives_segments_checkpoints_and_restarts(tmp_path: Path) -> None:
    folder = str(tmp_path / "data")
    with Engine.open(folder, SMALL) as engine:
        engine.create_credit_type("credits", scale=0)
        engine.create_meter("tokens")
        engine.set_rate(table="default", meter="tokens", credit_type="credits", credits="1")
        engine.create_account("acme")
        engine.create_grant("acme", "credits", amount="1000000", grant_id="g")
        answers = {}
        for number in range(300):
            answers[f"e{number}"] = engine.record(
                "acme", meter="tokens", quantity=number, event_id=f"e{number}"
            )
            if number % 100 == 99:
                engine.checkpoint()
    assert list((tmp_path / "data" / "archive").iterdir()), "no segment was archived: the test shows nothing"
    with Engine.open(folder, SMALL) as engine:
        entries = list(engine.ledger("acme", kinds=["usage"], oldest_first=True))
        assert [entry.event_id for entry in entries] == list(answers)
        for event_id in ("e0", "e150", "e299"):
            told = engine.explain("acme", event_id)
            assert told.balance_after.available == answers[event_id].available
            assert told.event.seq == answers[event_id].seq
