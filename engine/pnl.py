"""The arithmetic of a position's money: exact sums, a division only where a cost is shared out.

Four numbers carry everything, all signed and all in the settle currency except the quantity:

* ``qty``: what is held; a short is negative.
* ``cash``: the sum of what each fill paid or received. A buy of a share pays. For an INVERSE
  contract the flow is mirrored (value falls as the price rises, so a buy *receives* ``qty *
  multiplier / px``), which lets one set of formulas serve every kind.
* ``value(qty, px)``: what holding is worth in the same sense: ``qty * multiplier * px``; INVERSE
  ``-qty * multiplier / px``.
* ``basis``: what is held at cost: the value it had when it was bought (or sold short).

From these, by definition and therefore exactly, whatever was rounded inside ``basis``::

    realized = cash + basis
    unrealized(mark) = value(qty, mark) - basis
    total(mark) = cash + value(qty, mark)

Sums and products never round: they run under :data:`EXACT`, which raises instead. Quotients (an
inverse value, the share of a cost that a partial close releases) are rounded once to 34 digits by
:data:`~engine.values.CONTEXT`. So quantity, cash and total do not depend on the order in which
fills arrive, and none of this depends on the ambient context. Fees are amounts beside it, per
currency, and never enter these sums.
"""

from __future__ import annotations

from decimal import Clamped, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Final, TypeAlias

import msgspec

from .errors import InvalidValue
from .values import CONTEXT, ZERO, Instrument, InstrumentKind, Side

__all__ = [
    "EXACT",
    "Amounts",
    "Unpriced",
    "add_amount",
    "basis_after_fill",
    "basis_after_gift",
    "basis_after_void",
    "cash_flow",
    "is_dust",
    "share",
    "split_fill",
    "split_void",
    "value",
]

#: Sums and products of money: room for 250 digits, and an error where even that would round.
EXACT: Final = Context(
    prec=250,
    Emin=-6143,
    Emax=6144,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[Inexact, InvalidOperation, DivisionByZero, Overflow, Clamped],
)
_add: Final = EXACT.add
_subtract: Final = EXACT.subtract
_multiply: Final = EXACT.multiply
_divide: Final = CONTEXT.divide
_BUY: Final = Side.BUY
_INVERSE: Final = InstrumentKind.INVERSE

#: Sums per currency, in the order the currencies were first seen. Never added across currencies.
Amounts: TypeAlias = tuple[tuple[str, Decimal], ...]


class Unpriced(msgspec.Struct, frozen=True, gc=False):
    """The part of a position whose entry price nobody told us.

    It comes from a baseline without average, or from a correction without price. It has no P&L, and
    none is invented: closing it moves ``cash`` here instead of into the position's.
    """

    qty: Decimal = ZERO  # held, signed like the position
    closed: Decimal = ZERO  # closed so far, signed as it was held
    cash: Decimal = ZERO  # settle currency that its closes paid (negative: cost) us
    later: Decimal = ZERO  # closed of the priced part on the same side since; busts return it first


def cash_flow(instrument: Instrument, side: Side, qty: Decimal, px: Decimal) -> Decimal:
    """Cash that a fill moves, in the settle currency, fees excluded.

    Raises:
        InvalidValue: a number that is not finite, or a zero price of an INVERSE contract.
    """
    if instrument.kind is _INVERSE:
        if not px or not px.is_finite() or not qty.is_finite():
            raise InvalidValue(
                f"an inverse contract ({instrument.symbol!r}) has no value with"
                f" {qty} at {px}; give a finite quantity and a price other than 0"
            )
        money = _divide(_multiply(qty, instrument.multiplier), px)
        return money if side is _BUY else money.copy_negate()
    money = _multiply(_multiply(qty, instrument.multiplier), px)
    if not money.is_finite():
        raise InvalidValue(
            f"{instrument.symbol!r}: quantity and price must be finite, were {qty} at {px}"
        )
    return money.copy_negate() if side is _BUY else money


def value(instrument: Instrument, qty: Decimal, px: Decimal) -> Decimal:
    """Worth of a signed quantity at a price, in the sense of this module (mirrored for INVERSE)."""
    return cash_flow(instrument, Side.SELL, qty, px)


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """``amount * part / whole``, rounded once; exactly ``amount`` when the part is the whole."""
    return amount if part == whole else _divide(_multiply(amount, part), whole)


def basis_after_fill(
    held: Decimal, basis: Decimal, delta: Decimal, flow: Decimal, new: Decimal
) -> Decimal:
    """Basis after a trade moved ``held`` by ``delta`` to ``new`` for ``flow``: average cost.

    Adding puts the trade's cost on top; reducing releases a proportional share; a flip keeps only
    the part of this trade that opened the other side, at the trade's own price.
    """
    if not new:
        return ZERO
    if not held or held.is_signed() == delta.is_signed():
        return _subtract(basis, flow)
    if held.is_signed() == new.is_signed():
        return _divide(_multiply(basis, new), held)
    return _divide(_multiply(flow, new), delta).copy_negate()


def basis_after_gift(held: Decimal, basis: Decimal, new: Decimal) -> Decimal:
    """Basis after the quantity changed for no cash: a fee taken in the asset.

    The cost stays on what is left. Where nothing of it is left, the cost becomes a realised loss
    (or gain), and what crossed zero has cost nothing.
    """
    return basis if held and new and held.is_signed() == new.is_signed() else ZERO


def basis_after_void(
    held: Decimal,
    basis: Decimal,
    delta: Decimal,
    flow: Decimal,
    new: Decimal,
    prior: tuple[Decimal, Decimal],
    signed_px: bool,
) -> Decimal:
    """Basis after a fill was taken back; ``delta`` and ``flow`` are those of the taking back.

    An opening leaves at its own price; a close gives back quantity at the average it was held at,
    for which ``prior`` is (quantity, basis) just before the last reduction. Exact as if the fill
    never was when no trade on the other side came between; after one, average cost has no exact
    answer without the history, and only the split between realised and unrealised is an estimate.
    ``signed_px`` says that prices below zero are normal here.
    """
    if not new:
        return ZERO
    if held and held.is_signed() == new.is_signed():
        if held.is_signed() != delta.is_signed():
            own = _subtract(basis, flow)
            if signed_px or not own or own.is_signed() == basis.is_signed():
                return own
        elif new == prior[0]:
            return prior[1]
        return _divide(_multiply(basis, new), held)
    if prior[0] and prior[0].is_signed() == new.is_signed():
        return share(prior[1], new, prior[0])
    return _divide(_multiply(flow, new), delta).copy_negate()


def split_fill(
    unpriced: Unpriced, priced: Decimal, delta: Decimal, flow: Decimal
) -> tuple[Unpriced, Decimal, Decimal]:
    """Let a trade close the unpriced part first, for it is the oldest.

    Returns that part, and what is left of delta and flow for the ``priced`` one.
    """
    if unpriced.qty and unpriced.qty.is_signed() != delta.is_signed():
        unpriced, delta, flow = _move(unpriced, _at_most(delta, unpriced.qty), delta, flow)
    if delta and priced and unpriced.closed and priced.is_signed() != delta.is_signed():
        if priced.is_signed() == unpriced.closed.is_signed():
            unpriced = _counted(unpriced, _at_most(delta, priced))
    return unpriced, delta, flow


def split_void(
    unpriced: Unpriced, priced: Decimal, delta: Decimal, flow: Decimal
) -> tuple[Unpriced, Decimal, Decimal]:
    """The reverse of :func:`split_fill`: the newest first.

    Priced openings on the other side go, then priced closes return, then unpriced closes.
    """
    rest = delta
    if priced and priced.is_signed() != delta.is_signed():
        rest = _subtract(delta, _at_most(delta, priced))
    if not rest:
        return unpriced, delta, flow
    if unpriced.closed and unpriced.closed.is_signed() == delta.is_signed():
        if unpriced.later:
            returned = _at_most(rest, unpriced.later)
            unpriced = _counted(unpriced, returned)
            rest = _subtract(rest, returned)
        limit = unpriced.closed
    elif unpriced.qty and unpriced.qty.is_signed() != delta.is_signed():
        limit = unpriced.qty
    else:
        return unpriced, delta, flow
    return _move(unpriced, _at_most(rest, limit), delta, flow) if rest else (unpriced, delta, flow)


def _counted(unpriced: Unpriced, delta: Decimal) -> Unpriced:
    """Count what a trade (or its bust) closed of the priced part after the unpriced was gone."""
    return Unpriced(unpriced.qty, unpriced.closed, unpriced.cash, _subtract(unpriced.later, delta))


def _move(
    unpriced: Unpriced, part: Decimal, delta: Decimal, flow: Decimal
) -> tuple[Unpriced, Decimal, Decimal]:
    """Book ``part`` of a trade on the unpriced quantity, with its share of the cash."""
    money = share(flow, part, delta)
    moved = Unpriced(
        _add(unpriced.qty, part),
        _subtract(unpriced.closed, part),
        _add(unpriced.cash, money),
        unpriced.later,
    )
    return moved, _subtract(delta, part), _subtract(flow, money)


def _at_most(delta: Decimal, limit: Decimal) -> Decimal:
    """``delta``, but no larger than ``limit`` in size."""
    size = limit.copy_abs()
    return delta if delta.copy_abs() <= size else size.copy_sign(delta)


def add_amount(amounts: Amounts, currency: str, amount: Decimal) -> Amounts:
    """Add to one currency's sum; a new currency goes to the end.

    Raises:
        InvalidValue: the amount is not finite.
    """
    if not amount.is_finite():
        raise InvalidValue(f"an amount of {currency!r} must be finite, was {amount}")
    if not amounts:
        return ((currency, amount),)
    if len(amounts) == 1 and amounts[0][0] == currency:
        return ((currency, _add(amounts[0][1], amount)),)
    summed = dict(amounts)
    summed[currency] = _add(summed.get(currency, ZERO), amount)
    return tuple(summed.items())


def is_dust(qty: Decimal, instrument: Instrument, px: Decimal | None = None) -> bool:
    """Whether no order could close ``qty``.

    It is below the lot, the minimum quantity, or the minimum notional at ``px``. The minimum
    notional is in the quote currency, so it is not judged for a quanto contract. Zero is not dust.
    """
    size = qty.copy_abs()
    if not size:
        return False
    if size < instrument.lot_size:
        return True
    if instrument.min_qty is not None and size < instrument.min_qty:
        return True
    if instrument.min_notional is None:
        return False
    worth = _multiply(size, instrument.multiplier)
    if instrument.kind is not _INVERSE:
        if px is None or (instrument.settle and instrument.settle != instrument.quote):
            return False
        worth = _multiply(worth, px.copy_abs())
    return worth < instrument.min_notional
