"""Aggregations by the contract's text (§5.8): what an event adds to the units of its period."""

from __future__ import annotations

from collections.abc import Iterable

from tests.model.reference_account import AppliedEvent, CounterKey

Counted = tuple[int, int, int | str | None]
"""Time, order and value of one applied event of the period."""

READING_ALL = frozenset({"max", "last", "unique"})
"""Aggregations of all the period's events; the others look at one event at a time."""


def aggregate(kind: str, counted: Iterable[Counted]) -> int:
    """``max``, ``last`` by (time, order), or how many values there are."""
    events = list(counted)
    if kind == "max":
        return max((value for _, _, value in events if isinstance(value, int)), default=0)
    if kind == "last":
        latest = max(events, key=lambda event: event[:2], default=(0, 0, 0))[2]
        assert isinstance(latest, int)
        return latest
    assert kind == "unique"
    return len({value for _, _, value in events if value is not None})


def counted_in(events: Iterable[AppliedEvent], key: CounterKey) -> list[AppliedEvent]:
    """The applied events of one account × meter × match × period."""
    return [event for event in events if event.counter == key and not event.is_cancelled]


def burns(kind: str, others: list[AppliedEvent], this: Counted) -> tuple[int, int]:
    """Units the others burned, and max(0, aggregate with this event − those)."""
    burned = sum(event.units for event in others)
    counted = [(event.time, event.order, event.value) for event in others]
    return burned, max(0, aggregate(kind, [*counted, this]) - burned)
