"""What a system is given to begin with, checked before anything is opened."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import InvalidValue
from engine.values import BASE36, ENGINE_ID_LENGTH

from .venues.port import Venue

__all__ = ["check_settings"]


def check_settings(
    venues: Sequence[Venue],
    engine_id: str,
    cross_check: float | None,
    protect_within: float | None,
    price_max_age: float,
) -> None:
    """Refuse what cannot be meant; times are in seconds.

    Raises:
        InvalidValue: naming the setting and its value; nothing has happened.
    """
    if len(engine_id) != ENGINE_ID_LENGTH or any(char not in BASE36 for char in engine_id):
        raise InvalidValue(f"engine_id must be three characters of [0-9A-Z], was {engine_id!r}")
    keys = [(venue.name, venue.account) for venue in venues]
    if not keys or len(dict.fromkeys(keys)) != len(keys):
        raise InvalidValue(f"a system needs venues, each (name, account) once, got {keys}")
    if cross_check is not None and not cross_check > 0:
        raise InvalidValue(f"cross_check must be above 0 seconds, or None; was {cross_check}")
    if protect_within is not None and not protect_within > 0:
        raise InvalidValue(f"protect_within must be above 0 seconds, was {protect_within}")
    if not price_max_age > 0:
        raise InvalidValue(f"price_max_age must be above 0 seconds, was {price_max_age}")
