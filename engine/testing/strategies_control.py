"""Hypothesis strategies for signals, kill switches and trading modes.

Import them from :mod:`engine.testing.strategies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from hypothesis import strategies as st

from ..messages import TradingMode
from ..signals import Direction, EntrySignal, ExitSignal
from ..values import CONTEXT, ONE, Instrument, OrderType
from .scenario import Flattens, SetsMode, SignalsEntry, SignalsExit
from .strategies_orders import middle

__all__ = ["signals", "switches"]

_HALF: Final = Decimal("0.5")
_SHARES: Final[tuple[tuple[Decimal, ...], ...]] = ((), (ONE,), (_HALF, _HALF))
_DEADLINES_NS: Final = (30_000_000_000, 2_000_000_000)


@st.composite
def signals(
    draw: st.DrawFn,
    signal_id: str,
    instrument: Instrument,
    mid: Decimal | None = None,
    *,
    now_ns: int,
) -> SignalsEntry | SignalsExit:
    """An entry near ``mid`` with a stop and targets, or an exit of all, of a half, or of a few
    lots; made of the market at ``now_ns``.
    """
    at = middle(instrument) if mid is None else mid
    if draw(st.integers(0, 2)) == 2:
        which = draw(st.integers(0, 2))
        return SignalsExit(
            ExitSignal(
                signal_id=signal_id,
                instrument=instrument.symbol,
                share=_HALF if which == 1 else None,
                qty=draw(st.integers(1, 9)) * instrument.lot_size if which > 1 else None,
                ts=now_ns,
            )
        )
    direction = draw(st.sampled_from(Direction))
    up = 1 if direction is Direction.LONG else -1
    first = draw(st.integers(1, 6))
    shares = draw(st.sampled_from(_SHARES))
    return SignalsEntry(
        EntrySignal(
            signal_id=signal_id,
            instrument=instrument.symbol,
            direction=direction,
            entry_px=at,
            stop_px=_away(instrument, at, -up * draw(st.integers(1, 8))),
            targets=tuple(
                (_away(instrument, at, up * (first + 2 * n)), share)
                for n, share in enumerate(shares)
            ),
            order_type=draw(st.sampled_from((OrderType.LIMIT, OrderType.MARKET))),
            ts=now_ns,
        )
    )


def switches(symbols: Sequence[str]) -> st.SearchStrategy[Flattens | SetsMode]:
    """A kill switch or a trading mode, of one of ``symbols`` ("": of everything)."""
    of = st.sampled_from(list(symbols))
    shares = st.sampled_from((ONE, Decimal("0.4")))
    modes = st.sampled_from((TradingMode.REDUCE_ONLY, TradingMode.NONE))
    pulled = st.builds(Flattens, of, st.sampled_from(_DEADLINES_NS), shares)
    return pulled | st.builds(SetsMode, modes, of)


def _away(instrument: Instrument, px: Decimal, ticks: int) -> Decimal:
    return CONTEXT.add(px, CONTEXT.multiply(Decimal(ticks), instrument.tick_size))
