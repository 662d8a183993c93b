"""Calendar arithmetic, against the standard library's."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.recordings.times import (
    SECOND,
    iso_day,
    iso_to_ns,
    midnight_ns,
    new_york_midnight_ns,
)


@given(st.dates(date(1970, 1, 1), date(2262, 1, 1)))
def test_midnight_is_the_calendars(day: date) -> None:
    """UTC midnight agrees with the standard library for every day of the range."""
    want = datetime.combine(day, time(), UTC)

    assert midnight_ns(day.year, day.month, day.day) == int(want.timestamp()) * SECOND
    assert iso_day(midnight_ns(day.year, day.month, day.day) + 5 * SECOND) == day.isoformat()


@given(st.dates(date(2007, 1, 1), date(2037, 12, 31)))
def test_new_york_noon_is_the_zones(day: date) -> None:
    """Noon in New York, counted from our midnight, is noon by the time-zone database."""
    noon = datetime.combine(day, time(12), ZoneInfo("America/New_York"))

    assert new_york_midnight_ns(day.year, day.month, day.day) + 12 * 3600 * SECOND == (
        int(noon.timestamp()) * SECOND
    )


def test_a_time_with_a_fraction_is_exact() -> None:
    """Fractions of any length become nanoseconds, with a T or a space."""
    assert iso_to_ns("2021-02-02T07:30:06.999000Z") == 1612251006_999_000_000
    assert iso_to_ns("2021-02-02 07:30:06Z") == 1612251006_000_000_000


@pytest.mark.parametrize(
    "text",
    ["", "2021-02-02", "2021-02-02T07:30:06", "2021-13-02T07:30:06Z", "2021-02-02T7h30:06.99Z"],
)
def test_other_shapes_are_refused(text: str) -> None:
    """What is no UTC time is an error, never a guess."""
    with pytest.raises(ValueError, match=r"not a|invalid"):
        iso_to_ns(text)
