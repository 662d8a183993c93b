"""What parts the legs of a holding have of it, and what of a quantity an order can close."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from .messages import Leg, LegRole
from .pnl import is_dust
from .values import CONTEXT, ONE, ZERO, Instrument, round_down

__all__ = ["closable", "largest", "parts_of"]


def parts_of(
    legs: tuple[Leg, ...], role: LegRole, whole: Decimal, instruments: Mapping[str, Instrument]
) -> list[tuple[Leg, Decimal | None]]:
    """The legs of a role with what each is entitled to of the whole; None: all of it.

    Where parts come to all of it the last gets what rounding left over.
    """
    mine = [leg for leg in legs if leg.role is role]
    total = sum((leg.share for leg in mine if leg.share is not None), ZERO)
    given = ZERO
    parts: list[tuple[Leg, Decimal | None]] = []
    for leg in mine:
        if leg.share is None:
            parts.append((leg, None))
            continue
        lot = instruments[leg.order.instrument].lot_size
        part = round_down(CONTEXT.multiply(whole, leg.share), lot)
        if leg is mine[-1] and total == ONE:
            part = whole - given
        given += part
        parts.append((leg, part))
    return parts


def closable(qty: Decimal, instrument: Instrument, px: Decimal | None) -> Decimal:
    """How much of it an order can close: whole lots, and nothing where that is too little."""
    if qty < instrument.lot_size:
        return ZERO
    rounded = round_down(qty, instrument.lot_size)
    return ZERO if is_dust(rounded, instrument, px) else rounded


def largest(legs: tuple[Leg, ...]) -> Decimal:
    """What legs without a parent are to close: the largest of them, or what parts come to."""
    full = [leg.order.order_qty or ZERO for leg in legs if leg.share is None]
    parts: dict[LegRole, Decimal] = {}
    for leg in legs:
        if leg.share is not None:
            parts[leg.role] = parts.get(leg.role, ZERO) + (leg.order.order_qty or ZERO)
    return max([*full, *parts.values()], default=ZERO)
