"""The state of a position slot, and the two steps that every change of it goes through.

:func:`trade` moves a quantity for cash; :func:`moved` builds the new state, remembers what a
reduction took from, and steps the life. What a change means is decided in :mod:`engine.position`
and :mod:`engine.position_corrections`.
"""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import Final

import msgspec

from .errors import InvalidValue
from .pnl import EXACT, Amounts, Unpriced, basis_after_fill, is_dust, split_fill
from .position_tables import LIFE, PositionLife, PositionTrigger
from .values import ZERO, Instrument, PositionSlot

__all__ = ["Position", "moved", "new_position", "trade", "unbookable"]

_add: Final = EXACT.add
_subtract: Final = EXACT.subtract
_TABLE: Final = LIFE.table
_FLAT: Final = PositionLife.FLAT
_OPENING: Final = PositionLife.OPENING
_OPEN: Final = PositionLife.OPEN
_OPENED: Final = PositionTrigger.OPENED
_ADDED: Final = PositionTrigger.ADDED
_REDUCED: Final = PositionTrigger.REDUCED
_CLOSED: Final = PositionTrigger.CLOSED
_FLIPPED: Final = PositionTrigger.FLIPPED
_REOPENED: Final = PositionTrigger.REOPENED


class Position(msgspec.Struct, frozen=True, gc=False):
    """One slot. Quantities are signed; ``cash`` and ``basis`` are in the settle ``currency``.

    What people ask for is derived, so that it cannot disagree: see
    :mod:`engine.position_views`.
    """

    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    currency: str
    qty: Decimal
    cash: Decimal
    basis: Decimal
    fees: Amounts  # paid, per currency; negative: rebate
    prior_qty: Decimal  # the priced part just before its last reduction, which is what
    prior_basis: Decimal  # ... a bust of that reduction restores
    life: PositionLife
    ts: int  # of the last change, UTC ns
    funding: Amounts = ()  # received, per currency; negative: paid
    unpriced: Unpriced | None = None
    baseline_qty: Decimal | None = None  # what the slot held before our first fill

    @property
    def key(self) -> tuple[str, str, str, PositionSlot]:
        """Identity of the slot."""
        return (self.venue, self.account, self.instrument, self.slot)


def new_position(
    venue: str, account: str, instrument: Instrument, slot: PositionSlot, ts: int = 0
) -> Position:
    """An empty slot."""
    return Position(
        venue, account, instrument.symbol, slot, instrument.settle_currency,
        ZERO, ZERO, ZERO, (), ZERO, ZERO, _FLAT, ts,
    )  # fmt: skip


def trade(
    position: Position,
    instrument: Instrument,
    delta: Decimal,
    flow: Decimal,
    px: Decimal,
    fees: Amounts,
    ts: int,
) -> Position:
    """Move the quantity by ``delta`` for ``flow`` of cash."""
    unpriced = position.unpriced
    if unpriced is None:
        held = position.qty
        new = _add(held, delta)
        life = position.life
        if (life is _OPEN or life is _OPENING) and held.is_signed() == delta.is_signed() and held:
            # More of what is held, the common case, built at once: it only adds up.
            return Position(
                position.venue, position.account, position.instrument, position.slot,
                position.currency, new, _add(position.cash, flow), _subtract(position.basis, flow),
                fees, position.prior_qty, position.prior_basis, life, ts, position.funding, None,
                position.baseline_qty,
            )  # fmt: skip
        basis = basis_after_fill(held, position.basis, delta, flow, new)
        cash = _add(position.cash, flow)
        return moved(position, instrument, new, cash, basis, px, fees, None, ts, False)
    held = _subtract(position.qty, unpriced.qty)
    unpriced, rest, money = split_fill(unpriced, held, delta, flow)
    basis = position.basis
    if rest:
        basis = basis_after_fill(held, basis, rest, money, _add(held, rest))
    cash = _add(position.cash, money)
    new = _add(position.qty, delta)
    return moved(position, instrument, new, cash, basis, px, fees, unpriced, ts, False)


def moved(
    position: Position,
    instrument: Instrument,
    qty: Decimal,
    cash: Decimal,
    basis: Decimal,
    px: Decimal | None,
    fees: Amounts,
    unpriced: Unpriced | None,
    ts: int,
    undo: bool,
) -> Position:
    """Build the changed position: remember what a reduction took from, and step its life."""
    old = position.qty
    prior_qty, prior_basis = position.prior_qty, position.prior_basis
    grows = not old or (old.is_signed() == qty.is_signed() and qty.copy_abs() >= old.copy_abs())
    if not grows and not undo:
        prior_qty, prior_basis = old, position.basis
        if position.unpriced is not None:
            prior_qty = _subtract(old, position.unpriced.qty)
    life = position.life
    if life is not _OPENING and not (life is _OPEN and grows):
        life = _next_life(life, instrument, old, qty, px, grows, undo)
    return Position(
        position.venue, position.account, position.instrument, position.slot, position.currency,
        qty, cash, basis, fees, prior_qty, prior_basis, life, ts, position.funding, unpriced,
        position.baseline_qty,
    )  # fmt: skip


def _next_life(
    life: PositionLife,
    instrument: Instrument,
    old: Decimal,
    new: Decimal,
    px: Decimal | None,
    grows: bool,
    undo: bool,
) -> PositionLife:
    """What a change of quantity means for the life; dust counts as nothing."""
    if not new or is_dust(new, instrument, px):
        trigger = _CLOSED
    elif life is _FLAT:
        trigger = _REOPENED if undo else _OPENED
    elif grows:
        trigger = _REOPENED if undo else _ADDED
    elif old.is_signed() == new.is_signed():
        trigger = _REDUCED
    else:
        trigger = _FLIPPED
    return _TABLE[life, trigger].target


def unbookable(
    position: Position, what: str, numbers: tuple[Decimal | None, ...], error: DecimalException
) -> InvalidValue:
    """The typed error for numbers that decimal arithmetic refuses."""
    shown = ", ".join(str(number) for number in numbers)
    return InvalidValue(
        f"this {what} of {position.instrument!r} cannot be booked exactly"
        f" ({type(error).__name__}): {shown}; the position still holds {position.qty}"
    )
