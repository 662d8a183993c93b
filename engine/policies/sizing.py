"""How much to trade, so that the stop costs no more than what may be lost.

:func:`size_for` divides what may be lost by what one unit loses between entry and stop, fees of
both ways included, and rounds down to the lot. Limits only ever make it smaller. Where nothing
tradable comes of it, it says so with a reason; there is no smallest size to fall back to.

P&L comes from :mod:`engine.pnl`, so LINEAR, CASH and INVERSE contracts are sized by the money they
really move. ``rate`` is what one unit of the settle currency is worth in the currency of the risk.
"""

from __future__ import annotations

from decimal import Decimal, DecimalException

import msgspec

from ..pnl import EXACT, cash_flow, is_dust
from ..values import CONTEXT, ONE, ZERO, Instrument, InstrumentKind, Side, Word, exact, round_down

__all__ = ["Caps", "SizeReason", "Sizing", "loss_at_stop", "size_for"]


class SizeReason(Word):
    """Why a size is 0."""

    NO_RISK = "NO_RISK"  # nothing may be lost
    BAD_PRICE = "BAD_PRICE"  # no price at which this instrument could be traded
    BAD_RATE = "BAD_RATE"
    STOP_SIDE = "STOP_SIDE"  # the stop is where the profit would be
    STOP_DISTANCE = "STOP_DISTANCE"  # the stop is at the entry
    ZERO_SIZE = "ZERO_SIZE"  # less than a lot
    TOO_SMALL = "TOO_SMALL"  # less than the venue takes, at the entry or at the stop
    NO_FUNDS = "NO_FUNDS"  # a limit leaves nothing


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """What a size may not exceed; ``None``: not limited, or not known.

    ``max_value``: of what is bought or sold, at its entry. ``available``: what can be paid with,
    for the value over ``leverage`` and both ways' fees. Both in the currency of the risk.
    """

    max_qty: Decimal | None = None
    max_value: Decimal | None = None
    available: Decimal | None = None
    leverage: Decimal = ONE


class Sizing(msgspec.Struct, frozen=True):
    """A size, or why there is none.

    ``loss``: what the stop costs with it, in the currency of the risk. ``capped_by``: the limit
    that made it smaller than the risk alone would have, if any.
    """

    qty: Decimal
    loss: Decimal = ZERO
    capped_by: str = ""
    reason: SizeReason | None = None
    detail: str = ""


def loss_at_stop(
    instrument: Instrument,
    side: Side,
    qty: Decimal,
    entry_px: Decimal,
    stop_px: Decimal,
    fee_rate: Decimal = ZERO,
) -> Decimal:
    """What ``qty`` loses from the entry to the stop, in the settle currency; positive is a loss.

    ``fee_rate``: of the value, paid at both ends.
    """
    opened = cash_flow(instrument, side, qty, entry_px)
    closed = cash_flow(instrument, side.opposite, qty, stop_px)
    paid = EXACT.multiply(EXACT.add(opened.copy_abs(), closed.copy_abs()), fee_rate)
    return EXACT.subtract(paid, EXACT.add(opened, closed))


def size_for(
    instrument: Instrument,
    side: Side,
    entry_px: Decimal,
    stop_px: Decimal,
    risk: Decimal,
    *,
    fee_rate: Decimal = ZERO,
    rate: Decimal = ONE,
    caps: Caps | None = None,
) -> Sizing:
    """The largest size in lots whose loss at the stop is at most ``risk``, within ``caps``.

    ``risk`` and the caps are in one currency; ``rate`` turns the settle currency into it.
    """
    try:
        with exact():
            return _size(instrument, side, entry_px, stop_px, risk, fee_rate, rate, caps or Caps())
    except DecimalException as error:
        return _none(
            SizeReason.BAD_PRICE,
            f"{instrument.symbol!r} cannot be sized from {entry_px} to {stop_px}"
            f" ({type(error).__name__})",
        )


def _size(
    instrument: Instrument,
    side: Side,
    entry_px: Decimal,
    stop_px: Decimal,
    risk: Decimal,
    fee_rate: Decimal,
    rate: Decimal,
    caps: Caps,
) -> Sizing:
    refusal = _refusal(instrument, side, entry_px, stop_px, risk, rate)
    if refusal is not None:
        return refusal

    def loss(qty: Decimal) -> Decimal:
        lost = loss_at_stop(instrument, side, qty, entry_px, stop_px, fee_rate)
        return EXACT.multiply(lost, rate)

    unit = loss(ONE)
    if unit <= ZERO:
        return _none(
            SizeReason.STOP_DISTANCE,
            f"from {entry_px} to the stop at {stop_px} nothing is lost (fees {fee_rate}): no size"
            " follows from a risk",
        )
    qty = CONTEXT.divide(risk, unit)
    capped_by = ""
    for name, limit in _limits(instrument, entry_px, stop_px, fee_rate, rate, caps):
        if limit <= ZERO:
            return _none(SizeReason.NO_FUNDS, f"{name} leaves nothing: {limit}")
        if limit < qty:
            qty, capped_by = limit, name
    qty = round_down(qty, instrument.lot_size)
    while qty > ZERO and loss(qty) > risk:  # a quotient may have been rounded up
        qty -= instrument.lot_size
    if qty <= ZERO:
        cause = f"{capped_by} allows" if capped_by else f"a risk of {risk} allows"
        return _none(
            SizeReason.ZERO_SIZE,
            f"{cause} less than one lot ({instrument.lot_size}); one unit loses {unit} from"
            f" {entry_px} to {stop_px}",
        )
    for what, px in (("entry", entry_px), ("stop", stop_px)):
        if is_dust(qty, instrument, px):
            return _none(
                SizeReason.TOO_SMALL,
                f"{qty} is below what can be traded at the {what} ({px}): minimum quantity"
                f" {instrument.min_qty}, minimum notional {instrument.min_notional}",
            )
    return Sizing(qty, loss(qty), capped_by)


def _refusal(
    instrument: Instrument,
    side: Side,
    entry_px: Decimal,
    stop_px: Decimal,
    risk: Decimal,
    rate: Decimal,
) -> Sizing | None:
    if not risk.is_finite() or risk <= ZERO:
        return _none(SizeReason.NO_RISK, f"the risk must be above 0, was {risk}")
    if not rate.is_finite() or rate <= ZERO:
        return _none(SizeReason.BAD_RATE, f"the rate must be above 0, was {rate}")
    for px in (entry_px, stop_px):
        is_below = px <= ZERO and not instrument.allows_negative_price
        if not px.is_finite() or is_below or (not px and _is_inverse(instrument)):
            return _none(SizeReason.BAD_PRICE, f"{instrument.symbol!r} has no value at {px}")
    away = entry_px - stop_px if side is Side.BUY else stop_px - entry_px
    if not away:
        return _none(SizeReason.STOP_DISTANCE, f"the stop is at the entry ({entry_px})")
    if away < ZERO:
        where = "below" if side is Side.BUY else "above"
        return _none(
            SizeReason.STOP_SIDE,
            f"the stop of a {side.name} must be {where} the entry ({entry_px}), was {stop_px}",
        )
    return None


def _limits(
    instrument: Instrument,
    entry_px: Decimal,
    stop_px: Decimal,
    fee_rate: Decimal,
    rate: Decimal,
    caps: Caps,
) -> list[tuple[str, Decimal]]:
    """Each limit as a quantity."""
    found: list[tuple[str, Decimal]] = []
    if instrument.max_qty is not None:
        found.append(("the instrument's max_qty", instrument.max_qty))
    if caps.max_qty is not None:
        found.append(("max_qty", caps.max_qty))
    worth = CONTEXT.multiply(instrument.notional(ONE, entry_px).copy_abs(), rate)
    if not worth:
        return found
    if caps.max_value is not None:
        found.append(("max_value", CONTEXT.divide(caps.max_value, worth)))
    if caps.available is not None:
        stop_worth = CONTEXT.multiply(instrument.notional(ONE, stop_px).copy_abs(), rate)
        fees = CONTEXT.multiply(worth + stop_worth, max(fee_rate, ZERO))
        cost = CONTEXT.divide(worth, caps.leverage) + fees
        found.append(("available", CONTEXT.divide(caps.available, cost)))
    return found


def _is_inverse(instrument: Instrument) -> bool:
    return instrument.kind is InstrumentKind.INVERSE


def _none(reason: SizeReason, detail: str) -> Sizing:
    return Sizing(ZERO, reason=reason, detail=detail)
