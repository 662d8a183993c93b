"""Hypothesis strategies for instruments, prices, quantities and orders.

Import them from :mod:`engine.testing.strategies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from hypothesis import strategies as st

from ..capabilities import Capabilities, ReduceOnlyRule
from ..messages import SubmitOrder
from ..simulator.config import FULL_CAPABILITIES
from ..values import (
    CONTEXT,
    ONE,
    CorrectionKind,
    Instrument,
    InstrumentKind,
    OrderType,
    PositionSlot,
    Side,
    TimeInForce,
)
from .scenario import START_NS, VENUE, Amends, Shifts
from .strategies_faults import durations

__all__ = [
    "MID_TICKS",
    "amends",
    "instruments",
    "middle",
    "orders",
    "prices",
    "quantities",
    "shifts",
]

_SECOND: Final = 1_000_000_000
_D = Decimal

#: Where a market begins, in ticks: far enough from zero to fall, and of few digits.
MID_TICKS: Final = 400
#: Tick and lot sizes as venues have them.
_TICKS: Final = tuple(map(_D, ("1", "0.5", "0.25", "0.1", "0.05", "0.01", "0.00001")))
_LOTS: Final = tuple(map(_D, ("1", "0.1", "0.01", "0.001", "0.00000001", "5", "100")))
_COINS: Final = ("BTC", "ETH", "SOL", "DOGE")


@st.composite
def instruments(
    draw: st.DrawFn,
    *,
    kinds: Sequence[InstrumentKind] = tuple(InstrumentKind),
    venue: str = VENUE,
    symbol: str = "",
) -> Instrument:
    """What is traded: any kind, on grids as venues have them, with and without size rules."""
    kind = draw(st.sampled_from(list(kinds)))
    base = draw(st.sampled_from(_COINS))
    lot = draw(st.sampled_from(_LOTS))
    tick = draw(st.sampled_from(_TICKS))
    sizes = (ONE,) if kind is InstrumentKind.CASH else (ONE, _D("0.5"), _D(10), _D(100))
    multiplier = draw(st.sampled_from(sizes))
    lots_min = draw(st.sampled_from((None, 1, 2, 10)))
    lots_max = draw(st.sampled_from((None, 1_000)))
    notional_min = None
    if draw(st.booleans()):  # of about three lots, where the market begins
        notional_min = 3 * lot * multiplier
        if kind is not InstrumentKind.INVERSE:
            notional_min *= MID_TICKS * tick
    return Instrument(
        symbol=symbol
        or {"CASH": f"{base}/USDT", "LINEAR": f"{base}-PERP"}.get(kind.value, f"{base}-COIN"),
        venue=venue,
        kind=kind,
        base=base,
        quote="USDT" if kind is InstrumentKind.CASH else "USD",
        settle={InstrumentKind.LINEAR: "USD", InstrumentKind.INVERSE: base}.get(kind, ""),
        tick_size=tick,
        lot_size=lot,
        multiplier=multiplier,
        min_qty=None if lots_min is None else lots_min * lot,
        max_qty=None if lots_max is None else lots_max * lot,
        min_notional=notional_min,
    )


def middle(instrument: Instrument) -> Decimal:
    """Where the market of an instrument begins: :data:`MID_TICKS` ticks."""
    return CONTEXT.multiply(_D(MID_TICKS), instrument.tick_size)


@st.composite
def prices(
    draw: st.DrawFn, instrument: Instrument, mid: Decimal | None = None, reach: int = 8
) -> Decimal:
    """A price within ``reach`` ticks of ``mid`` (:func:`middle` when left out), above zero."""
    tick = instrument.tick_size
    at = middle(instrument) if mid is None else mid
    offset = draw(_offsets(reach))
    return max(CONTEXT.add(at, CONTEXT.multiply(_D(offset), tick)), tick)


def _offsets(reach: int) -> st.SearchStrategy[int]:
    return st.integers(-reach, reach)


@st.composite
def quantities(
    draw: st.DrawFn, instrument: Instrument, price: Decimal | None = None, lots_max: int = 25
) -> Decimal:
    """A quantity from the smallest that the instrument allows at ``price`` to ``lots_max`` lots
    more.
    """
    least = _lots_min(instrument, middle(instrument) if price is None else price)
    lots = draw(st.integers(least, least + lots_max - 1))
    qty = CONTEXT.multiply(_D(lots), instrument.lot_size)
    return qty if instrument.max_qty is None else min(qty, instrument.max_qty)


def _lots_min(instrument: Instrument, price: Decimal) -> int:
    lot = instrument.lot_size
    least = lot if instrument.min_qty is None else max(lot, instrument.min_qty)
    floor = instrument.min_notional
    if floor is not None:
        worth = instrument.multiplier
        if instrument.kind is not InstrumentKind.INVERSE:
            worth = CONTEXT.multiply(worth, abs(price))
        least = max(least, CONTEXT.divide(floor, worth))
    lots, rest = CONTEXT.divmod(least, lot)
    return int(lots) + (rest > 0)


@st.composite
def orders(
    draw: st.DrawFn,
    instrument: Instrument,
    mid: Decimal | None = None,
    *,
    intent_id: str = "",
    order_types: Sequence[OrderType] = tuple(OrderType),
    times_in_force: Sequence[TimeInForce] = tuple(TimeInForce),
    slots: Sequence[PositionSlot] = (PositionSlot.NET,),
    capabilities: Capabilities = FULL_CAPABILITIES,
    now_ns: int = START_NS,
    lots_max: int = 25,
) -> SubmitOrder:
    """An order for ``instrument`` with prices near ``mid``, such as ``capabilities`` allow.

    A GTD order expires within seconds after ``now_ns`` (UTC).
    """
    known = [kind for kind in (OrderType.LIMIT, *OrderType) if kind in order_types]
    kind = draw(st.sampled_from([k for k in known if k in capabilities.order_types]))
    times = [one for one in times_in_force if one in capabilities.times_in_force]
    time = draw(st.sampled_from(times))
    slot = draw(st.sampled_from(list(slots)))
    at = middle(instrument) if mid is None else mid
    price = draw(prices(instrument, at)) if kind.has_limit_price else None
    is_trailing = kind is OrderType.TRAILING_STOP
    stop_px = draw(prices(instrument, at)) if kind.has_trigger and not is_trailing else None
    rests = kind.has_limit_price and time not in (TimeInForce.IOC, TimeInForce.FOK)
    can_reduce = (
        capabilities.reduce_only is not ReduceOnlyRule.UNSUPPORTED and slot is PositionSlot.NET
    )
    reduces = can_reduce and _rarely(draw)
    qty: Decimal | None = draw(quantities(instrument, price or at, lots_max))
    cash = None
    by_cash = capabilities.cash_qty and instrument.kind is not InstrumentKind.INVERSE
    if kind is OrderType.MARKET and by_cash and not reduces and _rarely(draw):
        assert qty is not None  # drawn a line ago
        cash, qty = CONTEXT.multiply(max(at, instrument.tick_size), qty), None
        floor = instrument.min_notional
        cash = cash if floor is None else max(cash, floor)
    return SubmitOrder(
        intent_id,
        "",
        "",
        instrument.symbol,
        draw(st.sampled_from(Side)),
        kind,
        qty,
        price=price,
        stop_px=stop_px,
        trail_offset=draw(st.integers(1, 4)) * instrument.tick_size if is_trailing else None,
        time_in_force=time,
        expire_ts=now_ns + draw(durations(_SECOND)) if time is TimeInForce.GTD else None,
        post_only=rests and capabilities.post_only and _rarely(draw),
        reduce_only=reduces,
        slot=slot,
        cash_qty=cash,
    )


def _rarely(draw: st.DrawFn) -> bool:
    return draw(st.integers(0, 5)) == 5


@st.composite
def amends(
    draw: st.DrawFn, intent: str, order: SubmitOrder, instrument: Instrument, mid: Decimal
) -> Amends:
    """New terms for an order: a total, a price, or both; at times a term that its kind has not."""
    price = draw(st.none() | prices(instrument, mid))
    qty = draw(st.none() | quantities(instrument, price or mid))
    if price is None and qty is None:
        qty = draw(quantities(instrument, mid))
    if order.stop_px is not None and price is not None:
        return Amends(intent, order_qty=qty, stop_px=price)
    return Amends(intent, order_qty=qty, price=price)


#: Why a holding may change by a quantity; None: it was held before the first trade.
_REASONS: Final = (
    None,
    CorrectionKind.OPERATOR,
    CorrectionKind.LIQUIDATION,
    CorrectionKind.ADL,
    CorrectionKind.SETTLEMENT,
    CorrectionKind.EXPIRY,
    CorrectionKind.ASSIGNMENT,
)


@st.composite
def shifts(draw: st.DrawFn, instrument: Instrument, mid: Decimal | None = None) -> Shifts:
    """A holding changes without an order, by up to twenty lots either way, with a price or none."""
    lots = draw(st.integers(1, 20)) * draw(st.sampled_from((1, -1)))
    qty = CONTEXT.multiply(_D(lots), instrument.lot_size)
    px = draw(st.none() | prices(instrument, mid))
    return Shifts(instrument.symbol, qty, px, draw(st.sampled_from(_REASONS)))
