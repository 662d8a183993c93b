"""What a booking of an order, or a word about a slot, does to a position."""

from __future__ import annotations

from typing import Final

from .messages import CorrectPosition, SetBaseline, SubmitOrder
from .order import Booking, BookingKind
from .position import book, late_fee, void
from .position_corrections import correct, set_baseline
from .position_state import Position
from .values import Instrument

__all__ = ["book_execution", "state_position"]

_BOOK: Final = BookingKind.BOOK


def book_execution(
    position: Position, instrument: Instrument, terms: SubmitOrder, booking: Booking, ts: int
) -> Position:
    """Take one booking of an order into the slot it trades.

    ``terms`` give the side where the fill does not.
    """
    kind, fill = booking.kind, booking.fill
    side = fill.side if fill.side is not None else terms.side
    if kind is _BOOK:
        return book(
            position, instrument, side, fill.last_qty, fill.last_px, fill.fee, fill.fee_currency, ts
        )
    if kind is BookingKind.VOID:
        if not fill.last_qty:
            return position  # it never came: nothing to take back
        return void(
            position, instrument, side, fill.last_qty, fill.last_px, fill.fee, fill.fee_currency, ts
        )
    if kind is BookingKind.FEE and fill.fee is not None:
        return late_fee(position, instrument, fill.fee, fill.fee_currency, ts)
    return position


def state_position(
    position: Position, instrument: Instrument, message: SetBaseline | CorrectPosition
) -> Position:
    """Take what was stated about a slot into it.

    Raises:
        InvalidValue: it does not fit the slot or the kind of correction; nothing changed.
    """
    if isinstance(message, SetBaseline):
        return set_baseline(position, instrument, message.qty, message.avg_px, message.ts)
    return correct(
        position,
        instrument,
        message.kind,
        message.ts,
        qty=message.qty,
        px=message.px,
        ratio=message.ratio,
        amount=message.amount,
        currency=message.currency,
    )
