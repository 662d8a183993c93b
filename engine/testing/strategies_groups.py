"""Hypothesis strategies for groups of contingent orders.

Import them from :mod:`engine.testing.strategies`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from hypothesis import strategies as st
from msgspec.structs import replace

from ..contingent import bracket, leg, oco, oto, ouo
from ..messages import Contingency, GroupTerms, LegRole, SubmitOrder
from ..values import CONTEXT, Instrument, OrderType, Side
from .scenario import SubmitsGroup
from .strategies_orders import middle, prices, quantities

__all__ = ["brackets", "exits", "groups", "submitted_groups"]

#: Targets of a bracket by their shares; (None,) is one for all of it.
_SHARES: Final[tuple[tuple[str | None, ...], ...]] = (
    (None,), (), ("0.5", "0.5"), ("0.3", "0.3", "0.4"), ("0.5", "0.25"),
)  # fmt: skip


@st.composite
def brackets(
    draw: st.DrawFn, instrument: Instrument, mid: Decimal | None = None, lots_max: int = 25
) -> GroupTerms:
    """An entry near ``mid`` (:func:`middle` when left out), at market or with a price, with a stop
    and one target, none, or several of a part each.
    """
    at = middle(instrument) if mid is None else mid
    entry = draw(_entries(instrument, at, lots_max))
    is_market = draw(st.integers(0, 3)) == 3
    start = at if entry.price is None else entry.price
    up = 1 if entry.side is Side.BUY else -1
    shares = draw(st.sampled_from(_SHARES))
    first = draw(st.integers(1, 6))
    levels = [_away(instrument, start, up * (first + 2 * n)) for n in range(len(shares))]
    whole = shares == (None,)
    return bracket(
        replace(entry, order_type=OrderType.MARKET, price=None) if is_market else entry,
        stop_px=_away(instrument, start, -up * draw(st.integers(1, 8))),
        target=levels[0] if whole else None,
        targets=() if whole else [(px, str(s)) for px, s in zip(levels, shares, strict=True)],
    )


@st.composite
def exits(
    draw: st.DrawFn, instrument: Instrument, mid: Decimal | None = None, lots_max: int = 25
) -> GroupTerms:
    """A stop and a target for what is held already, reduce-only."""
    at = middle(instrument) if mid is None else mid
    base = replace(draw(_entries(instrument, at, lots_max)), reduce_only=True)
    up = 1 if base.side is Side.SELL else -1
    stop_px = _away(instrument, at, -up * draw(st.integers(1, 8)))
    stop = replace(base, order_type=OrderType.STOP, price=None, stop_px=stop_px)
    target = replace(base, price=_away(instrument, at, up * draw(st.integers(1, 8))))
    legs = leg("stop", stop, LegRole.STOP), leg("target", target, LegRole.TARGET)
    return GroupTerms(draw(st.sampled_from((Contingency.OCO, Contingency.OUO))), legs)


def groups(
    instrument: Instrument, mid: Decimal | None = None, lots_max: int = 25
) -> st.SearchStrategy[GroupTerms]:
    """A group of any kind: brackets, exits alone, an OCO, OTO or OUO of entries."""
    at = middle(instrument) if mid is None else mid
    one = _entries(instrument, at, lots_max)
    return st.one_of(
        brackets(instrument, at, lots_max),
        exits(instrument, at, lots_max),
        st.builds(oco, one, one),
        st.builds(oto, one, one),
        st.builds(lambda a, b, part: ouo(a, b, proportional=part), one, one, st.booleans()),
    )


@st.composite
def submitted_groups(
    draw: st.DrawFn, intent: str, instrument: Instrument, mid: Decimal | None = None
) -> SubmitsGroup:
    """The host submits a group of any kind; what it fills is protected within seconds, or less."""
    within = draw(st.sampled_from((5_000_000_000, 500_000_000)))
    return SubmitsGroup(intent, draw(groups(instrument, mid)), within)


@st.composite
def _entries(draw: st.DrawFn, instrument: Instrument, at: Decimal, lots_max: int) -> SubmitOrder:
    """A plain limit order near a price."""
    price = draw(prices(instrument, at))
    qty = draw(quantities(instrument, price, lots_max))
    side = draw(st.sampled_from(Side))
    return SubmitOrder("", "", "", instrument.symbol, side, OrderType.LIMIT, qty, price=price)


def _away(instrument: Instrument, px: Decimal, ticks: int) -> Decimal:
    return CONTEXT.add(px, CONTEXT.multiply(Decimal(ticks), instrument.tick_size))
