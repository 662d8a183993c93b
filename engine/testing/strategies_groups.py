"""Hypothesis strategies for groups of contingent orders.

Import them from :mod:`engine.testing.strategies`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from hypothesis import strategies as st
from msgspec.structs import replace

from ..contingent import bracket, leg, oco, oto, ouo
from ..group import legs_of
from ..messages import BreakEven, Contingency, GroupTerms, LegRole, SubmitOrder, Trail
from ..values import CONTEXT, ZERO, Instrument, OrderType, Side, TriggerSource
from .scenario import MovesLeg, SubmitsGroup
from .strategies_orders import middle, prices, quantities

__all__ = ["brackets", "exits", "groups", "moves", "submitted_groups"]

#: Targets of a bracket by their shares; (None,) is one for all of it.
_SHARES: Final[tuple[tuple[str | None, ...], ...]] = (
    (None,), (), ("0.5", "0.5"), ("0.3", "0.3", "0.4"), ("0.5", "0.25"),
)  # fmt: skip
#: What a stop follows; None: what its venue watches.
_SOURCES: Final = st.sampled_from((None, TriggerSource.MID, TriggerSource.MARK))


@st.composite
def brackets(
    draw: st.DrawFn, instrument: Instrument, mid: Decimal | None = None, lots_max: int = 25
) -> GroupTerms:
    """An entry near ``mid`` (:func:`middle` when left out), at market or with a price, with a stop,
    which may trail or go to break-even, and one target, none, or several of a part each.
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
        trail=draw(st.none() | _trails(instrument)),
        break_even=draw(st.none() | _evens(instrument)),
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
def moves(
    draw: st.DrawFn, group: SubmitsGroup, instrument: Instrument, mid: Decimal | None = None
) -> MovesLeg:
    """The host moves a leg of a group to a price near ``mid``; an entry at times, in vain."""
    one = draw(st.sampled_from(list(legs_of(group.root))))
    at = middle(instrument) if mid is None else mid
    price = draw(prices(instrument, at, 8))
    if one.role is LegRole.STOP:
        return MovesLeg(group.intent, one.name, stop_px=price)
    return MovesLeg(group.intent, one.name, price=price)


def _trails(instrument: Instrument) -> st.SearchStrategy[Trail]:
    tick = instrument.tick_size
    return st.builds(
        Trail,
        offset=st.integers(1, 6).map(lambda n: n * tick),
        step=st.integers(0, 2).map(lambda n: n * tick),
        source=_SOURCES,
        max_age_ns=st.sampled_from((60_000_000_000, 2_000_000_000)),
    )


def _evens(instrument: Instrument) -> st.SearchStrategy[BreakEven]:
    tick = instrument.tick_size
    return st.builds(
        BreakEven,
        after=st.integers(1, 4).map(lambda n: n * tick),
        offset=st.sampled_from((ZERO, tick)),
        source=_SOURCES,
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
