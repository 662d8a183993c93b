"""Changes of a position that no execution of ours made: baselines and typed corrections.

Liquidation, auto-deleveraging, settlement, expiry, assignment and a person's statement move
quantity, at a price where one is known; a split rescales it; funding is cash. Each is booked as
stated and none is inferred here.
"""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import Final

import msgspec

from .errors import InvalidValue
from .messages import CorrectPosition, SetBaseline
from .pnl import EXACT, Unpriced, add_amount, basis_after_fill, cash_flow, split_fill
from .position_state import Position, moved, trade, unbookable
from .values import ZERO, CorrectionKind, Instrument, Side

__all__ = ["CorrectionKind", "check_fields", "correct", "set_baseline"]

_add: Final = EXACT.add
_subtract: Final = EXACT.subtract


def set_baseline(
    position: Position, instrument: Instrument, qty: Decimal, avg_px: Decimal | None, ts: int
) -> Position:
    """State what the slot held before our first fill (signed); realised P&L starts at zero there.

    Without ``avg_px`` the quantity is unpriced. Zero states that the slot was flat.

    Raises:
        InvalidValue: the slot has bookings or a baseline already. What comes later is an OPERATOR
            correction.
    """
    if position.baseline_qty is not None or position.qty or position.cash or position.fees:
        raise InvalidValue(
            f"a baseline is what a slot held before its first fill; {position.instrument!r}"
            f" already holds {position.qty} (baseline {position.baseline_qty});"
            " use an OPERATOR correction (state_position, CorrectPosition)"
        )
    if not qty:
        return msgspec.structs.replace(position, baseline_qty=ZERO, ts=ts)
    stated = correct(position, instrument, CorrectionKind.OPERATOR, ts, qty=qty, px=avg_px)
    return msgspec.structs.replace(stated, baseline_qty=qty)


def check_fields(message: SetBaseline | CorrectPosition, instrument: Instrument) -> None:
    """Refuse a statement with a price that cannot be, or with what its kind does not use: somebody
    would believe that it was booked.

    Raises:
        InvalidValue: naming it; nothing has happened.
    """
    if isinstance(message, SetBaseline):
        _check_px("avg_px", message.avg_px, instrument)
        return
    kind = message.kind
    given = {
        "qty": bool(message.qty), "px": message.px is not None,
        "ratio": message.ratio is not None, "amount": message.amount is not None,
        "currency": bool(message.currency),
    }  # fmt: skip
    used = _USED.get(kind, ("qty", "px"))
    unused = [name for name, is_given in given.items() if is_given and name not in used]
    if unused:
        raise InvalidValue(
            f"a {kind.value} correction takes {' and '.join(used)}; {unused[0]} was given as well"
        )
    _check_px("px", message.px, instrument)


def _check_px(what: str, px: Decimal | None, instrument: Instrument) -> None:
    """0 may be: an option expires worthless."""
    if px is not None and px < ZERO and not instrument.allows_negative_price:
        raise InvalidValue(f"{what} of {instrument.symbol} must not be negative, was {px}")


#: What goes with a kind; with any other a signed change and its price.
_USED: Final = {
    CorrectionKind.FUNDING: ("amount", "currency"),
    CorrectionKind.SPLIT: ("ratio",),
}


def correct(
    position: Position,
    instrument: Instrument,
    kind: CorrectionKind,
    ts: int,
    *,
    qty: Decimal = ZERO,
    px: Decimal | None = None,
    ratio: Decimal | None = None,
    amount: Decimal | None = None,
    currency: str = "",
) -> Position:
    """Book a change that was no execution of ours.

    FUNDING takes ``amount`` (received; negative: paid) and ``currency``; SPLIT takes ``ratio``
    (cost and P&L stand); every other kind takes a signed change ``qty`` and the price it happened
    at. Without a price, what is added is unpriced, and what is taken leaves at cost, so realised
    P&L neither gains nor loses.

    Raises:
        InvalidValue: the arguments do not fit the kind, or are not finite.
    """
    try:
        if kind is CorrectionKind.FUNDING:
            if amount is None or not amount.is_finite() or not currency:
                raise InvalidValue(
                    f"funding needs a finite amount and its currency, was {amount} {currency!r}"
                )
            funding = add_amount(position.funding, currency, amount)
            return msgspec.structs.replace(position, funding=funding, ts=ts)
        if kind is CorrectionKind.SPLIT:
            if ratio is None or not ratio.is_finite() or ratio <= ZERO:
                raise InvalidValue(f"a split needs a ratio above 0 (new per old unit), was {ratio}")
            return _split(position, instrument, ratio, ts)
        if not qty.is_finite() or not qty:
            raise InvalidValue(f"a {kind.value} correction needs a quantity, was {qty}")
        if px is None:
            return _unpriced_change(position, instrument, qty, ts)
        side = Side.SELL if qty.is_signed() else Side.BUY
        flow = cash_flow(instrument, side, qty.copy_abs(), px)
        return trade(position, instrument, qty, flow, px, position.fees, ts)
    except DecimalException as error:
        raise unbookable(position, kind.value, (qty, px, ratio, amount), error) from None


def _unpriced_change(
    position: Position, instrument: Instrument, delta: Decimal, ts: int
) -> Position:
    """Move the quantity at a price nobody told us."""
    unpriced = position.unpriced or Unpriced()
    held = _subtract(position.qty, unpriced.qty)
    unpriced, rest, _ = split_fill(unpriced, ZERO, delta, ZERO)
    cash, basis = position.cash, position.basis
    if rest and held and held.is_signed() != rest.is_signed():
        taken = rest if rest.copy_abs() <= held.copy_abs() else held.copy_negate()
        basis = basis_after_fill(held, basis, taken, ZERO, _add(held, taken))
        cash = _add(cash, _subtract(position.basis, basis))
        rest = _subtract(rest, taken)
    if rest:
        unpriced = msgspec.structs.replace(unpriced, qty=_add(unpriced.qty, rest))
    known = None if unpriced == Unpriced() else unpriced
    qty = _add(position.qty, delta)
    return moved(position, instrument, qty, cash, basis, None, position.fees, known, ts, False)


def _split(position: Position, instrument: Instrument, ratio: Decimal, ts: int) -> Position:
    """Rescale quantities; cost, cash and fees stand."""
    unpriced = position.unpriced
    if unpriced is not None:
        unpriced = Unpriced(
            EXACT.multiply(unpriced.qty, ratio),
            EXACT.multiply(unpriced.closed, ratio),
            unpriced.cash,
            EXACT.multiply(unpriced.later, ratio),
        )
    qty = EXACT.multiply(position.qty, ratio)
    rescaled = moved(
        position, instrument, qty, position.cash, position.basis, None, position.fees, unpriced,
        ts, True,
    )  # fmt: skip
    prior_qty = EXACT.multiply(position.prior_qty, ratio)
    return msgspec.structs.replace(rescaled, prior_qty=prior_qty)
