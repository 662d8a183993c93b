"""A position slot: what is held, what it cost, and what it has earned.

A slot is keyed (venue, account, instrument, NET | LONG | SHORT). Its quantity is the baseline, plus
every execution, minus the fees taken in the traded asset, plus typed corrections; orders and their
states never enter. A booking is never refused because it looks wrong (a LONG slot sold below zero
is booked, and :func:`is_contrary`): the venue's executions are what happened.

Rules, in short (the arithmetic and its exactness stand in :mod:`engine.pnl`):

* **Average cost.** A reduction releases a proportional share of the cost; a flip closes the old
  side and opens the new one at the fill's price. The average entry of an inverse contract is the
  harmonic one, ``sum qty / sum(qty / px)``.
* **Realised P&L** is in the settle currency and excludes fees. Fees stand per currency, in
  first-seen order; a rebate is negative.
* **A fee in the base currency of a CASH instrument** is taken from what is held: buying 10 with
  0.01 base fee gives 9.99. The execution counts as one of 9.99 for the same cash, so the average
  rises to ``10 * px / 9.99`` and the fee is inside P&L; do not subtract it again. It is listed
  among the fees all the same. A contract's fee never changes quantity.
* **Unknown entry price** (a baseline without average) makes that quantity *unpriced*: it closes
  first, its proceeds stay apart, and while it is held average and unrealised P&L are None. No
  number is invented.
* **Dust** is what no order could sell: it stays booked and joins the next position, while life and
  exposure are FLAT.

Every function is pure: it returns a new :class:`Position`, and an exception has changed nothing.
Executions are counted once by their owner; this module keeps no execution ids.
"""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import Final

import msgspec

from .errors import InvalidValue
from .pnl import (
    EXACT,
    Amounts,
    add_amount,
    basis_after_gift,
    basis_after_void,
    cash_flow,
    is_dust,
    split_fill,
    split_void,
)
from .position_corrections import CorrectionKind, correct, set_baseline
from .position_state import Position, moved, new_position, trade, unbookable
from .position_tables import LIFE, Exposure, PositionLife, PositionTrigger
from .position_views import (
    avg_px,
    exposure,
    is_contrary,
    realized_pnl,
    total_pnl,
    unpriced_qty,
    unrealized_pnl,
)
from .values import ZERO, Instrument, InstrumentKind, Side

__all__ = [
    "LIFE",
    "CorrectionKind",
    "Exposure",
    "Position",
    "PositionLife",
    "PositionTrigger",
    "avg_px",
    "book",
    "correct",
    "exposure",
    "follow_orders",
    "is_contrary",
    "is_dust",
    "late_fee",
    "new_position",
    "realized_pnl",
    "set_baseline",
    "total_pnl",
    "unpriced_qty",
    "unrealized_pnl",
    "void",
]

_add: Final = EXACT.add
_subtract: Final = EXACT.subtract
_BUY: Final = Side.BUY
_CASH: Final = InstrumentKind.CASH


def book(
    position: Position,
    instrument: Instrument,
    side: Side,
    qty: Decimal,
    px: Decimal,
    fee: Decimal | None,
    fee_currency: str,
    ts: int,
) -> Position:
    """Book one execution.

    ``fee`` is what we paid (negative: a rebate); None means not told yet, see :func:`late_fee`.

    Raises:
        InvalidValue: quantity not above zero, a number that is not finite or so large that it
            cannot be summed exactly, a zero price of an inverse contract.
    """
    try:
        flow = cash_flow(instrument, side, qty, px)
        if qty <= ZERO:
            raise _impossible(position, "fill", qty)
        delta = qty if side is _BUY else qty.copy_negate()
        fees = position.fees
        if fee:
            if instrument.kind is _CASH and fee_currency == instrument.base and fee_currency:
                if fee.copy_abs() >= qty:  # more than the execution itself: keep its direction
                    traded = book(position, instrument, side, qty, px, None, "", ts)
                    return late_fee(traded, instrument, fee, fee_currency, ts)
                delta = _subtract(delta, fee)
            fees = add_amount(fees, fee_currency, fee)
        return trade(position, instrument, delta, flow, px, fees, ts)
    except DecimalException as error:
        raise unbookable(position, "fill", (qty, px, fee), error) from None


def void(
    position: Position,
    instrument: Instrument,
    side: Side,
    qty: Decimal,
    px: Decimal,
    fee: Decimal | None,
    fee_currency: str,
    ts: int,
) -> Position:
    """Take a busted execution back.

    The arguments are the execution's own, ``fee`` as booked so far. Quantity, cash, fees and
    therefore total P&L are exactly as if it never was. So are average and realised P&L, unless
    trades on the other side came between: see :func:`engine.pnl.basis_after_void`.

    Raises:
        InvalidValue: as :func:`book`.
    """
    try:
        flow = cash_flow(instrument, side.opposite, qty, px)
        if qty <= ZERO:
            raise _impossible(position, "bust", qty)
        delta = qty.copy_negate() if side is _BUY else qty
        fees = position.fees
        if fee:
            if instrument.kind is _CASH and fee_currency == instrument.base and fee_currency:
                if fee.copy_abs() >= qty:
                    unpaid = late_fee(position, instrument, fee.copy_negate(), fee_currency, ts)
                    return void(unpaid, instrument, side, qty, px, None, "", ts)
                delta = _add(delta, fee)
            fees = _without_zeros(add_amount(fees, fee_currency, fee.copy_negate()))
        unpriced, change, money = position.unpriced, delta, flow
        held = position.qty
        if unpriced is not None:
            held = _subtract(held, unpriced.qty)
            unpriced, change, money = split_void(unpriced, held, delta, flow)
        basis = basis_after_void(
            held,
            position.basis,
            change,
            money,
            _add(held, change),
            (position.prior_qty, position.prior_basis),
            instrument.allows_negative_price,
        )
        cash = _add(position.cash, money)
        qty = _add(position.qty, delta)
        return moved(position, instrument, qty, cash, basis, px, fees, unpriced, ts, True)
    except DecimalException as error:
        raise unbookable(position, "bust", (px, fee), error) from None


def late_fee(
    position: Position, instrument: Instrument, fee: Decimal, fee_currency: str, ts: int
) -> Position:
    """Book a fee that was told after its fill (or a change of it: the difference).

    A base fee of a CASH instrument leaves the cost on what is left, as it would have on a buy.
    """
    if not fee:
        return position
    try:
        fees = _without_zeros(add_amount(position.fees, fee_currency, fee))
        if not (instrument.kind is _CASH and fee_currency == instrument.base and fee_currency):
            return moved(
                position, instrument, position.qty, position.cash, position.basis, None, fees,
                position.unpriced, ts, False,
            )  # fmt: skip
        delta = fee.copy_negate()
        unpriced, change, held = position.unpriced, delta, position.qty
        if unpriced is not None:
            held = _subtract(held, unpriced.qty)
            if _crosses(held, delta):  # what the priced part cannot give, the unpriced part gives
                unpriced, rest, _ = split_fill(unpriced, ZERO, _add(held, delta), ZERO)
                change = _subtract(rest, held)
        basis = basis_after_gift(held, position.basis, _add(held, change))
        qty = _add(position.qty, delta)
        return moved(
            position, instrument, qty, position.cash, basis, None, fees, unpriced, ts, False
        )
    except DecimalException as error:
        raise unbookable(position, "fee", (fee,), error) from None


def follow_orders(
    position: Position, instrument: Instrument, entries_working: bool, exit_qty: Decimal, ts: int
) -> Position:
    """Tell the slot whether any entry works on it, and the total quantity of working exits.

    Idempotent, so it may be told after every change. Stops that rest untriggered are not exits in
    progress.
    """
    held = (
        bool(position.qty)
        and position.life is not PositionLife.FLAT
        and not is_dust(position.qty, instrument)
    )
    if exit_qty and held:
        covers = exit_qty >= position.qty.copy_abs()
        triggers = [PositionTrigger.CLOSE_WORKING if covers else PositionTrigger.EXIT_WORKING]
    elif entries_working:
        triggers = [PositionTrigger.EXIT_ENDED, PositionTrigger.ENTRY_WORKING]
    elif held:
        triggers = [PositionTrigger.EXIT_ENDED, PositionTrigger.ENTRY_ENDED]
    else:
        triggers = [PositionTrigger.EXIT_ENDED, PositionTrigger.ENTRY_LAPSED]
    life = position.life
    for trigger in triggers:
        life = LIFE.table[life, trigger].target
    if life is position.life:
        return position
    return msgspec.structs.replace(position, life=life, ts=ts)


def _without_zeros(amounts: Amounts) -> Amounts:
    """Leave out currencies that came to nothing, so that a bust leaves no trace of its fee."""
    return tuple(pair for pair in amounts if pair[1])


def _crosses(held: Decimal, delta: Decimal) -> bool:
    """Whether ``delta`` takes ``held`` to the other side of zero."""
    return not held or (
        held.is_signed() != delta.is_signed() and delta.copy_abs() > held.copy_abs()
    )


def _impossible(position: Position, what: str, qty: Decimal) -> InvalidValue:
    return InvalidValue(
        f"a {what} of {position.instrument!r} needs a quantity above 0, was {qty};"
        f" the position still holds {position.qty}"
    )
