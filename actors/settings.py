"""What a system is given to begin with, checked before anything is opened."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.capabilities import Capabilities
from engine.errors import InvalidValue
from engine.values import BASE36, ENGINE_ID_LENGTH

from .door import nanoseconds
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
    if not isinstance(venues, Collection):
        raise InvalidValue(f"venues must be a list, as [venue]; was a {type(venues).__name__}")
    for venue in venues:
        _check_venue(venue)
    keys = [(venue.name, venue.account) for venue in venues]
    if not keys or len(dict.fromkeys(keys)) != len(keys):
        raise InvalidValue(f"a system needs venues, each (name, account) once, got {keys}")
    if cross_check is not None:
        nanoseconds("cross_check (or None)", cross_check)
    if protect_within is not None:
        nanoseconds("protect_within (or None)", protect_within)
    nanoseconds("price_max_age", price_max_age)


def _check_venue(venue: Venue) -> None:
    kind = type(venue).__name__
    lacking = [what for what in _PORT if not hasattr(venue, what)]
    if lacking:
        raise InvalidValue(f"{kind} is no venue (actors.venues.port): no {', '.join(lacking)}")
    for what in ("name", "account"):
        text: object = getattr(venue, what)
        if not isinstance(text, str) or not text:
            raise InvalidValue(f"{what} of {kind} must be a text that is not empty, was {text!r}")
    if not isinstance(venue.capabilities, Capabilities):
        raise InvalidValue(
            f"capabilities of {kind} must be engine.Capabilities, was {venue.capabilities!r:.80}"
        )


_PORT = sorted(name for name in {*Venue.__annotations__, *vars(Venue)} if not name.startswith("_"))
