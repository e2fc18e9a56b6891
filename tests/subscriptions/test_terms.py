"""A term that is laid anew is never shorter than it was agreed on, nor a whole period longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from drawdown.subscriptions.calendar import (
    MONTHLY,
    NAMED,
    Interval,
    Schedule,
    first_of_next_month,
    step,
)
from drawdown.subscriptions.starting import with_term_from, with_term_on
from drawdown.subscriptions.subscription import Subscription
from hypothesis import given, settings
from hypothesis import strategies as st

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"])
# Around leap years, ends of months and changes of clocks alike.
BEGINNINGS = st.timedeltas(timedelta(0), timedelta(days=2200)).map(
    lambda on: datetime(2023, 1, 1, tzinfo=UTC) + on
)
RHYTHMS = st.sampled_from(sorted(NAMED))
PAUSES = st.just(timedelta(0)) | st.timedeltas(timedelta(hours=1), timedelta(days=800))


def laid(start: datetime, interval: Interval, zone: str, *, first_of_month: bool) -> Schedule:
    """A billing schedule by either anchor rule."""
    anchor = first_of_next_month(start, zone) if first_of_month else start
    return Schedule(start=start, anchor=anchor, interval=interval, zone=zone)


def begun(billing: Schedule, term: int) -> Subscription:
    """A subscription with a term, in its first period."""
    return Subscription(
        subscription_id="s",
        account="acme",
        customer_id="c",
        plan_id="plan",
        version=1,
        quantity=1,
        currency="USD",
        country="",
        state="active",
        started_at=billing.start,
        billing=billing,
        billing_next=1,
        term=term,
        term_ends_at=billing.edge(term),
    )


def agreed_end(subscription: Subscription) -> datetime:
    """Where the term ends but for the rest of a period."""
    assert subscription.term_ends_at is not None
    return subscription.term_agreed_end or subscription.term_ends_at


@settings(max_examples=400)
@given(
    start=BEGINNINGS,
    zone=ZONES,
    rhythms=st.lists(st.tuples(RHYTHMS, st.booleans(), st.integers(0, 30), PAUSES), min_size=2, max_size=5),
    term=st.integers(1, 30),
)
def test_a_term_ends_in_the_period_that_its_agreed_end_lies_in(
    start: datetime, zone: str, rhythms: list[tuple[str, bool, int, timedelta]], term: int
) -> None:
    """Whatever rhythms, anchors and pauses follow each other."""
    name, first_of_month, _, _ = rhythms[0]
    subscription = begun(laid(start, NAMED[name], zone, first_of_month=first_of_month), term)
    for name, first_of_month, periods, pause in rhythms[1:]:
        old = msgspec.structs.replace(subscription, billing_next=1 + periods)
        if old.term_ends_at is not None and old.term_ends_at < old.billing.edge(old.billing_next):
            # It was over at an edge before, where another began.
            old = with_term_from(old, periods)
        anew = laid(
            old.billing.edge(old.billing_next) + pause, NAMED[name], zone, first_of_month=first_of_month
        )
        changed = with_term_on(old, anew)
        ends_at, agreed = changed.term_ends_at, agreed_end(changed)
        assert ends_at is not None
        last = anew.number_at(ends_at - timedelta(microseconds=1))
        assert anew.edge(last + 1) == ends_at
        assert agreed <= ends_at
        assert anew.edge(last) < agreed
        subscription = msgspec.structs.replace(changed, billing=anew)


@given(start=BEGINNINGS, zone=ZONES, name=RHYTHMS, term=st.integers(1, 30), months=st.integers(0, 40))
def test_a_term_that_begins_with_a_short_period_has_all_its_months(
    start: datetime, zone: str, name: str, term: int, months: int
) -> None:
    """A year on the 1st of a month, from the 13th on, is not the 19 days until that."""
    billing = laid(start, NAMED[name], zone, first_of_month=True)
    subscription = msgspec.structs.replace(begun(billing, term), term_months=months)
    renewed = with_term_from(subscription, 0)
    whole = step(start, months, MONTHLY, zone) if months else step(start, term, NAMED[name], zone)
    assert renewed.term_ends_at is not None
    assert agreed_end(renewed) == whole <= renewed.term_ends_at
    assert billing.edge(billing.number_at(renewed.term_ends_at) - 1) < whole
