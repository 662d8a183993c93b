"""Times of day in named zones, as instants: the one place where the calendar of a zone is asked."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.errors import InvalidValue

__all__ = ["check_time_of_day", "next_time"]

_SECOND: Final = 1_000_000_000
_DAYS: Final = 8  # a week from today on: each weekday is among them, today's too


def check_time_of_day(text: str, zone: str) -> None:
    """Refuse what is no time of day ("15:15" or "15:15:30") or no zone ("Asia/Kolkata").

    Raises:
        InvalidValue: naming which.
    """
    _read(text)
    _zone(zone)


def next_time(text: str, zone: str, days: tuple[int, ...], after_ts: int) -> int:
    """The first instant (UTC ns) after ``after_ts`` at which clocks there show this time, on one of
    ``days`` (ISO weekdays; none: any).

    A time that a change of clocks leaves out is that much later, and one that comes twice is the
    first.

    Raises:
        InvalidValue: as :func:`check_time_of_day`.
    """
    at, where = _read(text), _zone(zone)
    today = datetime.fromtimestamp(after_ts // _SECOND, UTC).astimezone(where).date()
    for ahead in range(_DAYS + 1):
        day = today + timedelta(days=ahead)
        if not days or day.isoweekday() in days:
            ts = _instant(day, at, where)
            if ts > after_ts:
                return ts
    raise InvalidValue(f"no day of {days} has {text!r} in {zone!r}")


def _instant(day: date, at: time, where: ZoneInfo) -> int:
    return int(datetime.combine(day, at, where).astimezone(UTC).timestamp()) * _SECOND


def _read(text: str) -> time:
    try:
        at = time.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None or at.microsecond or len(text) not in (5, 8):
        raise InvalidValue(f"a time of day is HH:MM or HH:MM:SS, was {text!a:.40}")
    return at


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValue(
            f"there is no time zone {name[:60]!a}: zones have names like Asia/Kolkata"
        ) from None
