"""Calendar arithmetic for recordings that write local time: pure integers, UTC nanoseconds out.

No time-zone database is read, so that a replay is the same on every machine; the two rules needed
are written here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

__all__ = [
    "DAY_NS",
    "MS",
    "SECOND",
    "iso_day",
    "iso_to_ns",
    "midnight_ns",
    "ms_to_ns",
    "new_york_midnight_ns",
]

SECOND: Final = 1_000_000_000
MS: Final = 1_000_000
DAY_NS: Final = 86_400 * SECOND


@lru_cache(maxsize=512)  # recordings repeat their days
def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a Gregorian date (the days_from_civil formula)."""
    if not (1 <= month <= 12 and 1 <= day <= 31 and 1900 <= year <= 2262):
        raise ValueError(f"not a date: {year}-{month}-{day}")
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def midnight_ns(year: int, month: int, day: int) -> int:
    """UTC nanoseconds of 00:00 UTC on that day."""
    return _days(year, month, day) * DAY_NS


def new_york_midnight_ns(year: int, month: int, day: int) -> int:
    """UTC nanoseconds of 00:00 New York time, by the rule in force since 2007.

    Daylight time from the second Sunday of March to the first Sunday of November; on these two days
    themselves the offset of the trading session (after the change) is taken.
    """
    today = _days(year, month, day)
    march = _days(year, 3, 8)
    november = _days(year, 11, 1)
    begins = march + (3 - march) % 7  # 1970-01-04, day 3, was a Sunday
    ends = november + (3 - november) % 7
    hours = 4 if begins <= today < ends else 5
    return today * DAY_NS + hours * 3600 * SECOND


def iso_to_ns(text: str) -> int:
    """UTC nanoseconds of ``YYYY-MM-DDTHH:MM:SS[.fraction]Z`` (or a space for the T).

    Raises:
        ValueError: on any other shape.
    """
    if (
        len(text) < 20
        or text[4] != "-"
        or text[10] not in "T "
        or text[13] != ":"
        or text[-1] != "Z"
    ):
        raise ValueError(f"not a UTC time (YYYY-MM-DDTHH:MM:SS.sssZ): {text[:40]!a}")
    hours, minutes, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= second <= 60):
        raise ValueError(f"not a time of day: {text[:40]!a}")
    seconds = hours * 3600 + minutes * 60 + second
    fraction = text[20:-1]
    nanos = int(fraction.ljust(9, "0")[:9]) if fraction else 0
    return midnight_ns(int(text[:4]), int(text[5:7]), int(text[8:10])) + seconds * SECOND + nanos


def ms_to_ns(text: str) -> int:
    """UTC nanoseconds of Unix milliseconds, of 2001 or later.

    Raises:
        ValueError: another unit, or no number.
    """
    if len(text) != 13 or not text.isdecimal():
        raise ValueError(f"not a time in Unix milliseconds: {text[:40]!a}")
    return int(text) * MS


def iso_day(ts: int) -> str:
    """The UTC day of ``ts`` as YYYY-MM-DD (the civil_from_days formula)."""
    days = ts // DAY_NS + 719_468
    era, of_era = divmod(days, 146_097)
    of_400 = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * of_400 + of_400 // 4 - of_400 // 100)
    shifted = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + (3 if shifted < 10 else -9)
    return f"{of_400 + era * 400 + (month <= 2):04d}-{month:02d}-{day:02d}"
