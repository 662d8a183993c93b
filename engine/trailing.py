"""How a stop is moved by the engine: after the price (a trail), and to break-even.

Pure arithmetic. ``side`` is that of the stop's order: a SELL stop is below the market and is
tightened upwards, a BUY stop the other way round. A trail is rounded away from the market, so that
the tick never makes it tighter than was asked; break-even towards it, so that it covers what it is
to cover.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from .errors import InvalidOrder
from .given import check_kind, check_whole
from .messages import BreakEven, Leg, LegRole, Trail
from .values import CONTEXT, ZERO, OrderType, Side, TriggerSource, round_price

__all__ = [
    "beyond",
    "check_moves",
    "check_moving",
    "even_level",
    "is_better",
    "is_tighter",
    "trail_level",
]

_MAGNITUDE: Final = 60  # of any distance there is, as a power of ten
_HUNDRED: Final = Decimal(100)
_MOVABLE: Final = (OrderType.STOP, OrderType.STOP_LIMIT)


def is_tighter(side: Side, px: Decimal, than: Decimal) -> bool:
    """Whether a stop at ``px`` gives less away than one at ``than``."""
    return px > than if side is Side.SELL else px < than


def is_better(side: Side, px: Decimal, than: Decimal) -> bool:
    """Whether the market at ``px`` is further in favour of what the stop protects."""
    return is_tighter(side, px, than)


def beyond(side: Side, px: Decimal, by: Decimal) -> Decimal:
    """``by`` further in favour of what the stop protects."""
    return px + by if side is Side.SELL else px - by


def trail_level(trail: Trail, side: Side, best_px: Decimal, tick: Decimal) -> Decimal:
    """Where the stop belongs while ``best_px`` is the best that was seen."""
    offset = trail.offset
    if offset is None:
        assert trail.percent is not None  # checked when the group was submitted
        share = CONTEXT.divide(trail.percent, _HUNDRED)
        offset = CONTEXT.multiply(best_px.copy_abs(), share)
    return round_price(beyond(side, best_px, -offset), tick, side.opposite)


def even_level(even: BreakEven, side: Side, entry_px: Decimal, tick: Decimal) -> Decimal:
    """Where the stop of what was entered at ``entry_px`` on average breaks even."""
    return round_price(beyond(side, entry_px, even.offset), tick, side)


def check_moving(trail: object, even: object) -> None:
    """Refuse a trail or a break-even whose fields are of other kinds.

    Raises:
        InvalidValue: naming it; nothing has happened.
    """
    for what, moves, kind in (("trail", trail, Trail), ("break_even", even, BreakEven)):
        if moves is not None:
            check_kind(what, moves, kind)
            source = getattr(moves, "source", None)
            if source is not None:
                check_kind(f"the source of {what}", source, TriggerSource)
    if isinstance(trail, Trail):
        check_whole("max_age_ns of a trail", trail.max_age_ns, at_least=1)


def check_moves(leg: Leg) -> None:
    """Refuse a trail or a break-even that cannot be meant.

    Raises:
        InvalidOrder: naming the leg and what to do; nothing has happened.
    """
    trail, even = leg.trail, leg.break_even
    if trail is None and even is None:
        return
    check_moving(trail, even)
    kind = leg.order.order_type
    if leg.role is not LegRole.STOP or kind not in _MOVABLE:
        raise InvalidOrder(
            f"leg {leg.name!r} ({leg.role.value}, {kind.value}) cannot be moved by the engine: only"
            " a STOP leg of type STOP or STOP_LIMIT has a trail or a break-even",
            "BAD_TERMS",
        )
    if trail is not None:
        if (trail.offset is None) == (trail.percent is None):
            raise InvalidOrder(
                f"the trail of {leg.name!r} needs an offset or a percent: exactly one", "BAD_TERMS"
            )
        _check_above(leg, "trail offset", trail.offset)
        _check_above(leg, "trail percent", trail.percent)
        if trail.percent is not None and trail.percent >= _HUNDRED:
            raise InvalidOrder(
                f"the trail percent of {leg.name!r} must be below 100, was {trail.percent}",
                "BAD_TERMS",
            )
        _check_above(leg, "trail activate_px", trail.activate_px)
        _check_finite(leg, "trail step", trail.step)
        if trail.step < ZERO or trail.max_age_ns <= 0:
            raise InvalidOrder(
                f"the trail of {leg.name!r} needs a step of 0 or more and a max_age_ns above 0",
                "BAD_TERMS",
            )
    if even is not None:
        _check_above(leg, "break-even after", even.after)
        _check_finite(leg, "break-even offset", even.offset)


def _check_above(leg: Leg, what: str, value: Decimal | None) -> None:
    if value is not None:
        _check_finite(leg, what, value)
        if value <= ZERO:
            raise InvalidOrder(f"the {what} of {leg.name!r} must be above 0", "BAD_TERMS")


def _check_finite(leg: Leg, what: str, value: Decimal) -> None:
    if type(value) is not Decimal or not value.is_finite():
        raise InvalidOrder(
            f"the {what} of {leg.name!r} must be a finite Decimal, was {value!r:.80}", "BAD_TERMS"
        )
    if value and abs(value.adjusted()) > _MAGNITUDE:
        raise InvalidOrder(
            f"the {what} of {leg.name!r} cannot be meant, was {value!r:.80}", "BAD_TERMS"
        )
