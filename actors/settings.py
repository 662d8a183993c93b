"""What a system is given to begin with, checked before anything is opened."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from engine.capabilities import Capabilities
from engine.errors import InvalidValue
from engine.given import check_flag, check_kind
from engine.session import SessionLimits
from engine.values import BASE36, ENGINE_ID_LENGTH

from .door import nanoseconds
from .retention import Retention
from .runtime import Dispatcher
from .venues.port import Venue

__all__ = ["check_settings"]


def check_settings(
    venues: Sequence[Venue],
    engine_id: str,
    journal: object,
    dispatcher: object,
    limits: object,
    retention: object,
    emulate_triggers: bool,
    history: bool,
    call_timeout: float,
    ack_timeout: float,
    cross_check: float | None,
    protect_within: float | None,
    price_max_age: float,
) -> tuple[tuple[int, int], int | None, int | None, int]:
    """Refuse what cannot be meant; times are in seconds. Returns the times in nanoseconds: both
    timeouts together, ``cross_check``, ``protect_within`` and ``price_max_age``.

    Raises:
        InvalidValue: naming the setting and its value; nothing has happened.
    """
    check_kind("engine_id", engine_id, str)
    if len(engine_id) != ENGINE_ID_LENGTH or any(char not in BASE36 for char in engine_id):
        raise InvalidValue(f"engine_id must be three characters of [0-9A-Z], was {engine_id!r:.40}")
    keys = _keys(venues)
    check_flag("emulate_triggers", emulate_triggers)
    check_flag("history", history)
    if retention is not None:
        check_kind("retention (or None)", retention, Retention)
    if dispatcher is not None:
        check_kind("dispatcher (or None)", dispatcher, Dispatcher)
    if not isinstance(journal, str | Path | None) and not hasattr(journal, "last_seq"):
        raise InvalidValue(
            f"journal must be a path, an open journal, or None for memory; was {journal!r:.80}"
        )
    _check_limits(limits, keys)
    timeouts = nanoseconds("call_timeout", call_timeout), nanoseconds("ack_timeout", ack_timeout)
    cross_check_ns = (
        None if cross_check is None else nanoseconds("cross_check (or None)", cross_check)
    )
    protect_ns = (
        None if protect_within is None else nanoseconds("protect_within (or None)", protect_within)
    )
    return timeouts, cross_check_ns, protect_ns, nanoseconds("price_max_age", price_max_age)


def _keys(venues: Sequence[Venue]) -> list[tuple[str, str]]:
    given: object = venues
    if not isinstance(given, Collection) or isinstance(given, str | bytes | Mapping):
        raise InvalidValue(f"venues must be a list, as [venue]; was a {type(given).__name__}")
    for venue in venues:
        _check_venue(venue)
    keys = [(venue.name, venue.account) for venue in venues]
    if not keys or len(dict.fromkeys(keys)) != len(keys):
        raise InvalidValue(f"a system needs venues, each (name, account) once, got {keys}")
    return keys


def _check_limits(limits: object, keys: list[tuple[str, str]]) -> None:
    """One for all, or one for each of some accounts; a slip in a name would limit nothing."""
    if isinstance(limits, Mapping):
        for key, one in limits.items():
            if key not in keys:
                raise InvalidValue(
                    f"limits are by (venue, account) of the system, {key!r:.80} is none of {keys}"
                )
            check_kind(f"limits of {key}", one, SessionLimits)
    elif limits is not None:
        check_kind("limits", limits, SessionLimits)


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
