"""What people ask a position: average, unrealised and total P&L, exposure.

All derived from quantity, cash and basis, so ``realized + unrealized = total`` exactly. Marks come
from the caller; ``None`` means the entry price of something held is not known.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from .pnl import EXACT, is_dust, value
from .position_state import Position
from .position_tables import Exposure, PositionLife
from .values import CONTEXT, ZERO, Instrument, InstrumentKind, PositionSlot

__all__ = [
    "avg_px",
    "direction",
    "exposure",
    "is_contrary",
    "realized_pnl",
    "total_pnl",
    "unpriced_qty",
    "unrealized_pnl",
]

_multiply: Final = EXACT.multiply
_INVERSE: Final = InstrumentKind.INVERSE


def avg_px(position: Position, instrument: Instrument) -> Decimal | None:
    """Average entry price; harmonic for INVERSE.

    None when flat, or while part of the entry price is unknown. Rounded to 34 digits: for people
    and for prices of exits, never an input to P&L.
    """
    qty = position.qty
    if not qty or (position.unpriced is not None and position.unpriced.qty):
        return None
    if instrument.kind is _INVERSE:
        if not position.basis:
            return None
        contracts = _multiply(qty, instrument.multiplier)
        return CONTEXT.divide(contracts, position.basis).copy_negate()
    return CONTEXT.divide(position.basis, _multiply(qty, instrument.multiplier))


def realized_pnl(position: Position) -> Decimal:
    """Realised P&L of what had a known entry price, without fees and funding; settle currency."""
    return EXACT.add(position.cash, position.basis)


def unrealized_pnl(position: Position, instrument: Instrument, mark: Decimal) -> Decimal | None:
    """P&L of closing all at ``mark``, without fees. None while an entry price is unknown."""
    if unpriced_qty(position):
        return None
    return EXACT.subtract(_worth(position, instrument, mark), position.basis)


def total_pnl(position: Position, instrument: Instrument, mark: Decimal) -> Decimal | None:
    """Realised plus unrealised: cash plus what is held at ``mark``.

    None while an entry price is unknown. Where unpriced quantity was closed earlier, its (unknown)
    P&L is in neither part; ``position.unpriced`` shows it.
    """
    if unpriced_qty(position):
        return None
    return EXACT.add(position.cash, _worth(position, instrument, mark))


def unpriced_qty(position: Position) -> Decimal:
    """How much of the quantity has no known entry price; signed."""
    return ZERO if position.unpriced is None else position.unpriced.qty


def exposure(position: Position, instrument: Instrument, px: Decimal | None = None) -> Exposure:
    """LONG, SHORT or FLAT; dust is FLAT. Without ``px`` the minimum notional is not judged."""
    if not position.qty or is_dust(position.qty, instrument, px):
        return Exposure.FLAT
    return Exposure.SHORT if position.qty < ZERO else Exposure.LONG


def direction(position: Position, instrument: Instrument, px: Decimal | None = None) -> Exposure:
    """LONG, SHORT or FLAT as a strategy means it, for net and for hedge slots.

    Without ``px`` dust below the minimum notional is what its last booking, at its price, made it.
    """
    if px is None and position.life is PositionLife.FLAT:
        return Exposure.FLAT
    return exposure(position, instrument, px)


def is_contrary(position: Position) -> bool:
    """Whether a hedge slot holds the other side, as a fill booked on the wrong slot leaves it."""
    if position.slot is PositionSlot.LONG:
        return position.qty < ZERO
    return position.slot is PositionSlot.SHORT and position.qty > ZERO


def _worth(position: Position, instrument: Instrument, mark: Decimal) -> Decimal:
    return value(instrument, position.qty, mark) if position.qty else ZERO
