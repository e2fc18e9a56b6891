"""Instants are aware datetimes or microseconds, exact both ways."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from drawdown.errors import InvalidRequestError
from drawdown.model import instant_from_us, us_from_instant
from drawdown.model.instants import INSTANT_US_MAX, INSTANT_US_MIN
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(INSTANT_US_MIN, INSTANT_US_MAX))
def test_microseconds_to_datetime_and_back_is_the_same(us: int) -> None:
    assert us_from_instant(instant_from_us(us)) == us


def test_the_zone_does_not_matter() -> None:
    utc = datetime(2026, 3, 29, 1, 0, 0, 1, tzinfo=UTC)
    assert us_from_instant(utc) == us_from_instant(utc.astimezone(timezone(timedelta(hours=5, minutes=30))))


@pytest.mark.parametrize(
    ("instant", "said"),
    [
        (datetime(2026, 1, 1), "no time zone"),  # noqa: DTZ001
        (1.5, "float"),
        (True, "bool"),
        ("2026-01-01", "str"),
        (2**62, "outside the years"),
    ],
)
def test_what_is_no_instant_is_refused_by_name(instant: object, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said) as refused:
        us_from_instant(instant, "expires_at")  # type: ignore[arg-type]
    assert refused.value.field == "expires_at"
