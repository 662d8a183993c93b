"""One leg after the other: how a slot and its trip stand after it.

:class:`TripFold` is what :mod:`engine.trip_fold` folds with. It is mutable and lives for one fold.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from .booking import state_position
from .messages import CorrectPosition
from .pnl import EXACT, Amounts, add_amount, share, value
from .position import book, late_fee, void
from .position_state import Position
from .position_tables import Exposure, PositionLife
from .position_views import realized_pnl, unrealized_pnl
from .trips import Leg, LegKind, Stand, Trip
from .values import CONTEXT, ZERO, CorrectionKind, Instrument, InstrumentKind

__all__ = ["TripFold", "averaged", "so_far"]

_add: Final = EXACT.add
_subtract: Final = EXACT.subtract
_BOOK, _VOID, _FEE, _MARK = LegKind.BOOK, LegKind.VOID, LegKind.FEE, LegKind.MARK
_FLAT: Final = PositionLife.FLAT


def so_far(now: Stand, instrument: Instrument) -> Trip | None:
    """The open trip of a slot with what it has come to: averages, and what was realised on the part
    that is gone (the fold sets that once, at the close). None: none is open.
    """
    if now.trip is None:
        return None
    realized = _subtract(realized_pnl(now.position), now.settled)
    return replace(averaged(now.trip, instrument), realized_pnl=realized)


def averaged(trip: Trip, instrument: Instrument) -> Trip:
    """The trip with its average prices, as far as they are known."""
    if not trip.is_priced:
        return trip
    return replace(
        trip,
        entry_px=_average(instrument, trip.entry_qty, trip.entry_value),
        exit_px=_average(instrument, trip.exit_qty, trip.exit_value),
    )


def _average(instrument: Instrument, qty: Decimal, worth: Decimal) -> Decimal | None:
    units = EXACT.multiply(qty, instrument.multiplier)
    if not units or not worth:
        return None if not units or instrument.kind is InstrumentKind.INVERSE else ZERO
    if instrument.kind is InstrumentKind.INVERSE:
        return CONTEXT.plus(CONTEXT.divide(units, worth).copy_negate())
    return CONTEXT.plus(CONTEXT.divide(worth, units))


class TripFold:
    """A stand that legs are taken into."""

    def __init__(self, stand: Stand, instrument: Instrument) -> None:
        self.instrument = instrument
        self.position = stand.position
        self.trip = stand.trip
        self.last = stand.last
        self.count = stand.count
        self.settled = stand.settled
        self.fees = stand.fees
        self.funding = stand.funding
        self.closed: dict[int, Trip] = {}  # closed, or changed after that

    def stand(self) -> Stand:
        """How it stands now."""
        return Stand(
            self.position, self.trip, self.last, self.count, self.settled, self.fees, self.funding
        )

    def take(self, leg: Leg) -> Leg:
        """Take one leg in; gives it with the trip that it belongs to."""
        before = self.position
        if leg.kind is _MARK:
            if self.trip is not None:
                self.trip = self._exposed(self.trip, before, leg.low, leg.high)
            return self._belongs(leg)
        after = self.position = _moved(before, self.instrument, leg)
        if self.trip is not None and leg.kind is not _VOID:  # whose price is of long ago
            self.trip = self._exposed(self.trip, before, leg.px, leg.px)
        self._pay(before, after, leg)
        trip = self.trip
        flips = False
        if trip is None:
            if after.life is not _FLAT:
                self._open(after, leg)
        elif after.life is _FLAT:
            self._close(trip, before.qty.copy_abs(), leg)
        elif after.qty.is_signed() is not (trip.side is Exposure.SHORT):
            flips = True
            self._close(trip, before.qty.copy_abs(), leg)
            self._open(after, leg)
        else:
            self.trip = self._moved(trip, before, after, leg)
        return self._belongs(leg, flips)

    def _belongs(self, leg: Leg, flips: bool = False) -> Leg:
        number = self.trip.number if self.trip is not None else self.count
        if leg.trip == number and leg.flips is flips:
            return leg
        return replace(leg, trip=number, flips=flips)

    def _exposed(
        self, trip: Trip, held: Position, low: Decimal | None, high: Decimal | None
    ) -> Trip:
        """What was held was worth this much at the lowest and at the highest price."""
        if low is None or high is None or not held.qty:
            return trip
        mae, mfe = trip.mae, trip.mfe
        for px in (low,) if low is high else (low, high):
            gain = unrealized_pnl(held, self.instrument, px)
            if gain is not None:
                mae, mfe = min(mae, gain), max(mfe, gain)
        worst, best = (low, high) if trip.side is Exposure.LONG else (high, low)
        if trip.worst_px is not None and trip.best_px is not None:
            down, up = (min, max) if trip.side is Exposure.LONG else (max, min)
            worst, best = down(trip.worst_px, worst), up(trip.best_px, best)
        if (mae, mfe, worst, best) == (trip.mae, trip.mfe, trip.worst_px, trip.best_px):
            return trip
        return replace(trip, mae=mae, mfe=mfe, worst_px=worst, best_px=best)

    # --- money beside the price -------------------------------------------------------------------

    def _pay(self, before: Position, after: Position, leg: Leg) -> None:
        """Fees and funding, to the trip they belong to; a flip pays for both of its trips."""
        if leg.stated is not None:
            if isinstance(leg.stated, CorrectPosition) and leg.stated.amount is not None:
                if leg.stated.kind is CorrectionKind.FUNDING:
                    self._received(leg.stated.currency, leg.stated.amount)
            return
        if not leg.fee:
            return
        fee = leg.fee.copy_negate() if leg.kind is _VOID else leg.fee
        now, new = before.qty, after.qty
        if self.trip is None:
            if self.last is not None and (leg.kind is _FEE or after.life is _FLAT):
                self._amend(replace(self.last, fees=self._plus(self.last.fees, leg, fee)))
            else:
                self.fees = self._plus(self.fees, leg, fee)
        elif after.life is not _FLAT and new.is_signed() is not now.is_signed():
            closing, opening = now.copy_abs(), new.copy_abs()
            part = share(fee, closing, _add(closing, opening))
            self.trip = replace(self.trip, fees=self._plus(self.trip.fees, leg, part))
            self.fees = self._plus(self.fees, leg, _subtract(fee, part))
        else:
            self.trip = replace(self.trip, fees=self._plus(self.trip.fees, leg, fee))

    def _plus(self, fees: Amounts, leg: Leg, fee: Decimal) -> Amounts:
        return _no_zeros(add_amount(fees, leg.fee_currency, fee))

    def _received(self, currency: str, amount: Decimal) -> None:
        if self.trip is not None:
            self.trip = replace(self.trip, funding=add_amount(self.trip.funding, currency, amount))
        elif self.last is not None:
            self._amend(replace(self.last, funding=add_amount(self.last.funding, currency, amount)))
        else:
            self.funding = add_amount(self.funding, currency, amount)

    def _amend(self, trip: Trip) -> None:
        self.last = self.closed[trip.number] = trip

    # --- trips ------------------------------------------------------------------------------------

    def _open(self, after: Position, leg: Leg) -> None:
        """What is held now is a new trip; dust of before is part of it, at cost."""
        self.count += 1
        held = after.qty.copy_abs()
        is_long = not after.qty.is_signed()
        unpriced = after.unpriced is not None and bool(after.unpriced.qty)
        venue, account, symbol, slot = after.key
        is_execution = leg.kind is _BOOK
        self.trip = Trip(
            venue=venue, account=account, instrument=symbol, slot=slot, number=self.count,
            side=Exposure.LONG if is_long else Exposure.SHORT, currency=after.currency,
            opened_ts=leg.ts, max_qty=held, entry_qty=held,
            entry_value=after.basis if is_long else after.basis.copy_negate(),
            fees=self.fees, funding=self.funding, worst_px=leg.px, best_px=leg.px,
            client_order_id=leg.by.client_order_id, intent_id=leg.by.intent_id,
            group_id=leg.by.group_id, exec_id=leg.key, tags=leg.by.tags,
            executions=1 if is_execution else 0, is_priced=not unpriced, carried=not is_execution,
        )  # fmt: skip
        self.fees = self.funding = ()

    def _close(self, trip: Trip, qty: Decimal, leg: Leg) -> None:
        realized = realized_pnl(self.position)
        left = self.position.qty if self.position.life is _FLAT else ZERO
        out = _subtract(qty, left.copy_abs())
        done = replace(
            self._left(trip, out, leg),
            closed_ts=leg.ts,
            realized_pnl=_subtract(realized, self.settled),
            closed_by=leg.by.client_order_id,
        )
        self.settled = realized
        self.trip = None
        self._amend(averaged(done, self.instrument))

    def _moved(self, trip: Trip, before: Position, after: Position, leg: Leg) -> Trip:
        """It grew, or a part of it went."""
        stated = leg.stated
        if isinstance(stated, CorrectPosition) and stated.kind is CorrectionKind.SPLIT:
            return trip if stated.ratio is None else _rescaled(trip, stated.ratio)
        held = after.qty.copy_abs()
        change = _subtract(held, before.qty.copy_abs())
        if not change:
            return trip
        if leg.kind is _FEE:  # taken in the asset: less was bought for the same money
            return replace(trip, entry_qty=_add(trip.entry_qty, change))
        if change.is_signed():
            return self._left(trip, change.copy_abs(), leg)
        known = leg.px is not None
        worth = ZERO if leg.px is None else value(self.instrument, change, leg.px)
        return replace(
            trip,
            entry_qty=_add(trip.entry_qty, change),
            entry_value=_add(trip.entry_value, worth),
            max_qty=max(trip.max_qty, held),
            executions=trip.executions + (leg.kind is _BOOK),
            is_priced=trip.is_priced and known,
        )

    def _left(self, trip: Trip, qty: Decimal, leg: Leg) -> Trip:
        """So much of it went."""
        known = leg.px is not None
        worth = ZERO if leg.px is None or not qty else value(self.instrument, qty, leg.px)
        return replace(
            trip,
            exit_qty=_add(trip.exit_qty, qty),
            exit_value=_add(trip.exit_value, worth),
            executions=trip.executions + (leg.kind is _BOOK),
            is_priced=trip.is_priced and (known or not qty),
        )


def _moved(position: Position, instrument: Instrument, leg: Leg) -> Position:
    """The slot after a leg."""
    kind, px = leg.kind, leg.px
    if kind is _BOOK and px is not None:
        return book(position, instrument, leg.side, leg.qty, px, leg.fee, leg.fee_currency, leg.ts)
    if kind is _VOID and px is not None:
        return void(position, instrument, leg.side, leg.qty, px, leg.fee, leg.fee_currency, leg.ts)
    if kind is _FEE and leg.fee is not None:
        return late_fee(position, instrument, leg.fee, leg.fee_currency, leg.ts)
    return position if leg.stated is None else state_position(position, instrument, leg.stated)


def _rescaled(trip: Trip, ratio: Decimal) -> Trip:
    """New units for old: money stands."""

    def units(qty: Decimal) -> Decimal:
        return EXACT.multiply(qty, ratio)

    def price(px: Decimal | None) -> Decimal | None:
        return None if px is None else CONTEXT.divide(px, ratio)

    return replace(
        trip, max_qty=units(trip.max_qty), entry_qty=units(trip.entry_qty),
        exit_qty=units(trip.exit_qty), worst_px=price(trip.worst_px), best_px=price(trip.best_px),
    )  # fmt: skip


def _no_zeros(amounts: Amounts) -> Amounts:
    return tuple(pair for pair in amounts if pair[1])
